"""What a proxy in front may say about the caller."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from connector.proxies import TrustedProxies
from connector.unread import SENDER_IS_KNOWN


def _seen(environ: dict[str, Any]) -> dict[str, Any]:
    """Return the environ that the application gets."""
    seen: dict[str, Any] = {}

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.update(environ)
        return []

    TrustedProxies(application)({"wsgi.url_scheme": "http"} | environ, None)
    return seen


@pytest.fixture(autouse=True)
def _proxy(settings: Any) -> None:
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]


def test_stranger_is_not_believed() -> None:
    seen = _seen(
        {
            "REMOTE_ADDR": "192.0.2.7",
            "HTTP_X_FORWARDED_FOR": "127.0.0.1",
            "HTTP_X_FORWARDED_PROTO": "https",
        }
    )

    assert seen == {"REMOTE_ADDR": "192.0.2.7", "wsgi.url_scheme": "http"}


def test_proxy_is_believed() -> None:
    seen = _seen(
        {
            "REMOTE_ADDR": "10.0.0.1",
            "HTTP_X_FORWARDED_FOR": "198.51.100.9",
            "HTTP_X_FORWARDED_PROTO": "https",
        }
    )

    assert seen == {
        "REMOTE_ADDR": "198.51.100.9",
        "wsgi.url_scheme": "https",
        SENDER_IS_KNOWN: True,
    }


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("127.0.0.1, 198.51.100.9", "198.51.100.9"),
        ("127.0.0.1, 198.51.100.9, 10.2.3.4", "198.51.100.9"),
        ("10.2.3.4", "10.2.3.4"),
        ("nonsense", "10.0.0.1"),
        ("198.51.100.9, nonsense", "10.0.0.1"),
        ("", "10.0.0.1"),
    ],
)
def test_last_address_that_is_no_proxy_counts(forwarded: str, address: str) -> None:
    seen = _seen({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded})

    assert seen["REMOTE_ADDR"] == address


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("198.51.100.9:4711", "198.51.100.9"),
        ("::ffff:198.51.100.9, ::ffff:10.2.3.4", "::ffff:198.51.100.9"),
        ("198.51.100.9,", "10.0.0.1"),
        ("198.51.100.9\x00", "10.0.0.1"),
        ("198.51.100.9 10.2.3.4", "10.0.0.1"),
        ("0x7f000001", "10.0.0.1"),
        ("127.1", "10.0.0.1"),
        ("9" * 10_000, "10.0.0.1"),
        ("," * 10_000, "10.0.0.1"),
        (", ".join(["10.2.3.4"] * 1_000), "10.2.3.4"),
    ],
    ids=lambda text: text[:40],
)
def test_addresses_in_other_forms_are_read_or_left(forwarded: str, address: str) -> None:
    seen = _seen({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded})

    assert ip_address(seen["REMOTE_ADDR"]) == ip_address(address)


@pytest.mark.parametrize("loopback", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_nobody_becomes_this_machine_through_a_proxy_elsewhere(loopback: str) -> None:
    seen = _seen({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": f"{loopback}, 10.2.3.4"})

    assert seen["REMOTE_ADDR"] == "10.2.3.4"


def test_a_proxy_on_a_socket_of_both_kinds_is_believed() -> None:
    seen = _seen({"REMOTE_ADDR": "::ffff:10.0.0.1", "HTTP_X_FORWARDED_FOR": "198.51.100.9"})

    assert seen["REMOTE_ADDR"] == "198.51.100.9"


@pytest.mark.parametrize(
    ("protocol", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("https, https", "https"),
        ("https, http", "http"),
        ("http, https", "http"),
        ("https, gopher", "http"),
        ("", "http"),
        ("nonsense", "http"),
    ],
)
def test_one_hop_in_clear_is_in_clear(protocol: str, scheme: str) -> None:
    seen = _seen({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_PROTO": protocol})

    assert seen["wsgi.url_scheme"] == scheme


@pytest.mark.parametrize("peer", ["", "nonsense", "10.0.0.1.evil", "::ffff:192.0.2.7"])
def test_a_peer_of_any_kind_is_a_stranger(peer: str) -> None:
    seen = _seen({"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": "127.0.0.1"})

    assert seen == {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http"}
