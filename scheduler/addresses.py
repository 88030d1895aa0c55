"""Whose network address it is that a request comes from."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address


def is_loopback(address: str) -> bool:
    """Tell whether `address` is this machine's own; False for what is no address."""
    parsed = _parse(address)
    return parsed is not None and parsed.is_loopback


def is_within(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Tell whether `address` lies in one of `networks`; False for what is no address."""
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    """Return the address; an IPv4 one as such, also where a socket of both kinds has wrapped it."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
