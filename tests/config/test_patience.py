"""A request waits for a silent database a few seconds, and not for others who wait for it too."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import RequestFactory

from config.postgresql import base
from config.postgresql.base import PatientConnection
from config.postgresql.patience import Door, PatienceMiddleware, patience
from tests.services import POSTGRESQL, REMEDIES, REQUIRED, has_postgresql

PATIENCE = 0.3  # seconds


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def patient() -> Iterator[None]:
    """Make this thread one of a request that waits a fraction of a second."""
    token = patience.set(PATIENCE)
    yield
    patience.reset(token)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a connection to PostgreSQL, and a door of this test's own."""
    if not has_postgresql():
        (pytest.fail if REQUIRED else pytest.skip)(f"No PostgreSQL: {REMEDIES['postgresql']}.")
    monkeypatch.setattr(base, "door", Door())
    url = POSTGRESQL.rpartition("/")[0] + "/postgres"
    with PatientConnection.connect(url, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(
    ("path", "seconds"),
    [("/scheduler/connector-api/process/start", 4.0), ("/admin/", 30.0), ("/healthz", 30.0)],
)
def test_request_has_the_patience_of_its_caller(path: str, seconds: float) -> None:
    seen = []

    def answer(request: Any) -> HttpResponse:
        seen.append(patience.get())
        return HttpResponse()

    PatienceMiddleware(answer)(RequestFactory().get(path))

    assert seen == [seconds]
    assert patience.get() is None


def test_statement_ends_with_the_patience(server: Any, patient: None) -> None:
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        server.execute("SELECT pg_sleep(20)")

    assert PATIENCE <= time.monotonic() - began < 10
    assert server.closed


def test_statement_outside_a_request_takes_its_time(server: Any) -> None:
    server.execute(f"SELECT pg_sleep({PATIENCE * 2})")

    assert server.execute("SELECT 1").fetchone() == (1,)


def test_error_of_the_server_leaves_the_connection_open(server: Any, patient: None) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        server.execute("SELECT 1 / 0")

    assert server.execute("SELECT 1").fetchone() == (1,)


def test_after_a_silence_one_tries_again_each_second() -> None:
    clock = Clock()
    door = Door(clock)
    door.note_silence()
    with pytest.raises(psycopg.OperationalError), door.knock():
        raise psycopg.OperationalError("still silent")

    with pytest.raises(OperationalError, match="not asked again"), door.knock():
        pass

    clock.now += 1
    with door.knock():
        pass
    with door.knock():  # it has answered
        pass


def test_while_one_tries_the_others_are_refused_at_once() -> None:
    door = Door()
    door.note_silence()
    refused = []

    def knock() -> None:
        with pytest.raises(OperationalError), door.knock():
            pass
        refused.append(True)

    with door.knock():
        thread = threading.Thread(target=knock)
        thread.start()
        thread.join(10)

    assert refused == [True]
