"""Workers killed in the middle of runs: by anybody, for want of memory, by the runs themselves."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import psutil
from django.db import connection
from django.utils import timezone

from processes import registry
from processes.models import ProcessModel, Run, RunAttempt
from processes.queueing import queue_run
from processes.synchronization import sync_processes
from tests.faults import deadly, journaled
from tests.faults.checker import check_runs
from tests.faults.conftest import pick
from tests.faults.findings import Findings
from tests.faults.ground import Ground
from tests.faults.journal import Events
from tests.faults.results import Result

POSTGRESQL = connection.vendor == "postgresql"
RUNS = pick(short=60, long=1000)
HUNGRY = pick(short=2, long=20)  # runs that take too much memory in their first attempt
SLOTS = 4
KILL_EVERY = 1.2  # seconds, on average
PARENTS = pick(short=1, long=12)  # kills
CHILDREN = pick(short=3, long=40)
RETRIES = 12
DELAY = timedelta(seconds=0)
OUT_OF_RUNNING = 45.0  # seconds
SETTLED_WITHIN = pick(short=120.0, long=900.0)
POISON = {"child": pick(short=2, long=10), "parent": pick(short=0, long=3)}
POISON_RETRIES = 2
OTHERS = pick(short=20, long=400)
MEMORY = 200 * deadly.MEBIBYTE


@dataclass
class Killer:
    """Kills a worker and its pool children, and starts the worker again as systemd would."""

    ground: Ground
    chance: random.Random
    parents: dict[int, datetime] = field(default_factory=dict)
    children: int = 0

    def keep_worker(self) -> None:
        """Start the worker if it is not there."""
        if self.ground.has_ended("worker"):
            self.worker = self.ground.start_worker(concurrency=SLOTS)

    def kill_parent(self) -> None:
        """Kill the worker's parent process while its pool children are busy."""
        self.parents[self.worker.pid] = timezone.now()
        self.ground.kill("worker")

    def kill_child(self) -> None:
        """Kill one of the pool children."""
        children = self.worker.children()
        if children:
            with suppress(psutil.NoSuchProcess):
                self.chance.choice(children).send_signal(signal.SIGKILL)
                self.children += 1


def test_runs_outlive_kills_of_their_workers(ground: Ground, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    model, poison = _prepare(ground)
    killer = Killer(ground, chance)
    with limited_memory() as group:
        ground.environment |= {deadly.GROUP_VARIABLE: str(group)} if group else {}
        killer.worker = ground.start_worker(concurrency=SLOTS)
        ground.start_beat()
        for _ in range(RUNS):
            _queue(model, seconds=round(chance.uniform(0.05, 0.6), 2))
        for _ in range(HUNGRY):
            _queue(poison, victim="memory", times=1)

        victims = ["parent"] * PARENTS + ["child"] * CHILDREN
        chance.shuffle(victims)
        deadline = time.monotonic() + SETTLED_WITHIN
        while not _is_quiet():
            assert time.monotonic() < deadline, Counter(Run.objects.values_list("status"))
            time.sleep(chance.expovariate(1 / KILL_EVERY) if victims else 0.2)
            if victims and Run.objects.running().exists():
                killer.kill_parent() if victims.pop() == "parent" else killer.kill_child()
            killer.keep_worker()

    findings, slowest = _check(ground, killer)
    lost = RunAttempt.objects.filter(outcome=RunAttempt.Outcome.LOST)
    note = (
        f"{len(killer.parents)} parents killed, {killer.children} pool children, {HUNGRY} runs"
        f" {'killed by the kernel' if group else 'that killed themselves'} for want of memory;"
        f" {lost.count()} attempts lost, {lost.filter(signal='SIGKILL').count()} name SIGKILL;"
        " slowest: out of RUNNING"
    )
    Result.of(
        f"2 worker killed ({ground.pair})",
        findings,
        trials=RUNS + HUNGRY,
        seed=seed,
        slowest=slowest,
        note=note,
    ).keep()
    assert not findings, str(findings)
    assert set(Run.objects.values_list("status", flat=True)) == {Run.Status.SUCCEEDED}
    assert slowest <= OUT_OF_RUNNING
    assert not victims
    assert lost.filter(signal="SIGKILL").count() >= HUNGRY


def test_a_process_that_kills_its_worker_every_time_fails_and_the_others_flow(
    ground: Ground, seed: int
) -> None:
    model, poison = _prepare(ground)
    killer = Killer(ground, random.Random(seed))  # noqa: S311
    killer.worker = ground.start_worker(concurrency=SLOTS)
    ground.start_beat()
    deaths: list[datetime] = []
    poisons = [
        _queue(poison, retries=POISON_RETRIES, victim=victim)
        for victim, count in POISON.items()
        for _ in range(count)
    ]

    others = 0
    deadline = time.monotonic() + SETTLED_WITHIN
    while not _is_quiet() or others < OTHERS:
        assert time.monotonic() < deadline, Counter(Run.objects.values_list("status"))
        if others < OTHERS:
            _queue(model, seconds=0.05)
            others += 1
        time.sleep(0.1)
        if ground.has_ended("worker"):
            killer.parents[killer.worker.pid] = timezone.now()
            deaths.append(timezone.now())
        killer.keep_worker()

    findings, slowest = _check(ground, killer)
    rows = Run.objects.in_bulk(poisons)
    note = (
        f"{POISON} that killed their worker in each of {POISON_RETRIES + 1} attempts,"
        f" {len(deaths)} workers died; {OTHERS} others; slowest: out of RUNNING"
    )
    Result.of(
        f"5 poison ({ground.pair})",
        findings,
        trials=len(poisons) + OTHERS,
        seed=seed,
        slowest=slowest,
        note=note,
    ).keep()
    assert not findings, str(findings)
    assert {(run.status, run.attempt) for run in rows.values()} == {
        (Run.Status.FAILED, POISON_RETRIES + 1)
    }
    assert {run.reason for run in rows.values()} == {Run.Reason.WORKER_LOST}
    others_statuses = Run.objects.exclude(pk__in=poisons).values_list("status", flat=True)
    assert set(others_statuses) == {Run.Status.SUCCEEDED}
    assert slowest <= OUT_OF_RUNNING


def _prepare(ground: Ground) -> tuple[ProcessModel, ProcessModel]:
    ground.environment["PROCESS_MODULES"] = f"{journaled.__name__},{deadly.__name__}"
    ground.prepare()
    registry.load([deadly.__name__])
    sync_processes()
    ProcessModel.objects.update(on_worker_lost=ProcessModel.OnWorkerLost.RETRY)
    return (
        ProcessModel.objects.get(name=journaled.NAME),
        ProcessModel.objects.get(name=deadly.NAME),
    )


def _queue(model: ProcessModel, *, retries: int = RETRIES, **values: object) -> UUID:
    return queue_run(model, values, retry_count=retries, retry_delay=DELAY).pk


def _is_quiet() -> bool:
    return not Run.objects.unfinished().exists()


def _check(ground: Ground, killer: Killer) -> tuple[Findings, float]:
    """Return what is wrong, and the longest time from a death to the end of RUNNING."""
    events = ground.journal.read()
    findings = check_runs(events, set(Run.objects.values_list("pk", flat=True)))
    slowest = 0.0
    for attempt in RunAttempt.objects.filter(outcome=RunAttempt.Outcome.LOST):
        assert attempt.started_at
        assert attempt.finished_at
        died_at = killer.parents.get(int(attempt.node_name.rpartition(":")[2]))
        if attempt.signal == "SIGKILL":
            told = "was killed by SIGKILL" in attempt.error
            died_at = max(attempt.started_at, _last_sign(events, attempt))
        else:
            told = died_at is not None and "The worker was lost: node " in attempt.error
        if not told or died_at is None:
            findings.lies.append(f"run {attempt.run_id}, {attempt.number}: {attempt.error}")
            continue
        slowest = max(slowest, (attempt.finished_at - died_at).total_seconds())
    return findings, slowest


def _last_sign(events: Events, attempt: RunAttempt) -> datetime:
    """Return when the process of the attempt was last seen alive, by the wall clock."""
    found = {seen.number: seen for seen in events.of_run(attempt.run_id)}.get(attempt.number)
    ago = time.monotonic_ns() - found.last_seen if found else 0
    seen_at = timezone.now() - timedelta(microseconds=ago / 1000)
    return seen_at if found else attempt.started_at or seen_at


@contextmanager
def limited_memory() -> Iterator[Path | None]:
    """Yield a control group with little memory; None where this machine lets nobody make one."""
    for parent, limit in (("memory", "memory.limit_in_bytes"), (".", "memory.max")):
        group = Path("/sys/fs/cgroup", parent, f"arabica_faults_{os.getpid()}")
        if not (group.parent / "cgroup.procs").exists():
            continue
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(str(MEMORY))
            yield group
        except FileNotFoundError:  # memory is not limited by this hierarchy
            continue
        else:
            return
        finally:
            group.rmdir()
    yield None
