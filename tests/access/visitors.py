"""Those who call: a browser of each role, a stranger, a client of the API; and what they changed."""

import copy
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.apps import apps
from django.db import connection, transaction
from django.test import Client

from tests.access.table import (
    ANONYMOUS,
    API_CLIENT,
    NO_ROLE,
    NO_STAFF,
    STAFF,
    SUPERUSER,
)
from tests.conftest import Caller
from tests.factories import UserFactory
from tests.people import make_person

WRITING = ("INSERT", "UPDATE", "DELETE", "WITH", "MERGE", "REPLACE", "TRUNCATE")
SESSIONS = "django_session"
# What is stored of every caller: that they are logged in, and that a client has called.
NOT_COUNTED = (SESSIONS, '"last_used_at"')


def make_visitors(caller: Caller) -> dict[str, Client]:
    """Return a client for each visitor."""
    people = {
        NO_STAFF: UserFactory.create(),
        NO_ROLE: make_person(),
        SUPERUSER: UserFactory.create(is_staff=True, is_superuser=True),
    }
    people |= {role: make_person(role) for role in STAFF if role not in people}
    visitors = {ANONYMOUS: Client(), API_CLIENT: Client(headers=caller.headers)}
    for name, person in people.items():
        visitors[name] = Client()
        visitors[name].force_login(person)
    for client in visitors.values():
        client.raise_request_exception = False
    return visitors


@contextmanager
def watched() -> Iterator[list[str]]:
    """Collect the statements that write into a table, sessions left aside."""
    writes: list[str] = []

    def note(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        if sql.startswith(WRITING) and not any(kept in sql for kept in NOT_COUNTED):
            writes.append(sql)
        return execute(sql, *arguments)

    with connection.execute_wrapper(note):
        yield writes


class _Undone(Exception):
    """Ends a visit whose changes are taken back."""


def call(client: Client, method: str, url: str, data: Any = None, **options: Any) -> Any:
    """Return the answer and what was written for it; then take everything back.

    Cookies too: who logs out stays logged in.
    """
    cookies = copy.deepcopy(client.cookies)
    with watched() as writes, suppress(_Undone), transaction.atomic():
        answer = getattr(client, method.lower())(url, data or None, **options)
        if answer.streaming:
            answer.getvalue()
        raise _Undone
    client.cookies = cookies
    return answer, writes


def digest() -> str:
    """Return what all tables hold, in one word; sessions left aside."""
    total = hashlib.sha256()
    for model in apps.get_models(include_auto_created=True):
        table = connection.ops.quote_name(model._meta.db_table)
        if not model._meta.managed or model._meta.db_table == SESSIONS:
            continue
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - a name of our own
            rows = sorted(repr(row) for row in cursor.fetchall())
        total.update(repr((model._meta.db_table, rows)).encode())
    return total.hexdigest()
