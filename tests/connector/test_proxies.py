"""What a proxy in front may say about the caller."""

from collections.abc import Iterable
from ipaddress import ip_network
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
