"""`manage.py worker` as an operating-system process: how it stops, and how it is killed."""

import signal
import time

import psutil
import pytest

from tests.stack.worker_process import WorkerProcess, kill_pool_child


def test_idle_worker_stops_in_good_order(worker: WorkerProcess) -> None:
    worker.start(concurrency=2)
    processes = [worker.process, *worker.pool()]

    output = worker.stop()

    assert "Traceback" not in output
    assert [node["stopped_at"] is not None for node in worker.rows("node")] == [True]
    assert not [process for process in processes if process.is_running()]


def test_stopping_worker_finishes_what_it_runs_and_takes_nothing_more(
    worker: WorkerProcess,
) -> None:
    worker.start()
    worker.queue("first", "second")
    worker.wait_for_run("first")

    worker.tell_to_stop()
    time.sleep(1)
    worker.let_end("first")
    worker.let_end("second")
    worker.stop()

    assert [run["status"] for run in worker.rows("run")] == ["SUCCEEDED", "WAITING"]
    assert worker.rows("node")[0]["stopped_at"] is not None


def test_killed_worker_leaves_no_pool_child(worker: WorkerProcess) -> None:
    worker.start(concurrency=2)
    worker.queue("first")
    executing = worker.wait_for_run("first")
    children = worker.pool()
    assert executing in children

    worker.process.kill()

    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
    assert worker.rows("node")[0]["stopped_at"] is None


def test_run_in_a_replaced_pool_child_outlives_the_stop_of_its_worker(
    worker: WorkerProcess,
) -> None:
    worker.start()
    replaced = kill_pool_child(worker)
    worker.queue("first")
    assert worker.wait_for_run("first") == replaced

    worker.process.send_signal(signal.SIGTERM)
    # Long enough for every thread of the worker that ends with its pool.
    time.sleep(3)
    worker.let_end("first")
    worker.stop()

    assert [run["status"] for run in worker.rows("run")] == ["SUCCEEDED"]


def test_replaced_pool_child_ends_when_its_worker_is_killed(worker: WorkerProcess) -> None:
    worker.start()
    replaced = kill_pool_child(worker)
    worker.queue("first")
    assert worker.wait_for_run("first") == replaced

    worker.process.kill()

    _, alive = psutil.wait_procs([replaced], timeout=30)
    assert alive == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--id", "7"], "There is no worker 7; there are: 1 · first."),
        (["--id", "1", "--concurrency", "0"], "--concurrency takes a whole number from 1 to 256."),
        (["--id", "1", "--concurrency", "-1"], "--concurrency takes a whole number from 1 to 256."),
        (["--id", "1", "--concurrency", "10000"], "takes a whole number from 1 to 256."),
        (["--id", "first"], "argument --id: invalid int value: 'first'"),
    ],
)
def test_wrong_argument_is_one_sentence(
    worker: WorkerProcess, arguments: list[str], sentence: str
) -> None:
    ended = worker.manage("worker", *arguments)

    assert ended.returncode != 0
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout
