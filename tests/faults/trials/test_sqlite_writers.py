"""Eight processes write to SQLite beside web, beat and worker: none is ever refused."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, connections

from processes.models import ProcessModel, Run
from scheduler.drafts import ScheduleDraft
from scheduler.models import Schedule
from scheduler.planning import create_schedule
from tests.faults.checker import check_runs, check_schedule
from tests.faults.conftest import SIZE
from tests.faults.ground import PROJECT, Ground
from tests.faults.results import Result
from tests.faults.traffic import Traffic

pytestmark = [
    pytest.mark.skipif(connection.vendor != "sqlite", reason="It is about SQLite."),
    pytest.mark.skipif(SIZE != "long", reason="It takes minutes: FAULTS=long."),
]
WRITERS = 8
TRANSACTIONS = 10_000
PATIENCE = 400.0
LOCKED = "database is locked"


def test_no_writer_is_refused(ground: Ground, seed: int) -> None:
    model = ground.prepare()
    traffic = Traffic(ground, seed=seed, clients=2, pause=0.3)
    traffic.start_web()
    ground.start_worker(concurrency=2)
    ground.start("beat", "manage.py", "beat", ready="Waking up")
    plan = _make_plan(model)
    began = int(time.time()) + 2

    with _writing(ground) as writers, traffic.going_on():
        since = time.monotonic()
        said = [json.loads(writer.communicate(timeout=PATIENCE)[0]) for writer in writers]
        lasted = time.monotonic() - since
    until = int(time.time()) - 3
    ground.wait_until(_is_settled, "the last run", seconds=60, pause=0.5)

    taken = sorted(seconds for one in said for seconds in one["taken"])
    errors = [error for one in said for error in one["errors"]]
    output = "".join(ground.read_output(name) for name in ("web", "worker", "beat"))
    findings = check_runs(ground.journal.read())
    findings += check_schedule(plan, after=began, until=until)
    p99 = statistics.quantiles(taken, n=100)[-1]
    note = (
        f"{len(taken)} transactions of {WRITERS} writers in {lasted:.0f} s: {len(errors)} failed,"
        f" p50 {statistics.median(taken) * 1000:.0f} ms, p99 {p99:.2f} s, slowest {taken[-1]:.2f} s;"
        f" starts meanwhile {traffic.count()}, slowest {traffic.slowest():.2f} s;"
        f" {output.count(LOCKED)} x locked in web, worker and beat; slowest: a transaction"
    )
    Result.of(
        "15 SQLite writers",
        findings,
        trials=len(taken),
        seed=seed,
        slowest=taken[-1],
        note=note,
    ).keep()
    assert not findings, str(findings)
    assert errors == []
    assert LOCKED not in output
    assert len(taken) >= TRANSACTIONS
    assert set(traffic.count()) == {200}


@contextmanager
def _writing(ground: Ground) -> Iterator[list["subprocess.Popen[str]"]]:
    """Start the writers; they begin when they are told, all at once."""
    connections.close_all()
    command = [sys.executable, "-m", "tests.faults.sqlite_writer", str(TRANSACTIONS // WRITERS)]
    writers = [
        subprocess.Popen(  # noqa: S603 - our own program
            command,
            cwd=PROJECT,
            env=ground.environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(WRITERS)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        yield writers
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()


def _make_plan(model: ProcessModel) -> Schedule:
    return create_schedule(ScheduleDraft(model, "* * * * * ?", "UTC", values={"seconds": 0.0}))


def _is_settled() -> bool:
    if Schedule.objects.armed().exists():
        Schedule.objects.update(next_fire_time=None)
    return not Run.objects.ready().exists() and not Run.objects.running().exists()
