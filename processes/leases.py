"""What a node's parent process does for the runs that its pool children hold.

It extends their leases, kills a child whose lease is lost or whose worker has to stop, notes what
is cancelled, and records the run of a child that has died.
"""

import signal
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.utils import timezone

from processes import execution, nodes
from processes.ending import has_died, signal_attempt
from processes.exceptions import LeaseLost
from processes.lifetime import look_at_exit, name_signal
from processes.models import Run
from processes.moments import describe_time_limit, format_moment
from processes.slots import Held, Slot

logger = structlog.get_logger(__name__)

# Celery's main thread reaps a dead child and tells how it ended; it may be about to.
WAIT_FOR_EXIT_CODE = 3.0
MAX_EXIT_CODES = 1_000


class LeaseKeeper:
    """The keeper of one node's leases; used by the heartbeat's thread alone."""

    def __init__(self, node: nodes.Node) -> None:
        self._node = node
        self._exit_codes: dict[int, int] = {}
        self._dead_since: dict[UUID, float] = {}
        self._stop_at = float("inf")
        self._stop_message = ""
        self._stopped: set[UUID] = set()
        self._grace = 0.0
        self._stops_at_once = False

    def stop_after(self, seconds: float) -> None:
        """End what is left after so many seconds: the worker was told to end.

        Being told again changes nothing.
        """
        if self._stop_message:
            return
        self._stop_message = (
            f"The worker was stopped: node {self._node.name} was told to end"
            f" at {format_moment(timezone.now())}, and the run"
        )
        self._grace = seconds
        self._stop_at = time.monotonic() + seconds

    def stop_at_once(self) -> None:
        """End what is left now: the worker was told not to wait."""
        self.stop_after(0)
        self._stop_at = time.monotonic()
        self._stops_at_once = True

    def note_exit(self, pid: int, exit_code: int) -> None:
        """Note how a pool child ended; minus the signal's number if one killed it."""
        self._exit_codes[pid] = exit_code
        if len(self._exit_codes) > MAX_EXIT_CODES:
            del self._exit_codes[next(iter(self._exit_codes))]

    def extend(self) -> None:
        """Extend all leases that pool children hold; kill the children whose lease is lost."""
        began = time.monotonic()
        held = [(slot, held) for slot in self._node.slots if (held := slot.read())]
        lost = execution.extend_leases(self._node, [held.token for _, held in held])
        for slot, before in held:
            if before.token not in lost:
                slot.move_deadline(began + execution.LEASE.total_seconds())
            elif not before.is_ending:
                logger.warning("lease lost; killing the attempt", run=str(before.run_id))
                signal_attempt(self._node, slot, before, signal.SIGKILL)

    def look(self) -> None:
        """Record the runs of pool children that have died, and note those that are cancelled."""
        if time.monotonic() >= self._stop_at:
            self._stop_what_is_left()
        living: dict[UUID, Slot] = {}
        for slot in self._node.slots:
            if held := slot.read():
                if has_died(self._node, held.pid):
                    self._record_death(slot, held)
                else:
                    living[held.token] = slot
        for token in living.keys() & self._find_cancelled() if living else ():
            living[token].cancel(token)

    def close(self) -> None:
        """Record what is left of the pool children, which have all ended."""
        for slot in self._node.slots:
            if held := slot.read():
                self._record(slot, held)

    def _stop_what_is_left(self) -> None:
        for slot in self._node.slots:
            held = slot.read()
            if held and not has_died(self._node, held.pid):
                self._stopped.add(held.token)
                signal_attempt(self._node, slot, held, signal.SIGKILL)

    def _find_cancelled(self) -> set[UUID | None]:
        return set(
            Run.objects.running()
            .filter(node_id=self._node.boot_id, cancel_requested_at__isnull=False)
            .values_list("lease_token", flat=True)
        )

    def _record_death(self, slot: Slot, held: Held) -> None:
        since = self._dead_since.setdefault(held.token, time.monotonic())
        if (exit_code := look_at_exit(held.pid)) is not None:
            self.note_exit(held.pid, exit_code)
        is_told = held.pid in self._exit_codes or held.token in self._stopped
        if is_told or time.monotonic() - since > WAIT_FOR_EXIT_CODE:
            self._record(slot, held)
            self._dead_since.pop(held.token, None)

    def _record(self, slot: Slot, held: Held) -> None:
        run = (
            Run.objects.running()
            .filter(pk=held.run_id, lease_token=held.token)
            .select_related("process_model")
            .first()
        )
        if run is not None:
            with suppress(LeaseLost):  # the reconciler was first
                self._end(run, held, is_overdue=slot.is_overdue())
        slot.release()
        self._exit_codes.pop(held.pid, None)

    def _end(self, run: Run, held: Held, *, is_overdue: bool) -> None:
        exit_code = self._exit_codes.get(held.pid)
        name = _name_signal(exit_code)
        facts: dict[str, Any] = {"exit_code": None if name else exit_code, "signal": name}
        # Of SIGTERM die the pool children of a worker that is told again, and not to wait.
        is_ended = self._stops_at_once or name == signal.SIGTERM.name
        if is_overdue:
            error = describe_time_limit(timedelta(seconds=held.time_limit))
            execution.fail_run(run, error=error, reason=Run.Reason.TIME_LIMIT, **facts)
        elif self._stop_message and is_ended:
            self._lose(run, f"{self._stop_message} was ended at once.", **facts)
        elif held.token in self._stopped:
            words = f"went on for longer than {self._grace:g} seconds."
            self._lose(run, f"{self._stop_message} {words}", **facts)
        else:
            words = _describe(exit_code)
            error = f"The process of this run on node {self._node.name} {words}."
            execution.lose_attempt(run, error=error, **facts)

    def _lose(self, run: Run, error: str, **facts: Any) -> None:
        reason = Run.Reason.WORKER_STOPPED
        execution.lose_attempt(run, error=error, reason=reason, **facts)


def _describe(exit_code: int | None) -> str:
    if exit_code is None:
        return "ended; how is not known"
    if name := _name_signal(exit_code):
        return f"was killed by {name}"
    return f"ended with exit code {exit_code}"


def _name_signal(exit_code: int | None) -> str:
    return name_signal(-exit_code) if exit_code is not None and exit_code < 0 else ""
