"""HTTP Basic for the connector API (RFC 7617); a session cookie is no credential here."""

import base64
import binascii
from typing import Any

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from connector.credentials import identify
from connector.identities import Identity
from connector.unread import SENDER_IS_KNOWN
from processes.origin import name_actor
from scheduler.addresses import is_loopback

REALM = 'Basic realm="Arabica connector API", charset="UTF-8"'
REFUSAL = "User name or password is wrong; send them with HTTP Basic authentication."
INSECURE = "Use https: credentials are not accepted over plain HTTP from another machine."


class ConnectorAuthentication(BaseAuthentication):
    """Check the Basic header before anything of the body is read."""

    def authenticate(self, request: Request) -> tuple[Identity, Any]:
        """Return the caller; raise one and the same refusal for every failure."""
        if not _is_private(request):
            raise PermissionDenied(INSECURE, code="insecure_http")
        name, password = _read_credentials(request.META.get("HTTP_AUTHORIZATION", ""))
        identity = identify(name, password, request.META.get("REMOTE_ADDR", ""))
        if identity is None:
            raise _refusal()
        request.META[SENDER_IS_KNOWN] = True
        name_actor(identity.actor)
        return identity, None

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return REALM


def _is_private(request: Request) -> bool:
    """Tell whether nobody between the caller and this process can read the password."""
    return (
        request.is_secure()
        or settings.ALLOW_INSECURE_HTTP
        or is_loopback(request.META.get("REMOTE_ADDR", ""))
    )


def _read_credentials(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise _refusal()
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _refusal() from error
    name, colon, password = text.partition(":")
    if not colon or "\x00" in text:
        raise _refusal()
    return name, password


def _refusal() -> AuthenticationFailed:
    return AuthenticationFailed(REFUSAL, code="unauthorized")
