"""Checks a user name and a password, quickly for those checked a moment ago."""

import hmac
import threading
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import Permission
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from connector.identities import Identity
from connector.models import ApiClient
from connector.models.api_clients import digest_secret
from processes.catalog import RecentlyFound

PERMISSION = ("connector", "use_connector_api")

# One hash at a time for each process: a hash costs a quarter of a second of processor time, and
# callers with a wrong password must not take every core from those with a right one.
_hashing = threading.Lock()
_checked_passwords: dict[str, bytes] = {}
MAX_CHECKED = 10_000


@dataclass(frozen=True)
class KnownClient:
    """An API client as read from the database at most five seconds ago."""

    identity: Identity
    expires_at: datetime | None
    digests: tuple[tuple[bytes, datetime | None], ...]


def identify(name: str, password: str) -> Identity | None:
    """Return who calls, or None: unknown name, wrong password, disabled, expired, not permitted."""
    client = clients.get(name)
    if client:
        return client.identity if _opens(client, password) else None
    return _identify_user(name, password)


def _read_client(name: str) -> KnownClient | None:
    client = ApiClient.objects.filter(name=name, enabled=True).first()
    if client is None:
        return None
    models = frozenset(client.process_models.values_list("pk", flat=True))
    applications = frozenset(client.applications.values_list("pk", flat=True))
    workers = frozenset(client.workers.values_list("pk", flat=True))
    return KnownClient(
        identity=Identity(
            owner=f"client:{client.pk}",
            name=client.name,
            process_models=models if models or applications else None,
            applications=applications,
            workers=workers or None,
        ),
        expires_at=client.expires_at,
        digests=tuple(
            (bytes(secret.digest), secret.expires_at) for secret in client.secrets.live()
        ),
    )


# Absent ones too: for a Django user's name, one query a request is to be enough.
clients: RecentlyFound[str, KnownClient] = RecentlyFound(_read_client, remember_absent=True)


def _opens(client: KnownClient, secret: str) -> bool:
    now = timezone.now()
    if client.expires_at and client.expires_at <= now:
        return False
    given = [
        digest_secret(secret, key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    ]
    return any(
        hmac.compare_digest(digest, candidate)
        for digest, expires_at in client.digests
        if expires_at is None or expires_at > now
        for candidate in given
    )


def _identify_user(name: str, password: str) -> Identity | None:
    """Check a Django user's password; one query reads hash, active flag and permission."""
    user = (
        get_user_model()
        .objects.filter(username=name, is_active=True)
        .annotate(permitted=_is_permitted())
        .values("pk", "password", "permitted")
        .first()
    )
    if user is None:
        # An unknown name costs the same as a wrong password.
        _check_hash(password, _hash_of_nobody())
        return None
    if not _is_password(password, user["password"]) or not user["permitted"]:
        return None
    return Identity(owner=f"user:{user['pk']}", name=name)


def _is_permitted() -> Q | Exists:
    app_label, codename = PERMISSION
    permission = Permission.objects.filter(content_type__app_label=app_label, codename=codename)
    return (
        Q(is_superuser=True)
        | Exists(permission.filter(user=OuterRef("pk")))
        | Exists(permission.filter(group__user=OuterRef("pk")))
    )


def _is_password(password: str, encoded: str) -> bool:
    """Check a password, once; then by its keyed digest, for as long as the stored hash stays."""
    digest = salted_hmac("arabica.checked-password", password, algorithm="sha256").digest()
    known = _checked_passwords.get(encoded)
    if known is not None and hmac.compare_digest(known, digest):
        return True
    if not _check_hash(password, encoded):
        return False
    if len(_checked_passwords) >= MAX_CHECKED:
        _checked_passwords.clear()
    _checked_passwords[encoded] = digest
    return True


def _check_hash(password: str, encoded: str) -> bool:
    with _hashing:
        return check_password(password, encoded)


@cache
def _hash_of_nobody() -> str:
    return make_password("no user has this name")
