"""Whoever finds SQLite locked waits for its turn, as long as the time-out says."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from config.environment import read_database

Connect = Callable[..., BaseDatabaseWrapper]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a database with a table."""
    file = tmp_path / "some.sqlite3"
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE line (number INTEGER)")
    database.close()
    return file


@pytest.fixture
def connect(
    file: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any
) -> Iterator[Connect]:
    """Return a function that connects to it as Arabica does."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    made: list[BaseDatabaseWrapper] = []

    def connect(timeout: float) -> BaseDatabaseWrapper:
        settings = read_database("DATABASE_URL", file)
        settings["OPTIONS"]["timeout"] = timeout
        connection: BaseDatabaseWrapper = ConnectionHandler({"default": settings})["default"]
        made.append(connection)
        return connection

    with django_db_blocker.unblock():
        yield connect
    for one in made:
        one.close()


@contextmanager
def locked_for(file: Path, seconds: float) -> Iterator[None]:
    """Have the database locked by somebody else for the first seconds of the block."""
    locked = threading.Event()

    def lock() -> None:
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        locked.set()
        time.sleep(seconds)
        other.execute("ROLLBACK")
        other.close()

    thread = threading.Thread(target=lock)
    thread.start()
    locked.wait()
    try:
        yield
    finally:
        thread.join()


def count(connection: BaseDatabaseWrapper) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM line")
        return int(cursor.fetchone()[0])


def test_statement_waits_for_the_lock(file: Path, connect: Connect) -> None:
    connection = connect(timeout=20)
    connection.ensure_connection()

    with locked_for(file, 0.8), connection.cursor() as cursor:
        cursor.execute("INSERT INTO line VALUES (%s)", [1])

    assert count(connection) == 1


def test_many_statements_wait_and_none_is_left_out(file: Path, connect: Connect) -> None:
    connection = connect(timeout=20)
    connection.ensure_connection()

    with locked_for(file, 0.3), connection.cursor() as cursor:
        cursor.executemany("INSERT INTO line VALUES (%s)", [[1], [2], [3]])

    assert count(connection) == 3


def test_waiting_ends_with_the_time_out(file: Path, connect: Connect) -> None:
    connection = connect(timeout=0.1)
    connection.ensure_connection()

    with (
        locked_for(file, 2),
        connection.cursor() as cursor,
        pytest.raises(OperationalError, match="database is locked"),
    ):
        cursor.execute("INSERT INTO line VALUES (1)")

    assert count(connection) == 0


def test_wrong_statement_is_not_tried_again(connect: Connect) -> None:
    connection = connect(timeout=20)

    began = time.monotonic()
    with connection.cursor() as cursor, pytest.raises(OperationalError, match="no such table"):
        cursor.execute("INSERT INTO missing VALUES (1)")

    assert time.monotonic() - began < 10
