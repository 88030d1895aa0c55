"""Whose network address it is that a request comes from."""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

# Whoever has one address of IPv6 has all that begin alike.
SUBSCRIBER_BITS = 64


def is_loopback(address: str) -> bool:
    """Tell whether `address` is this machine's own; False for what is no address."""
    parsed = _parse(address)
    return parsed is not None and parsed.is_loopback


def is_within(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Tell whether `address` lies in one of `networks`; False for what is no address."""
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in networks)


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """Return an address or network; raise ValueError for what is none, or has bits to spare."""
    if not isinstance(text, str):
        raise ValueError("it is no text")
    network = ip_network(text)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < 96:
        return network
    return ip_network((int(mapped), network.prefixlen - 96))


def show_network(network: IPv4Network | IPv6Network) -> str:
    """Return a network as people write it: of a single address the address."""
    is_single = network.num_addresses == 1
    return str(network.network_address if is_single else network)


def name_sender(address: str) -> str:
    """Return what all addresses of one sender have in common: of IPv6 the /64.

    What is no address is one sender too, whose name is empty.
    """
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((int(parsed), SUBSCRIBER_BITS), strict=False))
    return str(parsed or "")


def find_first_address(address: str) -> str | None:
    """Return the first address of a sender, as `name_sender` tells them apart; None for none."""
    return name_sender(address).partition("/")[0] or None


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    """Return the address; an IPv4 one as such, also where a socket of both kinds has wrapped it."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
