"""Nothing of a dead attempt lives on, and its run says in words what has happened."""

import signal
import sqlite3
import time
from contextlib import closing, suppress

import psutil
import pytest

from tests.stack.worker_process import PATIENCE, WorkerProcess, end_within, lives, status_of

RECONCILE = "from processes.queueing import end_abandoned_runs; print(end_abandoned_runs())"


def reconcile_until_ended(worker: WorkerProcess) -> None:
    deadline = time.monotonic() + 30
    while worker.shell(RECONCILE).strip() == "0" and time.monotonic() < deadline:
        time.sleep(0.2)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_killed_pool_child_ends_its_run_and_names_the_signal(
    worker: WorkerProcess, number: signal.Signals
) -> None:
    worker.start()
    worker.queue("first")
    child = worker.wait_for_run("first")

    child.send_signal(number)
    killed_at = time.monotonic()
    worker.wait_until(lambda: status_of(worker) != "RUNNING")

    assert time.monotonic() - killed_at < 5
    [run], [attempt] = worker.rows("run"), worker.rows("attempt")
    assert (run["status"], run["reason"]) == ("FAILED", "worker_lost")
    assert run["message"].endswith(f" was killed by {number.name}.")
    assert "worker-1@" in run["message"]
    assert (attempt["outcome"], attempt["error"]) == ("lost", run["message"])
    assert (attempt["signal"], attempt["exit_code"]) == (number.name, None)


def test_run_of_a_killed_pool_child_is_tried_again_by_the_next_one(worker: WorkerProcess) -> None:
    worker.start()
    worker.queue("first", on_worker_lost="retry")
    child = worker.wait_for_run("first")
    (worker.folder / "first.pid").unlink()

    child.kill()
    worker.wait_until(lambda: status_of(worker) == "WAITING")
    worker.shell("from processes.queueing import ring; ring('shared')")
    assert worker.wait_for_run("first") != child
    worker.let_end("first")
    worker.wait_until(lambda: status_of(worker) == "SUCCEEDED")

    assert [row["outcome"] for row in worker.rows("attempt")] == ["lost", "succeeded"]


def test_run_of_a_killed_worker_is_ended_by_the_reconciler(worker: WorkerProcess) -> None:
    worker.start(quick=True)
    worker.queue("first")
    child = worker.wait_for_run("first")

    worker.process.kill()
    assert end_within([child], 5)
    reconcile_until_ended(worker)

    [run] = worker.rows("run")
    assert (run["status"], run["reason"]) == ("FAILED", "worker_lost")
    assert run["message"].startswith("The worker was lost: node worker-1@")


def test_attempt_ends_itself_when_its_lease_runs_out_under_a_stopped_parent(
    worker: WorkerProcess,
) -> None:
    worker.start(quick=True)
    worker.queue("first", process="Nest")
    attempt = [worker.wait_for_run("first"), worker.wait_for_program("first")]
    time.sleep(4)  # longer than a lease: it is being extended
    assert all(lives(process) for process in attempt)

    worker.process.suspend()
    try:
        assert end_within(attempt, 6)
    finally:
        worker.process.resume()
    worker.wait_until(lambda: status_of(worker) != "RUNNING")

    [run] = worker.rows("run")
    assert (run["status"], run["reason"]) == ("FAILED", "worker_lost")


def test_stopped_worker_that_goes_on_without_its_lease_leaves_nothing_of_the_attempt(
    worker: WorkerProcess,
) -> None:
    worker.start(quick=True)
    worker.queue("first", process="Nest")
    attempt = [worker.wait_for_run("first"), worker.wait_for_program("first")]
    tree = [worker.process, *attempt]

    for process in tree:
        process.suspend()
    reconcile_until_ended(worker)
    ended = worker.rows("run")
    worker.let_end("first")
    for process in tree:
        with suppress(psutil.NoSuchProcess):  # killed by its parent, which went on before
            process.resume()

    assert end_within(attempt, 2)
    assert ended[0]["status"] == "FAILED"
    time.sleep(2)
    assert worker.rows("run") == ended
    assert [row["outcome"] for row in worker.rows("attempt")] == ["lost"]


def test_worker_kills_an_attempt_whose_lease_is_another_s(worker: WorkerProcess) -> None:
    worker.start(quick=True)
    worker.queue("first", process="Nest")
    attempt = [worker.wait_for_run("first"), worker.wait_for_program("first")]

    with closing(sqlite3.connect(worker.folder / "arabica.sqlite3", timeout=30)) as database:
        database.execute("UPDATE processes_run SET lease_token = ?", ["0" * 32])
        database.commit()

    assert end_within(attempt, 2.5)  # the watchdog of the child would not look for three seconds
    assert status_of(worker) == "RUNNING"  # of the other one


def cancel(worker: WorkerProcess) -> None:
    worker.shell(
        "from processes.models import Run; from processes.queueing import cancel_run;"
        "cancel_run(Run.objects.get().pk, requested_by='Ada')"
    )


def test_cancelled_run_ends_with_all_it_has_started(worker: WorkerProcess) -> None:
    worker.start()
    worker.queue("first", process="Nest")
    child, program = worker.wait_for_run("first"), worker.wait_for_program("first")

    cancel(worker)
    asked_at = time.monotonic()
    worker.wait_until(lambda: status_of(worker) != "RUNNING")

    assert time.monotonic() - asked_at < 5
    assert end_within([program], 2)
    [run], [attempt] = worker.rows("run"), worker.rows("attempt")
    assert (run["status"], run["reason"]) == ("CANCELLED", "cancelled")
    assert run["message"].startswith("Cancelled by Ada at ")
    assert attempt["outcome"] == "cancelled"
    assert lives(child)


def test_cancelled_run_that_ignores_sigterm_is_killed_after_its_grace(
    worker: WorkerProcess,
) -> None:
    worker.start()
    worker.shell(
        "from datetime import timedelta; from processes.models import ProcessModel;"
        "ProcessModel.objects.update(kill_grace=timedelta(seconds=3))"
    )
    worker.queue("first", process="Stubborn")
    child = worker.wait_for_run("first")

    cancel(worker)
    worker.wait_until((worker.folder / "first.told").exists)
    assert lives(child)
    worker.wait_until(lambda: status_of(worker) != "RUNNING")

    assert not lives(child)
    [run], [attempt] = worker.rows("run"), worker.rows("attempt")
    assert (run["status"], attempt["outcome"]) == ("CANCELLED", "cancelled")
    assert attempt["signal"] == "SIGKILL"


@pytest.mark.parametrize(("on_worker_lost", "status"), [("fail", "FAILED"), ("retry", "WAITING")])
def test_stopped_worker_ends_what_is_left_after_its_grace(
    worker: WorkerProcess, on_worker_lost: str, status: str
) -> None:
    worker.environment["SHUTDOWN_GRACE"] = "2"
    worker.start()
    worker.queue("first", process="Nest", on_worker_lost=on_worker_lost)
    attempt = [worker.wait_for_run("first"), worker.wait_for_program("first")]
    told_at = time.monotonic()

    worker.stop()

    assert 2 <= time.monotonic() - told_at < 25  # and not the 30 that it gets otherwise
    assert not any(lives(process) for process in attempt)
    [run] = worker.rows("run")
    assert (run["status"], run["reason"]) == (status, "worker_stopped")
    assert run["message"].startswith("The worker was stopped: node worker-1@")
    assert run["message"].endswith("the run went on for longer than 2 seconds.")
    assert worker.rows("attempt")[0]["outcome"] == "lost"


def test_worker_whose_celery_gives_up_takes_no_more_and_ends(worker: WorkerProcess) -> None:
    worker.environment["SHUTDOWN_GRACE"] = "2"
    worker.queue("first", "second")
    worker.start(module="tests.stack.failing_worker")
    worker.wait_for_run("first")

    code = worker.process.wait(PATIENCE)

    assert code != 0
    first, second = worker.rows("run")
    assert (first["status"], first["reason"]) == ("FAILED", "worker_stopped")
    assert second["status"] == "WAITING"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT, signal.SIGINT])
def test_worker_that_is_told_to_end_at_once_counts_as_stopped(
    worker: WorkerProcess, number: signal.Signals
) -> None:
    worker.environment["SHUTDOWN_GRACE"] = "5"
    worker.start()
    worker.queue("first", process="Nest")
    attempt = [worker.wait_for_run("first"), worker.wait_for_program("first")]

    for signal_number in (signal.SIGTERM, number, number):
        worker.process.send_signal(signal_number)
        time.sleep(0.5)
    worker.wait_for_end()

    assert not any(lives(process) for process in attempt)
    [run], [stored] = worker.rows("run"), worker.rows("attempt")
    assert (run["status"], run["reason"]) == ("FAILED", "worker_stopped")
    assert run["message"].startswith("The worker was stopped: node worker-1@")
    assert stored["outcome"] == "lost"
