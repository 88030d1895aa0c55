"""A worker that is stopped until its leases are lost, then goes on: nothing of it counts or lives."""

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import psutil
import pytest
from django.db import connection

from processes import registry
from processes.models import ProcessModel, Run, RunAttempt
from processes.queueing import queue_run
from processes.synchronization import sync_processes
from tests.faults import lingering
from tests.faults.checker import check_runs
from tests.faults.conftest import SIZE
from tests.faults.findings import Findings
from tests.faults.ground import Ground
from tests.faults.journal import Events
from tests.faults.results import Result

pytestmark = pytest.mark.skipif(SIZE != "long", reason="It takes over a minute: FAULTS=long.")

STOPPED = 60.0  # seconds
GONE_WITHIN = 2.0  # seconds after it goes on
LEAVES_RUNNING_WITHIN = 45.0  # seconds after it was stopped
WATCHED = 10.0  # seconds after it goes on
RUNS = 4
LONG = 600.0  # seconds: it has to be ended


def parent_alone(worker: psutil.Process) -> list[psutil.Process]:
    """Return only Celery's parent process."""
    return [worker]


def whole_tree(worker: psutil.Process) -> list[psutil.Process]:
    """Return the parent, its pool children, and the programs that they have started."""
    return [worker, *worker.children(recursive=True)]


@pytest.mark.parametrize("find", [parent_alone, whole_tree])
def test_worker_that_was_stopped_counts_no_more(
    ground: Ground, seed: int, find: Callable[[psutil.Process], list[psutil.Process]]
) -> None:
    ended, retried, late = _prepare(ground)
    stopped = ground.start_worker(concurrency=3 * RUNS, name="stopped")
    ground.start("beat", "manage.py", "beat", ready="Waking up")
    ids = _queue(ended, retried, late)
    ground.wait_until(lambda: len(_read_pids(ground)) == len(ids), "all runs to be executed")
    old = _read_pids(ground)
    ground.start_worker(concurrency=3 * RUNS, name="other")

    processes = find(stopped)
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    since = time.monotonic()
    left = ground.wait_until(
        lambda: not _held_by_first_attempt(ids), "the leases to be lost", seconds=STOPPED
    )
    time.sleep(max(0.0, since + STOPPED - time.monotonic()))
    on = time.monotonic()
    for process in reversed(processes):
        with suppress(psutil.NoSuchProcess):  # an attempt ends itself when its lease runs out
            process.send_signal(signal.SIGCONT)
    gone = ground.wait_until(lambda: not _find_living(ground, old), "the old attempts to be gone")
    time.sleep(WATCHED)
    ground.wait_until(lambda: not Run.objects.unfinished().exists(), "the last run", seconds=60)
    ground.stop("beat")

    events = ground.journal.read()
    words = [_last_word(events, run_id) - on for run_id in ids]
    findings = _check(events, on, ids)
    outcomes = set(RunAttempt.objects.filter(number=1).values_list("outcome", flat=True))
    refused = ground.read_output("stopped").count("result refused")
    note = (
        f"{connection.vendor}: out of RUNNING {left:.1f} s after the stop; last word of an old"
        f" attempt {max(words):+.1f} s after it went on; {refused} results refused;"
        " slowest: from going on until its tree was gone"
    )
    Result.of(
        f"4 stopped {find.__name__}",
        findings,
        trials=len(ids),
        seed=seed,
        slowest=gone,
        note=note,
    ).keep()
    assert not findings, str(findings)
    assert left < LEAVES_RUNNING_WITHIN
    assert gone < GONE_WITHIN
    assert max(words) < GONE_WITHIN
    assert outcomes == {RunAttempt.Outcome.LOST}
    assert _statuses(ended) == {(Run.Status.FAILED, Run.Reason.WORKER_LOST, 1)}
    assert _statuses(retried) == _statuses(late) == {(Run.Status.SUCCEEDED, "", 2)}
    assert stopped.is_running()


def _prepare(ground: Ground) -> tuple[ProcessModel, ProcessModel, ProcessModel]:
    """Return models that end with their worker, go on elsewhere, and would report at the end."""
    ground.environment["PROCESS_MODULES"] += f",{lingering.__name__}"
    ground.prepare()
    registry.load([lingering.__name__])
    sync_processes()
    ended = ProcessModel.objects.get(name=lingering.NAME)
    return ended, _copy(ended, "Retried"), _copy(ended, "Late")


def _copy(model: ProcessModel, name: str) -> ProcessModel:
    return ProcessModel.objects.create(
        name=name,
        configuration=model.configuration,
        executor=model.executor,
        on_worker_lost=ProcessModel.OnWorkerLost.RETRY,
    )


def _queue(ended: ProcessModel, retried: ProcessModel, late: ProcessModel) -> list[UUID]:
    """Queue runs of each; the last are at their end when the stopped worker goes on."""
    runs = [queue_run(ended, {"seconds": LONG}) for _ in range(RUNS)]
    runs += [queue_run(retried, {"seconds": 1.0, "first": LONG}) for _ in range(RUNS)]
    runs += [queue_run(late, {"seconds": 1.0, "first": STOPPED - 1}) for _ in range(RUNS)]
    return [run.pk for run in runs]


def _read_pids(ground: Ground) -> dict[tuple[str, str], tuple[int, int]]:
    """Return by run and attempt which processes it consists of."""
    file = ground.journal.path.with_name(lingering.PIDS)
    lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return {(run, number): (int(own), int(beside)) for run, number, own, beside in lines}


def _find_living(ground: Ground, pids: dict[tuple[str, str], tuple[int, int]]) -> list[int]:
    """Return what lives of the attempts; a pool child whose function has returned is free again."""
    attempts = ground.journal.read().attempts
    living = []
    for (run_id, number), (own, beside) in pids.items():
        has_returned = attempts[UUID(run_id)][int(number)].outcome
        living += [pid for pid in ([beside] if has_returned else [own, beside]) if _is_alive(pid)]
    return living


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _held_by_first_attempt(ids: list[UUID]) -> bool:
    return Run.objects.running().filter(pk__in=ids, attempt=1).exists()


def _last_word(events: Events, run_id: UUID) -> float:
    return events.of_run(run_id)[0].last_seen / 1e9


def _check(events: Events, on: float, ids: list[UUID]) -> Findings:
    """Check all but what an old attempt wrote while its worker was going on again.

    A process that is stopped cannot learn that its lease is over: for those two seconds it lives
    beside the next attempt.
    """
    for run_id in ids:
        first: Any = events.of_run(run_id)[0]
        if on < first.last_seen / 1e9 < on + GONE_WITHIN:
            first.last_seen = first.starts[0]
    return check_runs(events)


def _statuses(model: ProcessModel) -> set[tuple[str, str, int]]:
    return set(model.runs.values_list("status", "reason", "attempt"))
