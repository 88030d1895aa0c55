"""Nodes as operating-system processes keep to the limits, and hand freed room on; no beat runs."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.worker_process import WorkerProcess

PROJECT = Path(__file__).resolve().parents[2]
# Of a run that should not begin: bells ring within milliseconds.
LONG_ENOUGH = 1.0
RECONCILE = (
    "from processes.queueing import end_abandoned_runs, ring_for_ready_runs;"
    "print(end_abandoned_runs(), ring_for_ready_runs(just_ready=False))"
)


@pytest.fixture
def nodes(prepared: Path, tmp_path: Path) -> Iterator[list[WorkerProcess]]:
    """Return two nodes of one installation that are not started yet."""
    folder = tmp_path / "var"
    shutil.copytree(prepared, folder)
    nodes = [WorkerProcess(PROJECT, folder, name=name) for name in ("one", "two")]
    yield nodes
    for node in nodes:
        node.end()


def add_worker(node: WorkerProcess) -> None:
    node.shell("from processes.models import Worker; Worker.objects.create(pk=2, name='second')")


def limit(node: WorkerProcess, what: str) -> None:
    node.shell(f"from processes.models import {what}; {what}.objects.update(max_parallel_runs=1)")


def has_begun(node: WorkerProcess, name: str) -> bool:
    return (node.folder / f"{name}.pid").exists()


def test_room_that_one_worker_frees_is_taken_by_another(nodes: list[WorkerProcess]) -> None:
    one, two = nodes
    add_worker(one)
    limit(one, "ProcessModel")
    one.start()
    two.start(worker_id=2)
    one.queue("first", worker_id=1)
    one.wait_for_run("first")
    one.queue("second", worker_id=2)
    time.sleep(LONG_ENOUGH)
    assert not has_begun(two, "second")

    one.let_end("first")

    two.wait_for_run("second")
    two.let_end("second")
    two.wait_until(lambda: [run["status"] for run in two.rows("run")] == ["SUCCEEDED"] * 2)


@pytest.mark.parametrize("what", ["ProcessModel", "Worker"])
def test_room_that_a_stopping_node_frees_is_taken_by_another_one_of_its_worker(
    nodes: list[WorkerProcess], what: str
) -> None:
    one, two = nodes
    limit(one, what)
    one.start()
    one.queue("first", "second")
    one.wait_for_run("first")
    two.start()
    one.process.terminate()
    time.sleep(LONG_ENOUGH)
    assert not has_begun(two, "second")

    one.let_end("first")

    two.wait_for_run("second")


@pytest.mark.parametrize("what", ["ProcessModel", "Worker"])
def test_killed_node_keeps_its_room_until_its_loss_is_recorded(
    nodes: list[WorkerProcess], what: str
) -> None:
    one, two = nodes
    limit(one, what)
    one.start(quick=True)
    one.queue("first", "second")
    one.wait_for_run("first")
    two.start()

    one.process.kill()
    two.shell("from processes.queueing import ring; ring('shared')")
    time.sleep(LONG_ENOUGH)
    assert not has_begun(two, "second")
    two.wait_until(lambda: two.shell(RECONCILE).strip() == "1 1")

    two.wait_for_run("second")
    assert [run["status"] for run in two.rows("run")] == ["FAILED", "RUNNING"]


def test_bell_that_reaches_a_drained_node_is_passed_on(nodes: list[WorkerProcess]) -> None:
    one, two = nodes
    add_worker(one)
    one.start()
    two.start(worker_id=2, concurrency=4)
    one.shell(
        "from processes.models import WorkerNode; from django.db.models.functions import Now;"
        "WorkerNode.objects.filter(worker=1).update(drain_requested_at=Now())"
    )
    time.sleep(6)  # the node has had its heartbeat

    for name in ("first", "second", "third", "fourth"):
        two.queue(name)
        two.wait_for_run(name)

    assert {run["status"] for run in two.rows("run")} == {"RUNNING"}
