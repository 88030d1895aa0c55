"""The node that this operating-system process is: registered, kept alive by a heartbeat, stopped.

The heartbeat runs in a thread of Celery's parent process, never in a pool child that executes
user code, so a process that blocks its child does not look dead.
"""

import multiprocessing
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import Synchronized
from typing import Any, Protocol

import structlog
from django.db import Error, connection
from django.db.models.functions import Now

from processes.models import WorkerNode
from processes.models.workers import FORGOTTEN_AFTER
from processes.slots import Slot, make_slots

logger = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 5.0
LOOK_SECONDS = 1.0


def _new_flag() -> "Synchronized[int]":
    return multiprocessing.Value("b", 0)


@dataclass(frozen=True)
class Node:
    """One worker process; its pool children inherit this over the fork."""

    worker_id: int
    concurrency: int
    boot_id: uuid.UUID = field(default_factory=uuid.uuid4)
    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)
    # In memory shared with the pool children: the parent sets it, they read it between two runs.
    stopping: "Synchronized[int]" = field(default_factory=_new_flag, repr=False)
    # As well, with each heartbeat: whether it is drained, or its worker paused or disabled.
    resting: "Synchronized[int]" = field(default_factory=_new_flag, repr=False)
    # As well: the children say which runs they hold, and the parent until when.
    slots: tuple[Slot, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make a slot for each pool child."""
        object.__setattr__(self, "slots", make_slots(self.concurrency))

    @property
    def name(self) -> str:
        """How people read it: worker, host and process id."""
        return f"worker-{self.worker_id}@{self.host}:{self.pid}"

    def is_stopping(self) -> bool:
        """Tell whether the node is to take no more runs."""
        return bool(self.stopping.value)

    def stop_claiming(self) -> None:
        """Let every pool child finish what it does and take nothing more."""
        self.stopping.value = 1

    def is_resting(self) -> bool:
        """Tell whether somebody has switched it off for now, as of the last heartbeat."""
        return bool(self.resting.value)


_current: Node | None = None
_slot_number = 0


def become(node: Node) -> None:
    """Make `node` the node of this process and of the children it will fork."""
    global _current
    _current = node


def current() -> Node:
    """Return the node that this process is. Raise RuntimeError outside a worker."""
    if _current is None:
        raise RuntimeError("This process is not a worker node; start `manage.py worker --id N`.")
    return _current


def take_slot(number: int) -> Slot:
    """Make the slot with this number that of this pool child."""
    global _slot_number
    _slot_number = number
    return current_slot()


def current_slot() -> Slot:
    """Return the slot of this pool child. Raise RuntimeError outside a worker."""
    return current().slots[_slot_number]


def register_node(node: Node) -> None:
    """Store the node as online and forget its worker's nodes that went a day ago."""
    WorkerNode.objects.filter(
        worker_id=node.worker_id, last_seen_at__lt=Now() - FORGOTTEN_AFTER
    ).delete()
    WorkerNode.objects.create(
        boot_id=node.boot_id,
        worker_id=node.worker_id,
        host=node.host,
        pid=node.pid,
        concurrency=node.concurrency,
    )


def mark_node_stopped(node: Node) -> None:
    """Store that the node has ended in good order: it is offline at once."""
    WorkerNode.objects.filter(pk=node.boot_id).update(stopped_at=Now())


class Keeper(Protocol):
    """Who looks after the runs of a node."""

    def extend(self) -> None:
        """Extend the leases; called with each heartbeat."""

    def look(self) -> None:
        """See what has become of the runs; called every second."""

    def close(self) -> None:
        """Leave no run behind; called once when the pool has ended."""


class Heartbeat:
    """Tell the database every five seconds that the node lives, and have its runs looked after.

    The connection is closed after every beat and forks wait for the end of one, since a
    connection that a forked child inherits would be shared by two processes.
    """

    def __init__(self, node: Node, keeper: Keeper) -> None:
        self._node = node
        self._keeper = keeper
        self._next_beat = float("-inf")
        self._woken = threading.Event()
        self._ended = threading.Event()
        self._message_heard = False
        self._beating = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin beating."""
        os.register_at_fork(
            before=self._beating.acquire,
            after_in_parent=self._beating.release,
            after_in_child=self._beating.release,
        )
        self._thread.start()

    def stop(self) -> None:
        """Beat no more; returns when the last beat is over."""
        self._ended.set()
        self._woken.set()
        self._thread.join(timeout=HEARTBEAT_SECONDS)

    def hear_message(self) -> None:
        """Note that the broker delivered something: proof that messages reach this node."""
        first = not self._message_heard
        self._message_heard = True
        if first:
            self._woken.set()

    def look_soon(self) -> None:
        """Have the runs looked after now: something has happened to one."""
        self._woken.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            with self._beating:
                self._pulse()
            if self._woken.wait(LOOK_SECONDS):
                self._next_beat = float("-inf")
            self._woken.clear()

    def _pulse(self) -> None:
        """Do what is due; a beat that failed is due again at the next look."""
        now = time.monotonic()
        try:
            if now >= self._next_beat:
                self._beat()
                self._next_beat = now + HEARTBEAT_SECONDS
            self._keeper.look()
        except Error as error:
            logger.warning("heartbeat failed", node=self._node.name, error=str(error))
        except Exception:  # of whatever kind: without a heartbeat every run would lose its lease
            logger.exception("heartbeat failed", node=self._node.name)
        finally:
            connection.close()

    def _beat(self) -> None:
        heard, self._message_heard = self._message_heard, False
        changes: dict[str, Any] = {"last_seen_at": Now()}
        if heard:
            changes["last_message_at"] = Now()
        if not WorkerNode.objects.filter(pk=self._node.boot_id).update(**changes):
            register_node(self._node)
        self._keeper.extend()
        taking = WorkerNode.objects.taking_runs().filter(pk=self._node.boot_id)
        self._node.resting.value = not taking.exists()


@contextmanager
def beating(node: Node, keeper: Keeper) -> Iterator[Heartbeat]:
    """Keep the node online for as long as the block lasts."""
    heartbeat = Heartbeat(node, keeper)
    heartbeat.start()
    try:
        yield heartbeat
    finally:
        heartbeat.stop()
        try:
            keeper.close()
            mark_node_stopped(node)
        except Error as error:  # it counts as offline once its last heartbeat is old
            logger.warning("node not marked as stopped", node=node.name, error=str(error))
