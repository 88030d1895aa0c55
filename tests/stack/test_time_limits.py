"""A time limit holds: the tree of the attempt is told to end, and killed after its grace."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime

import psutil
import pytest

from tests.stack.worker_process import WorkerProcess, end_within, lives, status_of

LIMIT, GRACE = 3, 1  # seconds
LATENESS = 2
MESSAGE = "The time limit of 3 seconds was reached."
LIMIT_ALL = (
    "from datetime import timedelta; from processes.models import ProcessModel;"
    f"ProcessModel.objects.update(time_limit=timedelta(seconds={LIMIT}),"
    f" kill_grace=timedelta(seconds={GRACE}))"
)
RETRY_ONCE = (
    "from processes.models import ProcessModel; ProcessModel.objects.update(default_retry_count=1)"
)
CANCEL = (
    "from processes.models import Run; from processes.queueing import cancel_run;"
    "cancel_run(Run.objects.get().pk, requested_by='Ada')"
)
MAKE_COMMAND = (
    "from processes.models import ProcessModel; ProcessModel.objects.create("
    "name='Escaping', executor='command', configuration={'argv': ['escape']})"
)
# Each ignores TERM; the second has left the session, and its parent is gone.
ESCAPE = """#!/bin/sh
trap '' TERM
(setsid sh -c 'trap "" TERM; echo $$ > {folder}/first.program; while :; do sleep 0.1; done' &)
echo $$ > {folder}/first.pid
while :; do sleep 0.1; done
"""
RING = "from processes.queueing import ring; ring('shared')"


@contextmanager
def database_frozen(worker: WorkerProcess) -> Iterator[None]:
    """Let every statement that writes wait, the heartbeat's too, for as long as the block lasts."""
    database = worker.folder / "arabica.sqlite3"
    with closing(sqlite3.connect(database, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def assert_failed_by_the_limit(worker: WorkerProcess, *signals: str) -> None:
    [run] = worker.rows("run")
    assert (run["status"], run["reason"], run["message"]) == ("FAILED", "time_limit", MESSAGE)
    attempts = worker.rows("attempt")
    assert [row["outcome"] for row in attempts] == ["failed"] * len(signals)
    assert [row["error"] for row in attempts] == [MESSAGE] * len(signals)
    assert [row["signal"] for row in attempts] == [*signals]


def measure(worker: WorkerProcess, number: int = 0) -> float:
    """Return how many seconds an attempt took, by what is stored of it."""
    attempt = worker.rows("attempt")[number]
    began, ended = (
        datetime.fromisoformat(attempt[f"{name}_at"]) for name in ("started", "finished")
    )
    return (ended - began).total_seconds()


def wait_for_tree(worker: WorkerProcess) -> list[psutil.Process]:
    return [worker.wait_for_run("first"), worker.wait_for_program("first")]


def test_attempt_that_obeys_is_over_when_its_limit_is_reached(worker: WorkerProcess) -> None:
    worker.start()
    worker.shell(LIMIT_ALL)
    worker.queue("first", process="Nest")
    child, program = wait_for_tree(worker)

    worker.wait_until(lambda: status_of(worker) != "RUNNING")

    assert LIMIT <= measure(worker) < LIMIT + LATENESS
    assert end_within([program], 1)
    assert lives(child)
    assert_failed_by_the_limit(worker, "")


def test_attempt_that_ignores_sigterm_is_killed_after_its_grace(worker: WorkerProcess) -> None:
    worker.start()
    worker.shell(LIMIT_ALL)
    worker.queue("first", process="Stubborn")
    child = worker.wait_for_run("first")

    worker.wait_until(lambda: status_of(worker) != "RUNNING")

    assert LIMIT + GRACE <= measure(worker) < LIMIT + GRACE + LATENESS
    assert not lives(child)
    assert_failed_by_the_limit(worker, "SIGKILL")


def test_limit_holds_while_the_database_and_the_heartbeat_stand_still(
    worker: WorkerProcess,
) -> None:
    worker.start()
    worker.shell(LIMIT_ALL)
    worker.queue("first", process="Nest")
    _, program = wait_for_tree(worker)

    with database_frozen(worker):
        assert end_within([program], LIMIT + LATENESS)
        assert status_of(worker) == "RUNNING"

    worker.wait_until(lambda: status_of(worker) != "RUNNING")
    assert_failed_by_the_limit(worker, "")


@pytest.mark.parametrize(("process", "ended_by"), [("Nest", ""), ("Stubborn", "SIGKILL")])
def test_limit_uses_up_an_attempt_and_each_has_the_whole_time(
    worker: WorkerProcess, process: str, ended_by: str
) -> None:
    worker.start()
    worker.shell(f"{LIMIT_ALL};{RETRY_ONCE}")
    worker.queue("first", process=process)
    worker.wait_for_run("first")

    worker.wait_until(lambda: worker.rows("attempt")[0]["outcome"] != "")
    worker.shell(RING)
    worker.wait_until(lambda: status_of(worker) == "FAILED")

    assert [measure(worker, number) >= LIMIT for number in (0, 1)] == [True, True]
    assert_failed_by_the_limit(worker, ended_by, ended_by)


def test_attempt_over_its_limit_that_is_cancelled_meanwhile_is_cancelled(
    worker: WorkerProcess,
) -> None:
    worker.start()
    worker.shell(f"{LIMIT_ALL};ProcessModel.objects.update(kill_grace=timedelta(seconds=6))")
    worker.queue("first", process="Stubborn")
    child = worker.wait_for_run("first")
    time.sleep(LIMIT + 0.5)

    assert lives(child)
    worker.shell(CANCEL)
    worker.wait_until(lambda: status_of(worker) != "RUNNING")

    [run], [attempt] = worker.rows("run"), worker.rows("attempt")
    assert (run["status"], run["reason"], attempt["outcome"]) == ("CANCELLED",) + ("cancelled",) * 2
    assert attempt["signal"] == "SIGKILL"


def test_command_that_escapes_is_over_after_its_grace_too(worker: WorkerProcess) -> None:
    commands = worker.folder / "commands-dir"
    commands.mkdir()
    program = commands / "escape"
    program.write_text(ESCAPE.format(folder=worker.folder))
    program.chmod(0o755)
    worker.environment["COMMANDS_DIR"] = str(commands)
    worker.start()
    worker.shell(f"{MAKE_COMMAND};{LIMIT_ALL}")
    [pool_child] = worker.pool()
    worker.shell(
        "from processes.models import ProcessModel; from processes.queueing import queue_run;"
        "queue_run(ProcessModel.objects.get(name='Escaping'), {})"
    )
    tree = wait_for_tree(worker)

    worker.wait_until(lambda: status_of(worker) != "RUNNING")

    assert LIMIT + GRACE <= measure(worker) < LIMIT + GRACE + LATENESS
    assert not any(lives(process) for process in tree)
    assert lives(pool_child)
    assert_failed_by_the_limit(worker, "SIGKILL")
