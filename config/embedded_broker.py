"""The embedded broker: a kombu transport whose queues are rows of one SQLite file.

It serves the processes of one host. A message stays in the file until it is acknowledged; what a
dead process had taken goes back to its place in the queue. As in AMQP, a higher priority goes
first, and a message for a queue that nobody declared goes nowhere.
"""

import fcntl
import functools
import os
import secrets
import sqlite3
import threading
from collections import deque
from contextlib import suppress
from queue import Empty
from time import monotonic
from typing import Any
from weakref import WeakSet

from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.utils.json import dumps, loads

SCHEMA = """
CREATE TABLE IF NOT EXISTS queue (
    name TEXT PRIMARY KEY,
    owner INTEGER  -- the session that a temporary queue ends with; NULL: it stays
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS binding (
    exchange TEXT NOT NULL,
    routing_key TEXT NOT NULL,
    pattern TEXT,
    queue TEXT NOT NULL REFERENCES queue ON DELETE CASCADE,
    PRIMARY KEY (exchange, routing_key, queue)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice: it is the delivery tag
    queue TEXT NOT NULL REFERENCES queue ON DELETE CASCADE,
    priority INTEGER NOT NULL,
    body TEXT NOT NULL,
    owner INTEGER  -- the session that took it; NULL: ready
);
-- For taking the next message, for counting the ready ones and for the cascade.
CREATE INDEX IF NOT EXISTS message_next ON message (queue, owner, priority DESC, id);
-- For finding what the dead have left.
CREATE INDEX IF NOT EXISTS message_owner ON message (owner) WHERE owner IS NOT NULL;
"""
BUSY_TIMEOUT = 5.0  # seconds
SWEEP_INTERVAL = 1.0  # seconds

# Held during each statement and during a fork, when no connection may be open.
_mutex = threading.RLock()
_sessions: WeakSet["Session"] = WeakSet()
_live_owners: set[int] = set()  # of this process


class Session:
    """A kombu connection's stay at the broker, under a number that owns the messages it takes.

    While it lives, its process holds a lock on the byte of that number in a file beside the
    database. The kernel drops the lock when the process ends, however it ends.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._locks = _open_locks(f"{path}.owners")
        self._place: list[tuple[int, int]] = []  # where the files lay when they were opened
        self._swept_at = 0.0
        self._done_with: deque[tuple[str, int | None]] = deque()
        self._connection: sqlite3.Connection | None = None
        with _mutex:
            _sessions.add(self)
        self.run("SELECT 1")  # fails here, not at the first message
        self._owner: int | None = self._claim_owner()

    @property
    def owner(self) -> int | None:
        """The session's number: another one after a fork, None once it is closed."""
        if self._owner is not None and self._owner not in _live_owners:
            self._owner = self._claim_owner()
        return self._owner

    def run(self, sql: str, *parameters: object) -> list[Any]:
        """Execute one statement, which is one transaction, and return its rows."""
        with _mutex:
            self._require_own_files()
            if self._connection is None:
                self._connection = self._connect()
                self._place = self._look_at_files()
            return self._connection.execute(sql, parameters).fetchall()

    def release(self, tag: str) -> None:
        """Put a message back in its place in the queue."""
        self.run("UPDATE message SET owner = NULL WHERE id = ? AND owner = ?", tag, self.owner)

    def delete(self, tag: str) -> None:
        """Delete a message that is done with.

        Raise OperationalError where the file takes no change, as on a full disk; nobody else is
        given the message, and a later sweep deletes it.
        """
        self._done_with.append((tag, self.owner))
        self._delete_done_with()

    def _delete_done_with(self) -> None:
        while self._done_with:
            done = self._done_with[0]
            self.run("DELETE FROM message WHERE id = ? AND owner = ?", *done)
            with suppress(ValueError):  # another thread was here, too
                self._done_with.remove(done)

    def sweep(self, *, unless_within: float = 0.0) -> None:
        """Free what dead sessions own, unless this was done in the last `unless_within` seconds."""
        if monotonic() - self._swept_at < unless_within:
            return
        try:
            self._delete_done_with()
        except sqlite3.OperationalError as error:
            if not hasattr(error, "sqlite_errorcode"):  # not the disk: there is another file now
                raise
        for (owner,) in self.run(
            "SELECT owner FROM message WHERE owner IS NOT NULL"
            " UNION SELECT owner FROM queue WHERE owner IS NOT NULL"
        ):
            if not self._is_live(owner):
                self._free(owner)
        self._swept_at = monotonic()

    def close(self) -> None:
        """Free what is owned, then the number; an acknowledgement that comes later does nothing."""
        owner, self._owner = self._owner, None
        if owner not in _live_owners:  # closed before, or the parent's
            return
        try:
            self._free(owner)
        finally:
            _live_owners.discard(owner)
            fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, owner)

    def disconnect(self) -> None:
        """Close the SQLite connection; the next statement opens another."""
        with _mutex:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _look_at_files(self) -> list[tuple[int, int]]:
        files = [os.stat(name) for name in (self._path, f"{self._path}.owners")]
        return [(file.st_dev, file.st_ino) for file in files]

    def _require_own_files(self) -> None:
        """Raise OperationalError, once, when somebody has deleted the files or put others there.

        This process would go on with the old ones, and never meet those that start later.
        """
        if not self._place:
            return
        with suppress(FileNotFoundError):
            if self._look_at_files() == self._place:
                return
        self.disconnect()
        self._place = []
        _open_locks.cache_clear()  # the old file stays open, as it has to
        self._locks = _open_locks(f"{self._path}.owners")
        _live_owners.clear()
        raise sqlite3.OperationalError(f"The broker file {self._path} is not there any more.")

    def _connect(self) -> sqlite3.Connection:
        # One process at a time: SQLite does not wait when two switch a new file to WAL.
        fcntl.lockf(self._locks, fcntl.LOCK_EX, 1, 0)
        try:
            connection = sqlite3.connect(
                self._path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")  # outlives a kill, not a power cut
            connection.execute("PRAGMA foreign_keys = ON")
            connection.executescript(SCHEMA)
        finally:
            fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, 0)
        return connection

    def _claim_owner(self) -> int:
        owner = 1 + secrets.randbelow(2**62)
        fcntl.lockf(self._locks, fcntl.LOCK_EX, 1, owner)
        _live_owners.add(owner)
        return owner

    def _is_live(self, owner: int) -> bool:
        if owner in _live_owners:  # a process is never refused its own locks
            return True
        try:
            fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, owner)
        except OSError:
            return True
        fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, owner)
        return False

    def _free(self, owner: int) -> None:
        self.run("DELETE FROM queue WHERE owner = ?", owner)
        self.run("UPDATE message SET owner = NULL WHERE owner = ?", owner)


@functools.cache
def _open_locks(path: str) -> int:
    """Open the file of locks for good: closing a descriptor would drop the locks of all others."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _disconnect_all() -> None:
    """Close every connection before a fork: SQLite's locks would be wrong in the child."""
    _mutex.acquire()
    for session in _sessions:
        session.disconnect()


def _leave_owners_to_parent() -> None:
    """Forget the parent's numbers in a forked child, which inherits no locks."""
    _live_owners.clear()
    _mutex.release()


os.register_at_fork(
    before=_disconnect_all,
    after_in_parent=_mutex.release,
    after_in_child=_leave_owners_to_parent,
)


class QoS(virtual.QoS):
    """Settle messages in the file, from any thread."""

    channel: "Channel"

    def ack(self, delivery_tag: str) -> None:
        # Settled whatever becomes of the file: one that is not would take a place of the prefetch
        # count for ever, and after as many the consumer would be sent nothing more.
        super().ack(delivery_tag)
        self.channel.session.delete(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        # Marked as settled first: once it is free, it may come back under the same tag.
        super().ack(delivery_tag)
        if requeue:
            self.channel.session.release(delivery_tag)
        else:
            self.channel.session.delete(delivery_tag)


class Channel(virtual.Channel):
    """What a virtual channel asks of its queues, as SQL."""

    QoS = QoS
    supports_fanout = True

    def __init__(self, connection: "Transport", **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self.session = connection.session
        self._run = connection.session.run

    def queue_delete(
        self, queue: str, if_unused: bool = False, if_empty: bool = False, **kwargs: Any
    ) -> None:
        if if_empty and self._size(queue):
            return
        self._run("DELETE FROM queue WHERE name = ?", queue)
        self.state.queue_bindings_delete(queue)

    def queue_unbind(
        self, queue: str, exchange: Any = "", routing_key: str = "", *args: Any, **kwargs: Any
    ) -> None:
        self.state.binding_delete(queue, exchange, routing_key)
        self._run(
            "DELETE FROM binding WHERE (queue, exchange, routing_key) = (?, ?, ?)",
            *(queue, exchange, routing_key),
        )

    def get_table(self, exchange: str) -> list[Any]:
        sql = "SELECT routing_key, pattern, queue FROM binding WHERE exchange = ?"
        return self._run(sql, exchange)

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Any, consumer_tag: str | None, **kwargs: Any
    ) -> str:
        def deliver(message: Any) -> Any:
            if no_ack:
                self.session.delete(message.delivery_tag)
            return callback(message)

        return super().basic_consume(queue, no_ack, deliver, consumer_tag, **kwargs)

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        message: Any = super().basic_get(queue, no_ack, **kwargs)
        if message is not None and no_ack:
            self.session.delete(message.delivery_tag)
        return message

    def _new_queue(self, queue: str, **kwargs: Any) -> None:
        temporary = kwargs.get("exclusive") or kwargs.get("auto_delete")
        if temporary:
            self.session.sweep()  # a dead namesake's, which would be swept from under this one
        self._run(
            "INSERT INTO queue (name, owner) VALUES (?, ?) ON CONFLICT DO NOTHING",
            *(queue, self.session.owner if temporary else None),
        )

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        return bool(self._run("SELECT 1 FROM queue WHERE name = ?", queue))

    def _size(self, queue: str) -> int:
        sql = "SELECT count(*) FROM message WHERE queue = ? AND owner IS NULL"
        return int(self._run(sql, queue)[0][0])

    def _purge(self, queue: str) -> int:
        sql = "DELETE FROM message WHERE queue = ? AND owner IS NULL RETURNING 1"
        return len(self._run(sql, queue))

    def _queue_bind(self, exchange: str, routing_key: str, pattern: Any, queue: str) -> None:
        self._run(
            "INSERT INTO binding (exchange, routing_key, pattern, queue) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            *(exchange, routing_key or "", pattern, queue),
        )

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        self._run(
            "INSERT INTO message (queue, priority, body) SELECT name, ?, ? FROM queue WHERE name = ?",
            *(self._get_message_priority(message), dumps(message), queue),
        )

    def _put_fanout(
        self, exchange: str, message: dict[str, Any], routing_key: str, **kwargs: Any
    ) -> None:
        self._run(
            "INSERT INTO message (queue, priority, body)"
            " SELECT DISTINCT queue, ?, ? FROM binding WHERE exchange = ?",
            *(self._get_message_priority(message), dumps(message), exchange),
        )

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        # Most polls find nothing, and an UPDATE would take the write lock to learn it.
        if not self._run("SELECT 1 FROM message WHERE queue = ? AND owner IS NULL LIMIT 1", queue):
            raise Empty
        taken = self._run(
            "UPDATE message SET owner = ? WHERE id = (SELECT id FROM message"
            " WHERE queue = ? AND owner IS NULL ORDER BY priority DESC, id LIMIT 1)"
            " RETURNING id, body",
            *(self.session.owner, queue),
        )
        if not taken:
            raise Empty
        [(tag, body)] = taken
        message: dict[str, Any] = loads(body)
        message["properties"]["delivery_tag"] = str(tag)
        return message

    def _poll(self, cycle: Any, callback: Any, timeout: float | None = None) -> Any:
        self.session.sweep(unless_within=SWEEP_INTERVAL)
        return super()._poll(cycle, callback, timeout=timeout)

    def _restore(self, message: Any) -> None:
        self.session.release(message.delivery_tag)


class Transport(virtual.Transport):
    """The transport of `embedded:////absolute/path`, quoted as in any URL."""

    Channel = Channel
    polling_interval = 0.05  # seconds
    driver_type = driver_name = "sqlite"
    default_connection_params: dict[str, Any] = {}  # no host, so that kombu does not miss one
    connection_errors = (*virtual.Transport.connection_errors, OSError, sqlite3.OperationalError)
    implements = virtual.Transport.implements.extend(
        # Celery's event loop, as with Redis and RabbitMQ, forks pool children from the main thread.
        asynchronous=True,
        exchange_type=frozenset(["direct", "topic", "fanout"]),
    )

    def __init__(self, client: Connection, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self._path = client.virtual_host
        if not os.path.isabs(self._path):
            raise ValueError(f"The broker file {self._path!r} is not an absolute path.")

    def establish_connection(self) -> Any:
        self.session = Session(self._path)
        return super().establish_connection()

    def close_connection(self, connection: Any) -> None:
        super().close_connection(connection)
        self.session.close()
        self.session.disconnect()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Look for messages at every polling interval; Celery ends this with the connection."""
        loop.call_repeatedly(self.polling_interval, self._deliver_all, (connection,))

    def driver_version(self) -> str:
        return sqlite3.sqlite_version

    def _deliver_all(self, connection: Any) -> None:
        with suppress(TimeoutError):  # nothing is left
            while True:
                self.drain_events(connection, timeout=0)


def register() -> None:
    """Make kombu and Celery understand `embedded:` URLs."""
    TRANSPORT_ALIASES["embedded"] = f"{__name__}:Transport"
