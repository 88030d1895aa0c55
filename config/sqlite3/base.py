"""The backend that Django loads by the name of this package.

SQLite's own waiting sleeps ever longer, up to a tenth of a second, so with many writers those who
came last win: of eight that write without a pause one in 10,000 transactions waited over 18
seconds, and a start call gave up after 20. Here those who have waited longest look most often.
"""

import random
import sqlite3
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.db.backends.sqlite3 import base

PAUSE = 0.004  # seconds between two looks, on average
IMPATIENT_AFTER = 0.5  # seconds
SHORT_PAUSE = 0.001
KIND_OF_ERROR = 0xFF  # the rest of an error code says more of the same kind

T = TypeVar("T")


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's own, which waits for the write lock in a fair way."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect; from then on a lock that is held is reported at once, and waited for here."""
        connection = super().get_new_connection(conn_params)
        connection.execute("PRAGMA busy_timeout = 0")
        self._patience = float(conn_params.get("timeout", 5.0))
        return connection

    def create_cursor(self, name: str | None = None) -> Any:
        """Return a cursor that waits for locks as long as the connection's time-out says."""
        cursor = self.connection.cursor(factory=WaitingCursor)
        cursor.patience = self._patience
        return cursor


class WaitingCursor(base.SQLiteCursorWrapper):
    """Tries again what found the database locked, until it is through or the time is over."""

    patience = 0.0  # seconds

    def execute(self, query: str, params: Any = None) -> Any:
        """Execute one statement."""
        return self._wait_for(lambda: super(WaitingCursor, self).execute(query, params))

    def executemany(self, query: str, param_list: Iterable[Any]) -> Any:
        """Execute one statement with each of the parameters."""
        params = list(param_list)  # they may be asked for again
        return self._wait_for(lambda: super(WaitingCursor, self).executemany(query, params))

    def _wait_for(self, execute: Callable[[], T]) -> T:
        began = time.monotonic()
        while True:
            try:
                return execute()
            except sqlite3.OperationalError as error:
                waited = time.monotonic() - began
                if not self._is_worth_waiting(error) or waited > self.patience:
                    raise
            pause = PAUSE if waited < IMPATIENT_AFTER else SHORT_PAUSE
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - so that they do not meet again

    def _is_worth_waiting(self, error: sqlite3.OperationalError) -> bool:
        """Tell whether somebody else is writing; within a transaction nothing else can be."""
        kind = error.sqlite_errorcode & KIND_OF_ERROR
        return kind == sqlite3.SQLITE_BUSY and not self.connection.in_transaction
