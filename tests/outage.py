"""A database that is away for a while: a closed port, or a lock that nobody gives back."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from django.db import connection, connections


@contextmanager
def database_away() -> Iterator[None]:
    """Let every statement of Django's connections fail inside the block; reads work on SQLite."""
    connections.close_all()
    if connection.vendor == "sqlite":
        with _locked():
            yield
    else:
        with _unreachable():
            yield


@contextmanager
def database_away_for(seconds: float) -> Iterator[None]:
    """Let every statement fail from now on; let it come back after `seconds` while the block runs."""
    begun, over = threading.Event(), threading.Event()

    def be_away() -> None:
        with database_away():
            begun.set()
            over.wait(seconds)

    thread = threading.Thread(target=be_away)
    connections.close_all()
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _locked() -> Iterator[None]:
    options = connections.settings["default"]["OPTIONS"]
    patience, options["timeout"] = options["timeout"], 0.05
    try:
        with closing(sqlite3.connect(connection.settings_dict["NAME"])) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
    finally:
        options["timeout"] = patience


@contextmanager
def _unreachable() -> Iterator[None]:
    database = connections.settings["default"]
    port, database["PORT"] = database["PORT"], "1"
    try:
        yield
    finally:
        database["PORT"] = port
