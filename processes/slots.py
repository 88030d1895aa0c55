"""Which pool child holds which run: memory that a node shares with its pool children.

No lock guards it, since a child may be killed while it holds one. Each slot is written by one
process at a time: the pool child whose slot it is, and the parent once that child has died.
"""

import ctypes
import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.sharedctypes import RawArray
from typing import Any
from uuid import UUID

from processes.lifetime import kill_own_tree

SECONDS_BETWEEN_LOOKS = 0.5
_Id = ctypes.c_ubyte * 16


class _Memory(ctypes.Structure):
    _fields_ = [
        ("pid", ctypes.c_long),  # 0: free; written last, and cleared first
        ("run_id", _Id),
        ("token", _Id),
        ("cancelled_token", _Id),  # written by the parent: it names the attempt it means
        ("overdue_token", _Id),  # as well
        ("is_ending", ctypes.c_bool),
        ("deadline", ctypes.c_double),
        ("time_limit", ctypes.c_double),  # seconds, infinite where there is none
        ("limit_at", ctypes.c_double),
        ("kill_grace", ctypes.c_double),
    ]


@dataclass(frozen=True)
class Held:
    """What a slot says: the pool child `pid` holds this run under this lease token.

    `time_limit` and `kill_grace` are seconds, `limit_at` is on the monotonic clock.
    """

    pid: int
    run_id: UUID
    token: UUID
    is_ending: bool
    time_limit: float
    limit_at: float
    kill_grace: float


class Slot:
    """The place of one pool child, and of the one that takes its place."""

    def __init__(self, memory: Any) -> None:
        self._memory = memory

    def hold(
        self,
        run_id: UUID,
        token: UUID,
        *,
        deadline: float,
        time_limit: timedelta | None = None,
        kill_grace: timedelta = timedelta(0),
    ) -> None:
        """Say that this process begins to execute a run; `deadline` is on the monotonic clock."""
        memory = self._memory
        memory.time_limit = math.inf if time_limit is None else time_limit.total_seconds()
        memory.limit_at = time.monotonic() + memory.time_limit
        memory.kill_grace = kill_grace.total_seconds()
        memory.run_id = _Id(*run_id.bytes)
        memory.token = _Id(*token.bytes)
        memory.is_ending = False
        memory.deadline = deadline
        memory.pid = os.getpid()

    def begin_ending(self) -> None:
        """Say that the process of the run is over: what is left is to record its end.

        A lease that is gone from now on has been given back, or its writer will be refused.
        """
        self._memory.is_ending = True

    def release(self) -> None:
        """Be free for the next run."""
        self._memory.pid = 0

    def move_deadline(self, deadline: float) -> None:
        """Note that the lease was extended."""
        self._memory.deadline = deadline

    def cancel(self, token: UUID) -> None:
        """Say that somebody wants the attempt with this token to end."""
        self._memory.cancelled_token = _Id(*token.bytes)

    def is_cancelled(self) -> bool:
        """Tell whether somebody wants the attempt that is held to end."""
        return bytes(self._memory.cancelled_token) == bytes(self._memory.token)

    def mark_overdue(self, token: UUID) -> None:
        """Say that the attempt with this token has reached its time limit."""
        self._memory.overdue_token = _Id(*token.bytes)

    def is_overdue(self) -> bool:
        """Tell whether the attempt that is held had not ended when its time limit was reached."""
        return bytes(self._memory.overdue_token) == bytes(self._memory.token)

    def is_to_end(self) -> bool:
        """Tell whether somebody or the time limit wants the attempt that is held to end."""
        return self.is_cancelled() or self.is_overdue()

    def read(self) -> Held | None:
        """Return what the slot holds, None when it is free."""
        while (held := self._read()) != self._read():
            pass  # it was being written
        return held

    def wait_until_free(self, is_stopping: Callable[[], bool]) -> None:
        """Return once the run of a dead predecessor is recorded: the parent reads it from here.

        A node that is to stop takes no other run, so nothing needs the slot.
        """
        while self._memory.pid not in {0, os.getpid()} and not is_stopping():
            time.sleep(SECONDS_BETWEEN_LOOKS / 5)

    def has_outlived_its_lease(self) -> bool:
        """Tell whether this process executes a run that may be another's by now."""
        memory = self._memory
        is_working = memory.pid == os.getpid() and not memory.is_ending
        return bool(is_working and time.monotonic() > memory.deadline)

    def _read(self) -> Held | None:
        memory = self._memory
        if not memory.pid:
            return None
        run_id, token = UUID(bytes=bytes(memory.run_id)), UUID(bytes=bytes(memory.token))
        limits = memory.time_limit, memory.limit_at, memory.kill_grace
        return Held(memory.pid, run_id, token, bool(memory.is_ending), *limits)


def make_slots(count: int) -> tuple[Slot, ...]:
    """Return so many free slots in memory that is shared with the children forked from now on."""
    return tuple(Slot(memory) for memory in RawArray(_Memory, count))


def start_watchdog(slot: Slot) -> None:
    """Have this process killed with all it has started when its lease ran out.

    So nothing of an attempt goes on beside the next one while the parent, which would end it, is
    stopped or cannot reach the database.
    """
    threading.Thread(target=_watch, args=(slot,), name="lease-watchdog", daemon=True).start()


def _watch(slot: Slot) -> None:
    while not slot.has_outlived_its_lease():
        time.sleep(SECONDS_BETWEEN_LOOKS)
    kill_own_tree()
