"""A node's parent extends the leases its children hold, fences lost ones, records dead children."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import psutil
import pytest
from django.db import connections
from django.db.models.functions import Now
from pytest_django import DjangoAssertNumQueries

from processes import leases, nodes
from processes.execution import LEASE, claim_run, complete_run, work_until_idle
from processes.leases import LeaseKeeper
from processes.models import Run, RunAttempt, Worker
from processes.queueing import end_abandoned_runs
from processes.slots import Slot, make_slots
from tests.factories import RunFactory
from tests.outage import database_away
from tests.processes.conftest import Register, do_nothing

Child = subprocess.Popen[bytes]
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def start_child() -> Iterator[Callable[[], Child]]:
    """Return a function that starts a child of this process."""
    children: list[Child] = []

    def start() -> Child:
        children.append(subprocess.Popen(SLEEP))  # noqa: S603 - a program of this file
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.wait()


def hold_in(slot: Slot, run: Run | None, *, seconds: float = 30) -> Run:
    """Let the slot hold a claimed run for this process."""
    assert run is not None
    assert run.lease_token is not None
    slot.hold(run.pk, run.lease_token, deadline=time.monotonic() + seconds)
    return run


def hold_by(node: nodes.Node, pid: int) -> Run:
    """Return a run that the node has claimed, and whose slot names the pool child `pid`."""
    [slot] = node.slots
    run = hold_in(slot, claim_run(node))
    slot._memory.pid = pid
    return run


def make_retried() -> Run:
    return RunFactory.create(process_model__on_worker_lost="retry")


def test_slot_says_what_its_process_does() -> None:
    slot, other = make_slots(2)
    run = RunFactory.build(running=True)

    hold_in(slot, run)

    held = slot.read()
    assert held is not None
    assert (held.pid, held.run_id, held.token) == (os.getpid(), run.pk, run.lease_token)
    assert other.read() is None
    slot.release()
    assert slot.read() is None


def test_lease_is_outlived_only_while_the_process_of_a_run_goes_on() -> None:
    [slot] = make_slots(1)
    run = RunFactory.build(running=True)
    assert not slot.has_outlived_its_lease()

    hold_in(slot, run)
    assert not slot.has_outlived_its_lease()

    slot.move_deadline(time.monotonic() - 1)
    assert slot.has_outlived_its_lease()

    slot.begin_ending()
    assert not slot.has_outlived_its_lease()


def test_successor_waits_until_the_run_of_the_dead_one_is_recorded(
    become_node: nodes.Node, register: Register, start_child: Callable[[], Child]
) -> None:
    RunFactory.create()
    child = start_child()
    lost = hold_by(become_node, child.pid)
    RunFactory.create(process_model=register(do_nothing))
    child.kill()
    child.wait()

    def succeed_it() -> None:
        work_until_idle()
        connections.close_all()

    successor = threading.Thread(target=succeed_it)

    successor.start()
    time.sleep(0.5)
    assert Run.objects.waiting().count() == 1

    keeper = LeaseKeeper(become_node)
    keeper.note_exit(child.pid, -9)
    keeper.look()
    successor.join(10)
    assert Run.objects.filter(status="SUCCEEDED").count() == 1
    assert Run.objects.get(pk=lost.pk).status == "FAILED"


def test_held_lease_and_its_deadline_are_extended(node: nodes.Node) -> None:
    RunFactory.create()
    run = hold_by(node, os.getpid())
    Run.objects.update(lease_expires_at=Now())
    [slot] = node.slots
    slot.move_deadline(0)

    LeaseKeeper(node).extend()

    in_time = Now() + LEASE - timedelta(seconds=10)
    assert Run.objects.filter(pk=run.pk, lease_expires_at__gt=in_time).exists()
    assert slot._memory.deadline > time.monotonic() + 20


def test_all_leases_are_extended_by_one_update(
    worker: Worker, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    node = nodes.Node(worker.pk, concurrency=3)
    nodes.register_node(node)
    RunFactory.create_batch(3)
    for slot in node.slots:
        hold_in(slot, claim_run(node))

    with django_assert_num_queries(1):
        LeaseKeeper(node).extend()


def test_lease_that_no_child_holds_runs_out(node: nodes.Node) -> None:
    RunFactory.create()
    assert claim_run(node) is not None
    Run.objects.update(lease_expires_at=Now() - timedelta(seconds=1))

    LeaseKeeper(node).extend()

    assert end_abandoned_runs() == 1


def test_child_whose_lease_is_lost_is_killed(
    node: nodes.Node, start_child: Callable[[], Child]
) -> None:
    RunFactory.create()
    child = start_child()
    hold_by(node, child.pid)
    Run.objects.update(lease_expires_at=Now() - timedelta(seconds=1))
    end_abandoned_runs()

    LeaseKeeper(node).extend()

    assert child.wait(10) == -9


def test_child_that_records_its_end_is_not_killed(
    node: nodes.Node, start_child: Callable[[], Child]
) -> None:
    RunFactory.create()
    child = start_child()
    run = hold_by(node, child.pid)
    node.slots[0].begin_ending()
    complete_run(run, outputs={})

    LeaseKeeper(node).extend()

    time.sleep(0.2)
    assert child.poll() is None


@pytest.mark.parametrize(
    ("exit_code", "words", "facts"),
    [
        (-9, "was killed by SIGKILL", ("SIGKILL", None)),
        (-40, "was killed by signal 40", ("signal 40", None)),
        (3, "ended with exit code 3", ("", 3)),
        (0, "ended with exit code 0", ("", 0)),
        (None, "ended; how is not known", ("", None)),
    ],
)
def test_dead_child_is_told_in_words(
    node: nodes.Node,
    start_child: Callable[[], Child],
    monkeypatch: pytest.MonkeyPatch,
    exit_code: int | None,
    words: str,
    facts: tuple[str, int | None],
) -> None:
    monkeypatch.setattr(leases, "WAIT_FOR_EXIT_CODE", -1.0)
    RunFactory.create(retry_count=3)
    child = start_child()
    run = hold_by(node, child.pid)
    keeper = LeaseKeeper(node)
    child.kill()
    child.wait()
    if exit_code is not None:
        keeper.note_exit(child.pid, exit_code)

    keeper.look()

    run.refresh_from_db()
    assert (run.status, run.reason) == ("FAILED", "worker_lost")
    assert run.message == f"The process of this run on node {node.name} {words}."
    attempt = RunAttempt.objects.get()
    assert (attempt.outcome, attempt.error) == ("lost", run.message)
    assert (attempt.signal, attempt.exit_code) == facts
    assert node.slots[0].read() is None


def test_dead_child_is_waited_for_until_it_is_told_how_it_ended(
    node: nodes.Node, start_child: Callable[[], Child]
) -> None:
    RunFactory.create()
    child = start_child()
    hold_by(node, child.pid)
    keeper = LeaseKeeper(node)
    child.kill()
    psutil.wait_procs([psutil.Process(child.pid)], timeout=0.1)

    keeper.look()
    assert Run.objects.running().exists()

    keeper.note_exit(child.pid, -9)
    keeper.look()
    assert not Run.objects.running().exists()


def test_living_child_is_left_alone(node: nodes.Node, start_child: Callable[[], Child]) -> None:
    RunFactory.create()
    hold_by(node, start_child().pid)

    LeaseKeeper(node).look()

    assert Run.objects.running().exists()


def test_number_of_a_dead_child_that_another_process_has_is_no_child(node: nodes.Node) -> None:
    RunFactory.create()
    hold_by(node, os.getppid())
    keeper = LeaseKeeper(node)
    keeper.note_exit(os.getppid(), -9)

    keeper.look()

    assert Run.objects.get().status == "FAILED"


def test_dead_child_whose_run_the_reconciler_has_ended_leaves_its_slot(
    node: nodes.Node, start_child: Callable[[], Child]
) -> None:
    make_retried()
    child = start_child()
    hold_by(node, child.pid)
    Run.objects.update(lease_expires_at=Now() - timedelta(seconds=1))
    end_abandoned_runs()
    keeper = LeaseKeeper(node)
    keeper.note_exit(child.pid, -9)
    child.kill()
    child.wait()

    keeper.look()

    assert Run.objects.get().status == "WAITING"
    assert RunAttempt.objects.get().error.startswith("The worker was lost")
    assert node.slots[0].read() is None


@pytest.mark.django_db(transaction=True)
def test_dead_child_is_recorded_once_an_outage_is_over(
    node: nodes.Node, start_child: Callable[[], Child]
) -> None:
    make_retried()
    child = start_child()
    hold_by(node, child.pid)
    keeper = LeaseKeeper(node)
    keeper.note_exit(child.pid, -9)
    child.kill()
    child.wait()
    heartbeat = nodes.Heartbeat(node, keeper)

    with database_away():
        heartbeat._pulse()
    assert Run.objects.running().exists()

    heartbeat._pulse()
    assert Run.objects.get().message.endswith("was killed by SIGKILL.")


@pytest.mark.django_db(transaction=True)
def test_node_that_ends_leaves_no_run_of_its_own(
    node: nodes.Node, start_child: Callable[[], Child]
) -> None:
    make_retried()
    child = start_child()
    with nodes.beating(node, LeaseKeeper(node)):
        hold_by(node, child.pid)

    assert Run.objects.get().status == "WAITING"
