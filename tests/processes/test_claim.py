"""A node claims the best run it may take, and nobody else gets the same one."""

import random
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db.models import F, Max
from django.db.models.functions import Now
from django.utils import timezone

from processes import nodes
from processes.execution import LEASE, claim_run, extend_leases, work_until_idle
from processes.models import Run, RunAttempt, Worker
from processes.tasks import look
from tests.at_once import run_at_once
from tests.factories import ProcessModelFactory, RunFactory, WorkerFactory
from tests.processes.conftest import Register, do_nothing


def claim_all(node: nodes.Node) -> list[Run]:
    claimed = []
    while run := claim_run(node):
        claimed.append(run)
    return claimed


def test_claimed_run_is_running_under_a_lease(node: nodes.Node) -> None:
    run = RunFactory.create(message="an earlier error", reason=Run.Reason.RETRY_PENDING)

    claimed = claim_run(node)

    assert claimed == run
    run.refresh_from_db()
    assert (run.status, run.attempt, run.message, run.reason) == ("RUNNING", 1, "", "")
    assert run.lease_token == claimed.lease_token
    assert run.node_id == node.boot_id
    assert run.started_at is not None
    left = Run.objects.aggregate(left=Max(F("lease_expires_at") - Now()))["left"]
    assert LEASE - timedelta(seconds=10) < left <= LEASE
    attempt = run.attempts.get()
    assert (attempt.number, attempt.node_name, attempt.outcome) == (1, node.name, "")


def test_runs_are_claimed_by_priority_then_by_the_time_they_became_ready(node: nodes.Node) -> None:
    early, late = Now() - timedelta(minutes=2), Now() - timedelta(minutes=1)
    last = RunFactory.create(priority=1, ready_at=early)
    second = RunFactory.create(ready_at=late)
    first = RunFactory.create(ready_at=early)
    urgent = RunFactory.create(priority=99)

    assert claim_all(node) == [urgent, first, second, last]


def test_run_for_this_worker_and_run_for_any_are_taken(node: nodes.Node, worker: Worker) -> None:
    own, shared = RunFactory.create(worker=worker), RunFactory.create()

    assert claim_all(node) == [own, shared]


@pytest.mark.parametrize(
    "traits",
    [
        pytest.param({"worker": WorkerFactory}, id="meant for another worker"),
        pytest.param({"postponed": True}, id="not ready yet"),
        pytest.param({"process_model__enabled": False}, id="process model disabled"),
        pytest.param({"running": True}, id="running"),
        pytest.param({"succeeded": True}, id="succeeded"),
        pytest.param({"failed": True}, id="failed"),
    ],
)
def test_run_that_is_not_for_now_is_left(node: nodes.Node, traits: dict[str, Any]) -> None:
    made = {
        name: value.create() if value is WorkerFactory else value for name, value in traits.items()
    }
    run = RunFactory.create(**made)

    assert claim_run(node) is None
    assert Run.objects.get().status == run.status


@pytest.mark.parametrize("for_this_worker", [True, False], ids=["its own run", "a shared run"])
@pytest.mark.parametrize("state", ["disabled", "paused"])
def test_disabled_or_paused_worker_takes_nothing(
    node: nodes.Node, worker: Worker, state: str, *, for_this_worker: bool
) -> None:
    run = RunFactory.create(worker=worker if for_this_worker else None)
    change = {"enabled": False} if state == "disabled" else {"paused_at": timezone.now()}
    # Changed in the database alone, after the node has started.
    Worker.objects.filter(pk=worker.pk).update(**change)

    assert claim_run(node) is None

    Worker.objects.filter(pk=worker.pk).update(enabled=True, paused_at=None)
    assert claim_run(node) == run


def test_stopping_node_takes_nothing_more(become_node: nodes.Node) -> None:
    RunFactory.create()
    become_node.stop_claiming()

    work_until_idle()

    assert Run.objects.waiting().count() == 1


def test_times_are_compared_by_the_clock_of_the_database(node: nodes.Node) -> None:
    RunFactory.create(postponed=True)

    with time_machine.travel(timezone.now() + timedelta(days=1)):
        claimed = claim_run(node)

    assert claimed is None


@pytest.mark.django_db(transaction=True)
def test_two_hundred_runs_and_four_threads_make_two_hundred_attempts(node: nodes.Node) -> None:
    process_model = ProcessModelFactory.create()
    RunFactory.create_batch(200, process_model=process_model)

    claimed = run_at_once(lambda: claim_all(node), threads=4)

    ids = [run.pk for runs in claimed for run in runs]
    assert len(ids) == len(set(ids)) == 200
    assert RunAttempt.objects.count() == 200
    assert Run.objects.running().filter(attempt=1).count() == 200


def test_messages_delivered_three_times_and_out_of_order_run_each_run_once(
    become_node: nodes.Node, register: Register
) -> None:
    runs = RunFactory.create_batch(10, process_model=register(do_nothing))
    hints = [str(run.pk) for run in runs] * 3
    random.Random(4).shuffle(hints)  # noqa: S311 - an order, no secret

    for hint in hints:
        look(hint)

    assert Run.objects.filter(status="SUCCEEDED", attempt=1).count() == 10
    assert RunAttempt.objects.count() == 10


def test_message_without_a_run_finds_nothing_to_do(become_node: nodes.Node) -> None:
    look("0199c0de-0000-7000-8000-000000000001")

    assert not RunAttempt.objects.exists()


def test_heartbeat_extends_the_leases_of_its_node_alone(node: nodes.Node) -> None:
    soon = Now() + timedelta(seconds=1)
    own = RunFactory.create(running=True, node_id=node.boot_id, lease_expires_at=soon)
    other = RunFactory.create(running=True, lease_expires_at=soon)
    tokens = Run.objects.values_list("lease_token", flat=True)

    lost = extend_leases(node, [token for token in tokens if token])

    assert lost == {other.lease_token}
    extended = Run.objects.filter(lease_expires_at__gt=Now() + timedelta(seconds=20))
    assert list(extended) == [own]


def test_runs_go_on_until_none_is_left(become_node: nodes.Node, register: Register) -> None:
    RunFactory.create_batch(3, process_model=register(do_nothing))

    work_until_idle()

    assert Run.objects.filter(status="SUCCEEDED").count() == 3


def test_run_of_a_function_that_is_gone_fails_and_the_next_goes_on(
    become_node: nodes.Node, register: Register
) -> None:
    gone = RunFactory.create()
    good = RunFactory.create(process_model=register(do_nothing))

    work_until_idle()

    gone.refresh_from_db()
    good.refresh_from_db()
    assert (gone.status, good.status) == ("FAILED", "SUCCEEDED")
    assert "No Python process is registered" in gone.message
