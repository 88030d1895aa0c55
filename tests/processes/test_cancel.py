"""Somebody cancels a run: it ends as CANCELLED, unless it has ended before."""

import os
import signal
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from processes import nodes
from processes.execution import claim_run, complete_run, execute_run, fail_run, lose_attempt
from processes.executors.base import ProcessFailed, Work
from processes.executors.context import RunContext
from processes.executors.python import PythonExecutor
from processes.models import Run, RunAttempt
from processes.moments import describe_cancel
from processes.queueing import cancel_run, end_abandoned_runs
from tests.at_once import run_at_once
from tests.factories import RunFactory
from tests.processes.conftest import Register
from tests.processes.recorder import Recorder


def claim(node: nodes.Node) -> Run:
    run = claim_run(node)
    assert run is not None
    return run


def cancel() -> bool:
    return cancel_run(Run.objects.get().pk, requested_by="user:1 (Ada)")


def assert_cancelled(outcomes: list[str]) -> None:
    run = Run.objects.get()
    assert run.cancel_requested_at is not None
    assert (run.status, run.reason) == ("CANCELLED", "cancelled")
    assert run.message == describe_cancel(run.cancel_requested_at, "user:1 (Ada)")
    assert run.message.startswith("Cancelled by user:1 (Ada) at ")
    assert (run.lease_token, run.lease_expires_at) == (None, None)
    assert run.finished_at is not None
    assert list(RunAttempt.objects.values_list("outcome", flat=True)) == outcomes


def test_waiting_run_is_cancelled_at_once(node: nodes.Node) -> None:
    RunFactory.create()

    assert cancel()

    assert_cancelled([])
    assert claim_run(node) is None


def test_running_run_is_asked_to_end(node: nodes.Node) -> None:
    RunFactory.create()
    claim(node)

    assert cancel()

    run = Run.objects.get()
    assert (run.status, run.cancel_requested_by) == ("RUNNING", "user:1 (Ada)")
    assert run.cancel_requested_at is not None


def test_second_request_leaves_the_first(node: nodes.Node) -> None:
    RunFactory.create()
    run = claim(node)
    cancel()

    assert not cancel_run(run.pk, requested_by="user:2 (Bob)")

    assert Run.objects.get().cancel_requested_by == "user:1 (Ada)"


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_finished_run_never_changes(state: str) -> None:
    RunFactory.create(**{state: True})
    before = Run.objects.values().get()

    assert not cancel()

    assert Run.objects.values().get() == before


@pytest.mark.django_db
def test_unknown_run_is_an_error() -> None:
    with pytest.raises(Run.DoesNotExist):
        cancel_run(uuid.uuid4(), requested_by="")


def test_run_that_succeeds_first_stays_succeeded(node: nodes.Node) -> None:
    RunFactory.create()
    run = claim(node)
    cancel()

    complete_run(run, outputs={"x": 1})

    assert Run.objects.get().status == "SUCCEEDED"
    assert RunAttempt.objects.get().outcome == "succeeded"


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda run: fail_run(run, error="No paper."), id="failed"),
        pytest.param(lambda run: lose_attempt(run, error="Killed."), id="killed"),
        pytest.param(lambda run: end_abandoned_runs(), id="worker lost"),
    ],
)
def test_run_that_ends_otherwise_is_cancelled_and_not_tried_again(
    node: nodes.Node, end: Callable[[Run], Any]
) -> None:
    RunFactory.create(retry_count=3, process_model__on_worker_lost="retry")
    run = claim(node)
    Run.objects.update(lease_expires_at=Now() - timedelta(seconds=1))
    cancel()

    end(run)

    assert_cancelled(["cancelled"])


@pytest.mark.django_db(transaction=True)
def test_claim_and_cancel_at_once_agree(node: nodes.Node) -> None:
    RunFactory.create()
    calls: Any = iter([lambda: claim_run(node), cancel])

    run_at_once(lambda: next(calls)(), threads=2)

    run = Run.objects.get()
    assert run.cancel_requested_at is not None
    assert (run.status == "RUNNING") == (run.attempt == 1) == RunAttempt.objects.exists()
    assert run.status in {"RUNNING", "CANCELLED"}


@pytest.mark.django_db(transaction=True)
def test_retry_and_cancel_at_once_leave_no_run_that_waits(node: nodes.Node) -> None:
    RunFactory.create(retry_count=3)
    run = claim(node)
    calls: Any = iter([lambda: fail_run(run, error="No paper."), cancel])

    run_at_once(lambda: next(calls)(), threads=2)

    assert Run.objects.get().status == "CANCELLED"


@pytest.mark.django_db(transaction=True)
def test_success_and_cancel_at_once_make_a_success(node: nodes.Node) -> None:
    RunFactory.create()
    run = claim(node)
    calls: Any = iter([lambda: complete_run(run, outputs={}), cancel])

    run_at_once(lambda: next(calls)(), threads=2)

    assert Run.objects.get().status == "SUCCEEDED"


def test_function_learns_that_it_is_cancelled(node: nodes.Node, register: Register) -> None:
    seen = []
    [slot] = node.slots

    def look(context: RunContext) -> None:
        seen.append(context.is_cancelled)
        assert run.lease_token is not None
        slot.cancel(run.lease_token)
        seen.append(context.is_cancelled)

    RunFactory.create(process_model=register(look))
    run = claim(node)
    assert run.lease_token is not None
    slot.hold(run.pk, run.lease_token, deadline=0)

    execute_run(run, slot)

    assert seen == [False, True]


def test_cancel_of_an_attempt_is_none_of_the_next(node: nodes.Node) -> None:
    [slot] = node.slots
    slot.hold(uuid.uuid4(), cancelled := uuid.uuid4(), deadline=0)
    slot.cancel(cancelled)
    assert slot.is_cancelled()

    slot.hold(uuid.uuid4(), uuid.uuid4(), deadline=0)

    assert not slot.is_cancelled()


def test_sigterm_ends_the_function_of_a_cancelled_run(register: Register) -> None:
    cleaned = []

    def wait() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            cleaned.append(True)

    model = register(wait)
    work = Work(uuid.uuid4(), 1, {}, model.configuration, is_cancelled=lambda: True)
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(ProcessFailed, match="cancelled"):
        PythonExecutor().execute(work, Recorder())

    assert cleaned == [True]
    assert signal.getsignal(signal.SIGTERM) is before
