"""How an attempt ended is recorded once, by whoever holds the lease, and an end is final."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.db.models import F, Max
from django.db.models.functions import Now

from processes import nodes
from processes.exceptions import LeaseLost
from processes.execution import claim_run, complete_run, execute_run, fail_run
from processes.executors.base import ProcessFailed
from processes.executors.context import RunContext
from processes.models import Run, RunAttempt
from tests.at_once import run_at_once
from tests.factories import RunFactory
from tests.processes.conftest import Register, do_nothing

ENDS = [
    pytest.param(partial(complete_run, outputs={"x": 1}), id="complete"),
    pytest.param(partial(fail_run, error="No paper."), id="fail"),
]


def claim(node: nodes.Node) -> Run:
    run = claim_run(node)
    assert run is not None
    return run


def test_completed_run_has_its_outputs_and_no_lease(node: nodes.Node) -> None:
    RunFactory.create()
    run = claim(node)

    complete_run(run, outputs={"x": "Ada"})

    run.refresh_from_db()
    assert (run.status, run.outputs, run.message) == ("SUCCEEDED", {"x": "Ada"}, "")
    assert (run.lease_token, run.lease_expires_at) == (None, None)
    assert run.finished_at is not None
    attempt = run.attempts.get()
    assert (attempt.outcome, attempt.error) == ("succeeded", "")
    assert attempt.finished_at is not None


def test_failed_run_without_retries_ends_in_the_words_of_the_process(node: nodes.Node) -> None:
    RunFactory.create()
    run = claim(node)

    fail_run(run, error="No paper.")

    run.refresh_from_db()
    assert (run.status, run.reason, run.message) == ("FAILED", "process_failed", "No paper.")
    assert (run.outputs, run.lease_token) == (None, None)
    assert run.finished_at is not None
    attempt = run.attempts.get()
    assert (attempt.outcome, attempt.error) == ("failed", "No paper.")


def test_retry_count_is_the_number_of_attempts_after_the_first(node: nodes.Node) -> None:
    RunFactory.create(retry_count=2)
    seen = []

    while run := claim_run(node):
        fail_run(run, error=f"error {run.attempt}")
        seen.append((run.attempt, Run.objects.get().status))

    assert seen == [(1, "WAITING"), (2, "WAITING"), (3, "FAILED")]
    attempts = RunAttempt.objects.values_list("number", "outcome", "error")
    assert list(attempts) == [(n, "failed", f"error {n}") for n in (1, 2, 3)]


def test_retry_waits_its_delay_by_the_clock_of_the_database(node: nodes.Node) -> None:
    RunFactory.create(retry_count=1, retry_delay=timedelta(minutes=10))

    fail_run(claim(node), error="No paper.")

    run = Run.objects.get()
    left = Run.objects.aggregate(left=Max(F("ready_at") - Now()))["left"]
    assert (run.status, run.reason, run.message) == ("WAITING", "retry_pending", "No paper.")
    assert timedelta(minutes=9, seconds=50) < left <= timedelta(minutes=10)
    assert claim_run(node) is None


@pytest.mark.parametrize("end", ENDS)
def test_writer_whose_lease_another_node_holds_is_refused(
    node: nodes.Node, end: Callable[[Run], None]
) -> None:
    RunFactory.create()
    late = claim(node)
    Run.objects.update(lease_token=uuid.uuid4(), attempt=2)
    RunAttempt.objects.create(run=late, number=2)

    with pytest.raises(LeaseLost, match=str(late.pk)):
        end(late)

    run = Run.objects.get()
    assert (run.status, run.outputs, run.message) == ("RUNNING", None, "")
    assert set(RunAttempt.objects.values_list("outcome", flat=True)) == {""}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_end_of_a_run_never_changes(
    node: nodes.Node, state: str, end: Callable[[Run], None]
) -> None:
    finished = RunFactory.create(**{state: True}, retry_count=5)
    before = Run.objects.values().get()
    finished.lease_token = uuid.uuid4()

    with pytest.raises(LeaseLost):
        end(finished)

    assert Run.objects.values().get() == before


@pytest.mark.parametrize("end", ENDS)
def test_result_that_comes_twice_is_refused_the_second_time(
    node: nodes.Node, end: Callable[[Run], None]
) -> None:
    RunFactory.create()
    run = claim(node)
    end(run)

    with pytest.raises(LeaseLost):
        end(run)


@pytest.mark.django_db(transaction=True)
def test_of_two_results_at_once_one_is_kept(node: nodes.Node) -> None:
    RunFactory.create()
    run = claim(node)
    ends = iter([partial(complete_run, outputs={"x": 1}), partial(fail_run, error="No paper.")])

    def record() -> str:
        try:
            next(ends)(run)
        except LeaseLost:
            return "refused"
        return "kept"

    assert sorted(run_at_once(record, threads=2)) == ["kept", "refused"]
    assert Run.objects.get().is_finished
    assert RunAttempt.objects.get().outcome in {"succeeded", "failed"}


def test_result_under_a_lost_lease_is_dropped(node: nodes.Node, register: Register) -> None:
    RunFactory.create(process_model=register(do_nothing))
    run = claim(node)
    Run.objects.update(
        status="FAILED", finished_at=Now(), lease_token=None, lease_expires_at=None, message="lost"
    )

    execute_run(run)

    run.refresh_from_db()
    assert (run.status, run.message, run.outputs) == ("FAILED", "lost", None)


def test_attempt_and_run_id_reach_the_function(node: nodes.Node, register: Register) -> None:
    def fail_once(context: RunContext) -> dict[str, object]:
        if context.attempt == 1:
            raise ProcessFailed("No paper.")
        return {"run": str(context.run_id), "attempt": context.attempt}

    RunFactory.create(process_model=register(fail_once), retry_count=1)

    execute_run(claim(node))
    execute_run(claim(node))

    run = Run.objects.get()
    assert run.outputs == {"run": str(run.pk), "attempt": 2}
