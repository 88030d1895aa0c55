"""Checks a user name and a password, quickly for those checked a moment ago."""

import hmac
from functools import cache
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.utils.crypto import salted_hmac

from connector.identities import Identity
from connector.known_clients import KnownClient, clients
from connector.models import WrongAttempt
from connector.throttling import (
    MOST_OF_A_NAME,
    Hashing,
    Sender,
    count_attempt,
    require_unlocked,
    settle_attempt,
)
from connector.usage import note_use

PERMISSION = ("connector", "use_connector_api")

# Stands for the name in the statement that is compiled once.
ANY_NAME = "\0any name"

hashing = Hashing()
_checked_passwords: dict[str, bytes] = {}
MAX_CHECKED = 10_000


def identify(name: str, password: str, address: str) -> Identity | None:
    """Return who calls from `address`, or None whatever is wrong.

    Raise TooManyAttempts, before any hashing, if too many wrong attempts came from there. Every
    failure goes the same way as a wrong password of a user, with the same statements and one hash:
    neither answer nor time tells whose names exist.
    """
    sender = Sender(name, address)
    attempts = require_unlocked(sender)
    client = clients.get(name)
    fault = WrongAttempt.Reason.CREDENTIALS
    secret = client.find_secret(password) if client else None
    if client and secret:
        found = client.find_fault(secret, address)
        if found is None:
            return _welcome(client, secret.id)
        fault = found
    return _identify_user(sender, password, fault, is_suspect=attempts >= MOST_OF_A_NAME)


def _welcome(client: KnownClient, secret_id: int) -> Identity:
    note_use(client.id, secret_id)
    return client.identity


def _identify_user(
    sender: Sender, password: str, fault: WrongAttempt.Reason, *, is_suspect: bool
) -> Identity | None:
    """Check a Django user's password; one query reads hash, active flag and permission."""
    user = _read_user(sender.name)
    is_permitted = user is not None and user["permitted"]
    if is_permitted and _is_known(password, user["password"]):
        return _identity(user)
    with hashing.turn(is_suspect=is_suspect):
        # Whoever was before this one may have had the same right password.
        if is_permitted and _is_known(password, user["password"]):
            return _identity(user)
        attempt = count_attempt(sender, fault)
        is_right = _check_hash(password, user) and is_permitted
        if is_right:
            _remember(password, user["password"])
    settle_attempt(attempt, was_right=is_right)
    return _identity(user) if is_right else None


def _read_user(name: str) -> Any:
    sql, parameters = _compile_reading(connection.vendor)
    with connection.cursor() as cursor:
        cursor.execute(sql, [name if each == ANY_NAME else each for each in parameters])
        row = cursor.fetchone()
    return dict(zip(("pk", "username", "password", "permitted"), row, strict=True)) if row else None


@cache
def _compile_reading(vendor: str) -> tuple[str, tuple[Any, ...]]:
    """Return the statement that reads a user, for ANY_NAME; compiling it takes longer than it."""
    users = get_user_model().objects.filter(username=ANY_NAME, is_active=True)
    rows = users.annotate(permitted=_is_permitted())
    query = rows.values_list("pk", "username", "password", "permitted").query
    return query.sql_with_params()


def _identity(user: Any) -> Identity:
    return Identity(owner=f"user:{user['pk']}", name=user["username"])


def _is_permitted() -> Q | Exists:
    app_label, codename = PERMISSION
    permission = Permission.objects.filter(content_type__app_label=app_label, codename=codename)
    return (
        Q(is_superuser=True)
        | Exists(permission.filter(user=OuterRef("pk")))
        | Exists(permission.filter(group__user=OuterRef("pk")))
    )


def _is_known(password: str, encoded: str) -> bool:
    """Tell whether the password was checked before, and the stored hash is still the same."""
    known = _checked_passwords.get(encoded)
    return known is not None and hmac.compare_digest(known, _digest(password))


def _remember(password: str, encoded: str) -> None:
    if len(_checked_passwords) >= MAX_CHECKED:
        _checked_passwords.clear()
    _checked_passwords[encoded] = _digest(password)


def _digest(password: str) -> bytes:
    return salted_hmac("arabica.checked-password", password, algorithm="sha256").digest()


def _check_hash(password: str, user: Any) -> bool:
    """Hash once, whoever it is; bring the hash of a right password up to the present settings."""
    nobody = _hash_of_nobody()
    if user is None:
        check_password(password, nobody)
        return False

    def upgrade(password: str) -> None:
        stored = get_user_model().objects.filter(pk=user["pk"], password=user["password"])
        stored.update(password=make_password(password))

    return check_password(password, user["password"], setter=upgrade)


@cache
def _hash_of_nobody() -> str:
    return make_password("no user has this name")
