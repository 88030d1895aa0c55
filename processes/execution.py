"""A run's life on a worker: claim, execute, complete or fail.

Every change of status is one conditional UPDATE with the old state and the lease token in its
WHERE; no row changed means that somebody else was first.
"""

import uuid
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from django.db import close_old_connections, transaction
from django.db.models.functions import Now

from processes import nodes
from processes.exceptions import LeaseLost
from processes.executors.base import Executor, ProcessFailed, Work
from processes.executors.python import PythonExecutor
from processes.models import ProcessModel, Run, RunAttempt
from processes.outages import OUTAGES, outlast_outage
from processes.outputs import check_outputs
from processes.recording import RunReport
from processes.text import make_message

logger = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
EXECUTORS: dict[str, Executor] = {ProcessModel.Executor.PYTHON: PythonExecutor()}


def work_until_idle() -> None:
    """Claim and execute runs, best first, until none is left or the node is to stop."""
    node = nodes.current()
    close_old_connections()
    while not node.is_stopping():
        try:
            run = claim_run(node)
        except OUTAGES as error:  # the beat rings again once the database is back
            logger.warning("database away; nothing claimed", error=str(error))
            return
        if run is None:
            return
        execute_run(run)


def claim_run(node: nodes.Node) -> Run | None:
    """Take the best run that `node` may execute; None when there is none.

    Two nodes that claim at once never get the same run: PostgreSQL skips the rows another one
    has locked, SQLite lets one writer in at a time.
    """
    claimable = Run.objects.claimable_by(node.worker_id)
    if not claimable.exists():
        return None
    with transaction.atomic():
        run = (
            claimable.select_related("process_model")
            .select_for_update(skip_locked=True, of=("self",))
            .first()
        )
        if run is None:
            return None
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
    return run


def execute_run(run: Run) -> None:
    """Carry out a claimed run and record how it ended, however long the database is away."""
    report = RunReport(run)
    outputs, error = _carry_out(run, report)
    report.flush()
    record_end = (
        partial(complete_run, run, outputs=outputs)
        if error is None
        else partial(fail_run, run, error=error)
    )
    try:
        outlast_outage(record_end)
    except LeaseLost as refusal:
        logger.warning("result refused", run=str(run.pk), error=str(refusal))
    report.flush()  # what an outage kept back


def _carry_out(run: Run, report: RunReport) -> tuple[dict[str, Any], str | None]:
    """Return the outputs, and the error or None."""
    work = Work(
        run_id=run.pk,
        attempt=run.attempt,
        values=run.values,
        configuration=run.process_model.configuration,
    )
    try:
        outputs = EXECUTORS[run.process_model.executor].execute(work, report)
        return check_outputs(outputs, max_bytes=run.process_model.max_output_bytes), None
    except ProcessFailed as error:
        return {}, str(error)
    except Exception as error:  # an executor of any kind may raise anything; the run must end
        logger.exception("executor raised", run=str(run.pk))
        return {}, f"{type(error).__name__}: {error}"


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


def fail_run(run: Run, *, error: str) -> None:
    """Record that an attempt failed, and queue the next one while retries are left.

    Raise LeaseLost if the lease is no longer held.
    """
    error = make_message(error)
    with transaction.atomic():
        if run.attempt <= run.retry_count:
            _release_lease(
                run,
                status=Run.Status.WAITING,
                ready_at=Now() + run.retry_delay,
                message=error,
                reason=Run.Reason.RETRY_PENDING,
            )
        else:
            _release_lease(
                run,
                status=Run.Status.FAILED,
                message=error,
                reason=Run.Reason.PROCESS_FAILED,
                finished_at=Now(),
            )
        _end_attempt(run, outcome=RunAttempt.Outcome.FAILED, error=error)


def _release_lease(run: Run, **changes: Any) -> None:
    updated = (
        Run.objects.running()
        .filter(pk=run.pk, lease_token=run.lease_token)
        .update(lease_token=None, lease_expires_at=None, **changes)
    )
    if not updated:
        raise LeaseLost(run.pk)


def _end_attempt(run: Run, *, outcome: str, error: str = "") -> None:
    RunAttempt.objects.filter(run=run, number=run.attempt).update(
        outcome=outcome, error=error, finished_at=Now()
    )


def extend_leases(node: nodes.Node) -> None:
    """Extend every lease that `node` holds, by the database's clock."""
    Run.objects.running().filter(node_id=node.boot_id).update(lease_expires_at=Now() + LEASE)
