"""The backend that Django loads by the name of this package."""

import time
from types import SimpleNamespace
from typing import Any, TypeVar

import psycopg
from django.db.backends.postgresql import base
from psycopg.abc import PQGen

from config.postgresql.patience import door, patience

INTERVAL = 0.1  # seconds, psycopg's own: how often it looks for a signal

T = TypeVar("T")


class PatientConnection(psycopg.Connection[Any]):
    """A connection that gives up a statement when the request's patience is at an end.

    It is closed then, since its answer may still come. Whether the server carries the statement
    out nobody knows.
    """

    def wait(self, gen: PQGen[T], interval: float = INTERVAL, timeout: float | None = None) -> T:
        """Return what the server answers. Raise OperationalError when it does not in time."""
        seconds = patience.get() if timeout is None else timeout
        if seconds is None:
            return super().wait(gen, interval)
        end = time.monotonic() + seconds
        try:
            return super().wait(gen, interval, seconds)
        except psycopg.OperationalError:
            if time.monotonic() >= end:
                door.note_silence()
                self.pgconn.finish()
            raise


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's own, with connections that do not wait for ever."""

    Database = SimpleNamespace(**(vars(psycopg) | {"connect": PatientConnection.connect}))

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect; while the server is silent, most requests are refused at once."""
        if patience.get() is None:
            return super().get_new_connection(conn_params)
        with door.knock():
            try:
                return super().get_new_connection(conn_params)
            except psycopg.errors.ConnectionTimeout:
                door.note_silence()
                raise
