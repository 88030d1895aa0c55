"""A run whose lease ran out leaves RUNNING, and its process model says what follows."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db.models import F, Max
from django.db.models.functions import Now
from django.utils import timezone

from processes import nodes
from processes.exceptions import LeaseLost
from processes.execution import (
    LEASE,
    claim_run,
    complete_run,
    extend_leases,
    fail_run,
    lose_attempt,
)
from processes.models import Run, RunAttempt
from processes.moments import format_moment
from processes.queueing import end_abandoned_runs
from tests.at_once import run_at_once
from tests.factories import ProcessModelFactory, RunFactory

LONG_AGO = Now() - timedelta(minutes=1)


def claim(node: nodes.Node) -> Run:
    run = claim_run(node)
    assert run is not None
    return run


def abandon(node: nodes.Node, **traits: Any) -> Run:
    """Return a run that the node has claimed and whose lease ran out."""
    RunFactory.create(**traits)
    run = claim(node)
    Run.objects.filter(pk=run.pk).update(lease_expires_at=LONG_AGO)
    return run


def test_run_of_a_lost_worker_fails_at_once_whatever_its_retry_count(node: nodes.Node) -> None:
    run = abandon(node, retry_count=5)

    assert end_abandoned_runs() == 1

    run.refresh_from_db()
    assert (run.status, run.reason) == ("FAILED", "worker_lost")
    assert (run.lease_token, run.lease_expires_at) == (None, None)
    assert run.finished_at is not None


def test_message_names_the_node_and_since_when(node: nodes.Node) -> None:
    run = abandon(node)
    expired_at = Run.objects.values_list("lease_expires_at", flat=True).get()
    assert expired_at is not None

    end_abandoned_runs()

    run.refresh_from_db()
    since = format_moment(expired_at - LEASE)
    assert run.message == f"The worker was lost: node {node.name} gives no sign since {since}."
    attempt = run.attempts.get()
    assert (attempt.outcome, attempt.error) == ("lost", run.message)
    assert attempt.finished_at is not None


def test_run_is_tried_again_where_the_process_model_says_so(node: nodes.Node) -> None:
    delay = timedelta(minutes=10)
    run = abandon(node, process_model__on_worker_lost="retry", retry_count=1, retry_delay=delay)

    end_abandoned_runs()

    run.refresh_from_db()
    assert (run.status, run.reason, run.finished_at) == ("WAITING", "worker_lost", None)
    assert (run.lease_token, run.lease_expires_at) == (None, None)
    left = Run.objects.aggregate(left=Max(F("ready_at") - Now()))["left"]
    assert delay - timedelta(seconds=10) < left <= delay
    assert run.attempts.get().outcome == "lost"


@pytest.mark.parametrize(("retry_count", "attempts"), [(0, 2), (1, 2), (2, 3)])
def test_lost_attempts_use_up_the_retries_with_at_least_one_extra(
    node: nodes.Node, retry_count: int, attempts: int
) -> None:
    RunFactory.create(process_model__on_worker_lost="retry", retry_count=retry_count)
    seen = []

    while run := claim_run(node):
        Run.objects.update(lease_expires_at=LONG_AGO)
        end_abandoned_runs()
        seen.append((run.attempt, Run.objects.get().status))

    waiting = [(number, "WAITING") for number in range(1, attempts)]
    assert seen == [*waiting, (attempts, "FAILED")]
    assert list(RunAttempt.objects.values_list("outcome", flat=True)) == ["lost"] * attempts


def test_attempt_after_a_loss_that_fails_has_no_retry_beyond_its_count(node: nodes.Node) -> None:
    abandon(node, process_model__on_worker_lost="retry", retry_count=0)
    end_abandoned_runs()

    fail_run(claim(node), error="No paper.")

    run = Run.objects.get()
    assert (run.status, run.reason, run.attempt) == ("FAILED", "process_failed", 2)


def test_lease_that_holds_is_left_alone(node: nodes.Node) -> None:
    RunFactory.create()
    claim(node)

    assert end_abandoned_runs() == 0

    assert Run.objects.running().count() == 1


def test_lease_is_judged_by_the_clock_of_the_database(node: nodes.Node) -> None:
    RunFactory.create()
    claim(node)

    with time_machine.travel(timezone.now() + timedelta(days=1)):
        assert end_abandoned_runs() == 0


def test_writers_of_a_lost_attempt_are_refused(node: nodes.Node) -> None:
    run = abandon(node)
    end_abandoned_runs()
    before = Run.objects.values().get()

    for end in (
        lambda: complete_run(run, outputs={}),
        lambda: fail_run(run, error="No paper."),
        lambda: lose_attempt(run, error="Killed."),
    ):
        with pytest.raises(LeaseLost):
            end()

    assert Run.objects.values().get() == before
    assert RunAttempt.objects.get().outcome == "lost"


def test_lease_of_the_next_attempt_does_not_go_with_the_last(node: nodes.Node) -> None:
    run = abandon(node, process_model__on_worker_lost="retry")
    Run.objects.update(lease_token=uuid.uuid4(), attempt=2)

    with pytest.raises(LeaseLost):
        lose_attempt(run, error="Killed.")

    assert Run.objects.running().count() == 1


@pytest.mark.django_db(transaction=True)
def test_reconcilers_at_once_end_each_attempt_once(node: nodes.Node) -> None:
    model = ProcessModelFactory.create(on_worker_lost="retry")
    RunFactory.create_batch(40, process_model=model)
    for _ in range(40):
        claim(node)
    Run.objects.update(lease_expires_at=LONG_AGO)

    ended = run_at_once(end_abandoned_runs, threads=4)

    assert sum(ended) == 40
    assert Run.objects.filter(status="WAITING", attempt=1).count() == 40
    assert RunAttempt.objects.filter(outcome="lost").count() == 40


@pytest.mark.django_db(transaction=True)
def test_result_and_reconciler_at_once_make_one_end(node: nodes.Node) -> None:
    run = abandon(node)

    def complete() -> int:
        try:
            complete_run(run, outputs={})
        except LeaseLost:
            return 0
        return 1

    ends = iter([complete, end_abandoned_runs])
    assert sum(run_at_once(lambda: next(ends)(), threads=2)) == 1

    end = (Run.objects.get().status, RunAttempt.objects.get().outcome)
    assert end in {("SUCCEEDED", "succeeded"), ("FAILED", "lost")}


@pytest.mark.django_db(transaction=True)
def test_heartbeat_and_reconciler_at_once_agree(node: nodes.Node) -> None:
    token = abandon(node).lease_token
    assert token is not None

    calls: Any = iter([lambda: extend_leases(node, [token]), end_abandoned_runs])
    run_at_once(lambda: next(calls)(), threads=2)

    run = Run.objects.get()
    assert (run.status == "FAILED") == (RunAttempt.objects.get().outcome == "lost")
