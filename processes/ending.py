"""Ends the attempts of a node that are cancelled or over their time limit: TERM, grace, KILL.

This happens in the node's parent process and without the database: the slots say all that has to
be known, so that a limit holds while the database is away and while a heartbeat takes long.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import psutil
import structlog

from processes.lifetime import signal_tree
from processes.nodes import Node
from processes.slots import Held, Slot

logger = structlog.get_logger(__name__)

SECONDS_BETWEEN_LOOKS = 0.2
# Whatever looks after programs below the attempt kills them after the grace; it is to be first.
SECONDS_AFTER_GRACE = 0.75


class Ender:
    """Who ends the attempts of one node; used by one thread alone."""

    def __init__(self, node: Node, on_kill: Callable[[], None] = lambda: None) -> None:
        self._node = node
        self._on_kill = on_kill
        self._kill_at: dict[UUID, float] = {}

    def look(self) -> None:
        """Send TERM to the trees of attempts that are to end, and KILL after their grace.

        An attempt whose process is over is left alone: what remains is to record how it ended.
        """
        going = [(slot, held) for slot in self._node.slots if (held := slot.read())]
        going = [(slot, held) for slot, held in going if not held.is_ending]
        tokens = {held.token for _, held in going}
        self._kill_at = {token: at for token, at in self._kill_at.items() if token in tokens}
        now = time.monotonic()
        for slot, held in going:
            if held.token in self._kill_at:
                if now >= self._kill_at[held.token]:
                    self._kill(slot, held)
            elif slot.is_cancelled() or now >= held.limit_at:
                self._kill_at[held.token] = now + held.kill_grace + SECONDS_AFTER_GRACE
                self._terminate(slot, held)

    def _terminate(self, slot: Slot, held: Held) -> None:
        is_cancelled = slot.is_cancelled()

        def is_meant() -> bool:
            # The child stands still: either it has ended in time, or it learns that it has not.
            if slot.read() != held:
                return False
            if not is_cancelled:
                slot.mark_overdue(held.token)
            return True

        if not has_died(self._node, held.pid):
            logger.info("ending an attempt", run=str(held.run_id), is_cancelled=is_cancelled)
            signal_tree(held.pid, signal.SIGTERM, is_meant=is_meant)

    def _kill(self, slot: Slot, held: Held) -> None:
        signal_attempt(self._node, slot, held, signal.SIGKILL)
        self._on_kill()


@contextmanager
def ending_attempts(node: Node, on_kill: Callable[[], None]) -> Iterator[None]:
    """End what is to end for as long as the block lasts; `on_kill` is called after each KILL."""
    over = threading.Event()
    thread = threading.Thread(
        target=_look_until, args=(over, Ender(node, on_kill)), name="ender", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=1.0)


def signal_attempt(node: Node, slot: Slot, held: Held, number: int) -> None:
    """Signal the tree of a child of `node`, unless the child has turned to something else."""
    if not has_died(node, held.pid):
        signal_tree(held.pid, number, is_meant=lambda: slot.read() == held)


def has_died(node: Node, pid: int) -> bool:
    """Tell whether a child of `node` is gone; its number may be that of somebody else's process."""
    try:
        child = psutil.Process(pid)
        return child.ppid() != node.pid or child.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _look_until(over: threading.Event, ender: Ender) -> None:
    while not over.wait(SECONDS_BETWEEN_LOOKS):
        try:
            ender.look()
        except Exception:  # of whatever kind: without this thread no limit would hold
            logger.exception("looking for attempts to end failed")
