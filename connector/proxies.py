"""What a proxy in front may say about the caller."""

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any

from django.conf import settings

from connector.unread import SENDER_IS_KNOWN
from scheduler.addresses import is_loopback, is_within

WSGIApplication = Callable[[dict[str, Any], Any], Iterable[bytes]]

ADDRESS_AND_PORT = re.compile(r"\[(?P<bracketed>[^\]]+)\](:[0-9]+)?|(?P<plain>[0-9.]+):[0-9]+")
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
    protocols = _split(environ.get("HTTP_X_FORWARDED_PROTO", "").lower())
    if protocols and set(protocols) <= {"http", "https"}:
        # Of several proxies each says how it was reached: one in clear is enough to overhear.
        environ["wsgi.url_scheme"] = "http" if "http" in protocols else "https"
    for text in reversed(_split(environ.get("HTTP_X_FORWARDED_FOR", ""))):
        address = _read_address(text)
        # Loopback is this machine only for a proxy on this machine.
        if not address or (is_loopback(address) and not is_loopback(environ["REMOTE_ADDR"])):
            return
        environ["REMOTE_ADDR"] = address
        if not _is_trusted(address):
            return


def _split(text: str) -> list[str]:
    return [item.strip() for item in text.split(",")] if text.strip() else []


def _read_address(text: str) -> str:
    """Return the address, without the port that some proxies add; empty for what is none."""
    found = ADDRESS_AND_PORT.fullmatch(text)
    address = (found["bracketed"] or found["plain"]) if found else text
    try:
        return str(ip_address(address))
    except ValueError:
        return ""


def _is_trusted(address: str) -> bool:
    return is_within(address, settings.TRUSTED_PROXIES)
