"""What a proxy in front may say about the caller."""

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any

from django.conf import settings

from connector.unread import SENDER_IS_KNOWN

WSGIApplication = Callable[[dict[str, Any], Any], Iterable[bytes]]

FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST")


class TrustedProxies:
    """Take address and scheme from X-Forwarded-For and -Proto, if a configured proxy sent them.

    From anybody else the headers are dropped: nobody may name an address or claim TLS that is not
    theirs. Of several addresses the last one that is no proxy of ours counts, since a client can
    write the ones before it.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request."""
        if _is_trusted(environ.get("REMOTE_ADDR", "")):
            environ[SENDER_IS_KNOWN] = True
            _believe(environ)
        for header in FORWARDED:
            environ.pop(header, None)
        return self._application(environ, start_response)


def _believe(environ: dict[str, Any]) -> None:
    if environ.get("HTTP_X_FORWARDED_PROTO", "").lower() in {"http", "https"}:
        environ["wsgi.url_scheme"] = environ["HTTP_X_FORWARDED_PROTO"].lower()
    for address in reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        if not _is_address(address.strip()):
            return
        environ["REMOTE_ADDR"] = address.strip()
        if not _is_trusted(address.strip()):
            return


def _is_trusted(address: str) -> bool:
    return _is_address(address) and any(
        ip_address(address) in network for network in settings.TRUSTED_PROXIES
    )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
