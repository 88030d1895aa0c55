"""A run's life on a worker: claim, execute, complete or fail.

Every change of status is one conditional UPDATE with the old state and the lease token in its
WHERE; no row changed means that somebody else was first.
"""

import time
import uuid
from collections.abc import Collection
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django.db import close_old_connections, transaction
from django.db.models.functions import Now
from django.dispatch import Signal

from processes import nodes
from processes.claiming import find_choices
from processes.encryption import decrypt_values
from processes.exceptions import LeaseLost, SecretsUnusable
from processes.executors.base import Executor, ProcessFailed, Work
from processes.executors.command import CommandExecutor
from processes.executors.python import PythonExecutor
from processes.models import ProcessModel, Run, RunAttempt
from processes.moments import describe_cancel, describe_time_limit
from processes.outages import OUTAGES, outlast_outage
from processes.outputs import check_outputs
from processes.recording import RunReport
from processes.scrubbing import Scrubber, scrubbed
from processes.slots import Slot
from processes.text import make_message

logger = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
# Sent after a run that a limit counted: another node may have room now, and has to be told.
room_freed = Signal()
# Sent when a bell has reached a node that takes no runs: another one may have waited for it.
turned_away = Signal()
EXECUTORS: dict[str, Executor] = {
    ProcessModel.Executor.PYTHON: PythonExecutor(),
    ProcessModel.Executor.COMMAND: CommandExecutor(settings.COMMANDS_DIR, settings.VAR_DIR),
}


def work_until_idle() -> None:
    """Claim and execute runs, best first, until none is left or the node is to stop."""
    node, slot = nodes.current(), nodes.current_slot()
    close_old_connections()
    slot.wait_until_free(node.is_stopping)
    while not node.is_stopping():
        began = time.monotonic()
        try:
            run = claim_run(node)
        except OUTAGES as error:  # the beat rings again once the database is back
            logger.warning("database away; nothing claimed", error=str(error))
            return
        if run is None or run.lease_token is None:
            if node.is_resting():
                turned_away.send(Run)
            return
        slot.hold(
            run.pk,
            run.lease_token,
            deadline=began + LEASE.total_seconds(),
            time_limit=run.process_model.time_limit,
            kill_grace=run.process_model.kill_grace,
        )
        _execute_in(slot, run)


def _execute_in(slot: Slot, run: Run) -> None:
    try:
        execute_run(run, slot)
    finally:
        slot.release()  # the reconciler ends a run whose end could not be recorded
    if run.is_limited:
        room_freed.send(Run, run=run)


def claim_run(node: nodes.Node) -> Run | None:
    """Take the best run that `node` may execute; None when there is none.

    Two nodes that claim at once never get the same run: PostgreSQL skips the rows another one
    has locked, SQLite lets one writer in at a time. Nor do they exceed a limit together.
    """
    for choice in find_choices(node.worker_id, node.boot_id):
        with transaction.atomic():
            run = choice.lock()
            if run is not None:
                run.is_limited = choice.is_limited
                run.declared_outputs = _find_declared_outputs(run.process_model)
                _begin_attempt(run, node)
                return run
    return None


def _find_declared_outputs(process_model: ProcessModel) -> dict[str, str]:
    """Return the types of outputs that the executor does not know; it checks a function's."""
    if process_model.executor == ProcessModel.Executor.PYTHON:
        return {}
    return dict(process_model.outputs.values_list("name", "value_type"))


def _begin_attempt(run: Run, node: nodes.Node) -> None:
    run.attempt += 1
    run.lease_token = uuid.uuid4()
    Run.objects.waiting().filter(pk=run.pk).update(
        status=Run.Status.RUNNING,
        attempt=run.attempt,
        lease_token=run.lease_token,
        lease_expires_at=Now() + LEASE,
        node_id=node.boot_id,
        started_at=Now(),
        message="",
        reason="",
        progress_done=None,
        progress_total=None,
    )
    RunAttempt.objects.create(run=run, number=run.attempt, node_name=node.name)


def execute_run(run: Run, slot: Slot | None = None) -> None:
    """Carry out a claimed run and record how it ended, however long the database is away.

    `slot` says in a pool child what it does.
    """
    report = RunReport(run)
    outputs, error = _carry_out(run, report, slot)
    reason = Run.Reason.PROCESS_FAILED
    if slot:
        slot.begin_ending()
        if slot.is_overdue():  # what it did with the signal does not matter, even if it succeeded
            told = error or ProcessFailed()
            error = ProcessFailed(
                _describe_end(run, slot), exit_code=told.exit_code, signal=told.signal
            )
            reason = Run.Reason.TIME_LIMIT
    report.flush()
    record_end = (
        partial(complete_run, run, outputs=outputs)
        if error is None
        else partial(
            fail_run,
            run,
            error=report.scrubber.scrub(str(error)),
            reason=reason,
            exit_code=error.exit_code,
            signal=error.signal,
        )
    )
    try:
        outlast_outage(record_end)
    except LeaseLost as refusal:
        logger.warning("result refused", run=str(run.pk), error=str(refusal))
    report.flush()  # what an outage kept back


def _carry_out(
    run: Run, report: RunReport, slot: Slot | None
) -> tuple[dict[str, Any], ProcessFailed | None]:
    """Return the outputs, and the error or None.

    Only here are secrets in clear again: in the process that carries the run out, once it begins.
    """
    try:
        values, secrets = decrypt_values(run.values)
    except SecretsUnusable as error:
        return {}, ProcessFailed(str(error))
    report.scrubber = Scrubber(secrets)
    work = Work(
        run_id=run.pk,
        attempt=run.attempt,
        values=values,
        configuration=run.process_model.configuration,
        kill_grace=run.process_model.kill_grace,
        max_output_bytes=run.process_model.max_output_bytes,
        scrubber=report.scrubber,
        **(_tell_of_end(run, slot) if slot else {}),
    )
    with scrubbed(report.scrubber):
        return _execute(run, work, report)


def _execute(
    run: Run, work: Work, report: RunReport
) -> tuple[dict[str, Any], ProcessFailed | None]:
    try:
        outputs = EXECUTORS[run.process_model.executor].execute(work, report)
        limit = run.process_model.max_output_bytes
        return check_outputs(outputs, max_bytes=limit, types=run.declared_outputs), None
    except ProcessFailed as error:
        return {}, error
    except (Exception, SystemExit) as error:
        # An executor of any kind may raise anything, and a signal come late; the run must end.
        logger.exception("executor raised", run=str(run.pk))
        return {}, ProcessFailed(f"{type(error).__name__}: {error}")


def _tell_of_end(run: Run, slot: Slot) -> dict[str, Any]:
    return {"is_cancelled": slot.is_to_end, "describe_end": partial(_describe_end, run, slot)}


def _describe_end(run: Run, slot: Slot) -> str:
    limit = run.process_model.time_limit
    return describe_time_limit(limit) if limit and slot.is_overdue() else "The run was cancelled."


def complete_run(run: Run, *, outputs: dict[str, Any]) -> None:
    """Record that `run` succeeded. Raise LeaseLost if its lease is no longer held."""
    with transaction.atomic():
        _release_lease(
            run,
            status=Run.Status.SUCCEEDED,
            outputs=outputs,
            message="",
            reason="",
            finished_at=Now(),
        )
        _end_attempt(run, outcome=RunAttempt.Outcome.SUCCEEDED)


def fail_run(
    run: Run, *, error: str, reason: str = Run.Reason.PROCESS_FAILED, **facts: Any
) -> None:
    """Record that an attempt failed, and queue the next one while retries are left.

    `facts` (exit code, signal) go to the attempt. Raise LeaseLost if the lease is no longer held.
    """
    error = make_message(error)
    with transaction.atomic():
        if not _end_if_cancelled(run, **facts):
            _fail_or_retry(
                run,
                is_retried=run.attempt <= run.retry_count,
                message=error,
                reasons=(Run.Reason.RETRY_PENDING, reason),
            )
            _end_attempt(run, outcome=RunAttempt.Outcome.FAILED, error=error, **facts)


def lose_attempt(
    run: Run, *, error: str, reason: str = Run.Reason.WORKER_LOST, **facts: Any
) -> None:
    """Record that an attempt died with its worker; the process model says whether another follows.

    `facts` (exit code, signal) go to the attempt. Raise LeaseLost if the lease is no longer held.
    """
    error = make_message(error)
    with transaction.atomic():
        if not _end_if_cancelled(run, **facts):
            _fail_or_retry(
                run,
                is_retried=run.has_attempt_after_loss,
                message=error,
                reasons=(reason, reason),
            )
            _end_attempt(run, outcome=RunAttempt.Outcome.LOST, error=error, **facts)
    logger.warning("attempt lost", run=str(run.pk), attempt=run.attempt, error=error)


def _end_if_cancelled(run: Run, **facts: Any) -> bool:
    """End a run whose cancel was requested: it gets no other attempt, however this one ended.

    The row is locked, so that no request comes between this look and the end.
    """
    lease = Run.objects.running().filter(pk=run.pk, lease_token=run.lease_token)
    request = lease.select_for_update().values_list("cancel_requested_at", "cancel_requested_by")
    requested_at, requested_by = request.first() or (None, "")
    if requested_at is None:
        return False
    message = describe_cancel(requested_at, requested_by)
    _release_lease(
        run,
        status=Run.Status.CANCELLED,
        message=message,
        reason=Run.Reason.CANCELLED,
        finished_at=Now(),
    )
    _end_attempt(run, outcome=RunAttempt.Outcome.CANCELLED, error=message, **facts)
    return True


def _fail_or_retry(run: Run, *, is_retried: bool, message: str, reasons: tuple[str, str]) -> None:
    changes: dict[str, Any] = {"status": Run.Status.FAILED, "finished_at": Now()}
    if is_retried:
        changes = {"status": Run.Status.WAITING, "ready_at": Now() + run.retry_delay}
    reason = reasons[0] if is_retried else reasons[1]
    _release_lease(run, message=message, reason=reason, **changes)


def _release_lease(run: Run, **changes: Any) -> None:
    updated = (
        Run.objects.running()
        .filter(pk=run.pk, lease_token=run.lease_token)
        .update(lease_token=None, lease_expires_at=None, **changes)
    )
    if not updated:
        raise LeaseLost(run.pk)


def _end_attempt(run: Run, *, outcome: str, error: str = "", **facts: Any) -> None:
    RunAttempt.objects.filter(run=run, number=run.attempt).update(
        outcome=outcome, error=error, finished_at=Now(), **facts
    )


def extend_leases(node: nodes.Node, tokens: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Extend the leases of `node`, by the database's clock; return the tokens that count no more."""
    if not tokens:
        return set()
    leases = Run.objects.running().filter(node_id=node.boot_id, lease_token__in=tokens)
    if leases.update(lease_expires_at=Now() + LEASE) == len(tokens):
        return set()
    return set(tokens) - set(leases.values_list("lease_token", flat=True))
