"""PostgreSQL restarted, frozen, and without a free connection, under load: all goes on by itself."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, connections

from processes.models import ProcessModel, Run
from scheduler.drafts import ScheduleDraft
from scheduler.models import Schedule
from scheduler.planning import create_schedule
from tests.faults.checker import check_runs, check_schedule
from tests.faults.conftest import SIZE, pick
from tests.faults.ground import Ground
from tests.faults.own_postgresql import OwnPostgresql, own_postgresql
from tests.faults.results import Result
from tests.faults.traffic import Traffic

pytestmark = [
    pytest.mark.skipif(connection.vendor != "postgresql", reason="It is about PostgreSQL."),
    pytest.mark.skipif(SIZE != "long", reason="It takes a minute: FAULTS=long."),
]
BEFORE, AFTER = 4.0, 14.0  # seconds of load
AWAY = 5.0  # seconds
FROZEN = float(os.environ.get("FAULTS_FROZEN", "30"))  # seconds
GOES_ON_WITHIN = 10.0  # seconds after it is back
ANSWERS_WITHIN = 6.0  # seconds, whatever the database does
PLANS = 5
PATIENCE = 90.0

Fault = Callable[[OwnPostgresql], Any]


@contextmanager
def _stopped(server: OwnPostgresql, mode: str) -> Iterator[None]:
    server.stop(mode)
    yield
    server.start()


def restart_fast(server: OwnPostgresql) -> Any:
    """End every connection, be away for some seconds."""
    return _stopped(server, "fast")


def restart_immediate(server: OwnPostgresql) -> Any:
    """Crash, be away for some seconds, recover."""
    return _stopped(server, "immediate")


@contextmanager
def freeze(server: OwnPostgresql) -> Iterator[None]:
    """Stand still: connections are taken by the kernel, and nobody answers."""
    server.signal(signal.SIGSTOP)
    yield
    server.signal(signal.SIGCONT)


@contextmanager
def exhaust(server: OwnPostgresql) -> Iterator[None]:
    """Have all connections cut, and every free one taken by somebody else."""
    held: list[Any] = []

    def hold_all() -> None:
        with suppress(psycopg.OperationalError):
            while True:
                held.append(psycopg.connect(server.url))

    hold_all()
    server.tell(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE pid NOT IN ({','.join(str(one.info.backend_pid) for one in held)})"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    hold_all()
    yield
    for one in held:
        one.close()


@pytest.mark.parametrize(
    ("fault", "away"),
    [(restart_fast, AWAY), (restart_immediate, AWAY), (freeze, FROZEN), (exhaust, 2 * AWAY)],
    ids=["fast", "immediate", "frozen", "exhausted"],
)
def test_everything_goes_on_by_itself(
    _migrated_database: None,
    django_db_blocker: Any,
    tmp_path: Path,
    seed: int,
    fault: Fault,
    away: float,
) -> None:
    with django_db_blocker.unblock(), own_postgresql(tmp_path / "ground") as (server, ground):
        model = ground.prepare()
        traffic = Traffic(ground, seed=seed, clients=8, pause=0.5)
        traffic.start_web()
        ground.start_worker(concurrency=4)
        plans = [_make_plan(model) for _ in range(PLANS)]
        began = int(time.time()) + 1
        processes = [ground.start("beat", "manage.py", "beat"), *_processes(ground)]

        with traffic.going_on():
            time.sleep(BEFORE)
            with fault(server):
                gone = time.monotonic()
                time.sleep(away)
            back = time.monotonic()
            connections.close_all()  # this test's own are broken as well
            time.sleep(AFTER)
        until = int(time.time()) - 2
        ground.wait_until(_is_settled, "the last run", seconds=PATIENCE, pause=0.5)
        same = [process.is_running() for process in processes]
        ground.stop("beat", seconds=60)
        ground.stop("worker", seconds=60)

        events = ground.journal.read()
        findings = check_runs(events)
        for plan in plans:
            findings += check_schedule(plan, after=began + 1, until=until)
        starts = sorted(a.starts[0] / 1e9 for n in events.attempts.values() for a in n.values())
        first_start = next(start for start in starts if start > back) - back
        settled = traffic.settled_after(back)
        worst_gap = _longest_gap(starts, since=back + GOES_ON_WITHIN, until=back + AFTER)
        reasons = Counter(Run.objects.values_list("status", "reason"))
        note = (
            f"away {back - gone:.1f} s; answers {traffic.count()}, p95 before"
            f" {traffic.p95(since=0, until=gone) * 1000:.0f} ms, slowest {traffic.slowest():.1f} s;"
            f" last refusal {settled:.1f} s, first start {first_start:.1f} s after it was back;"
            f" {dict(reasons)}; slowest: until no call was refused"
        )
        Result.of(
            f"9 database {fault.__name__}",
            findings,
            trials=len(events.acknowledged),
            seed=seed,
            slowest=settled,
            note=note,
        ).keep()
        assert not findings, str(findings)
        assert not traffic.problems(), traffic.problems()[:10]
        assert traffic.count().get(503), "the fault was not felt"
        assert all(same)
        assert traffic.slowest() < ANSWERS_WITHIN
        assert settled < GOES_ON_WITHIN
        assert first_start < GOES_ON_WITHIN
        assert worst_gap < 2.0


def _processes(ground: Ground) -> list[Any]:
    import psutil

    return [psutil.Process(ground._processes[name].pid) for name in ("web", "worker")]


def _make_plan(model: ProcessModel) -> Schedule:
    draft = ScheduleDraft(model, "* * * * * ?", "UTC", values={"seconds": 0.1}, misfire="fire_once")
    return create_schedule(draft)


def _is_settled() -> bool:
    if Schedule.objects.armed().exists():
        Schedule.objects.update(next_fire_time=None)
    return not Run.objects.unfinished().exists()


def _longest_gap(moments: list[float], *, since: float, until: float) -> float:
    within = [since, *(moment for moment in moments if since < moment < until), until]
    return max(later - earlier for earlier, later in zip(within, within[1:], strict=False))


_ = pick
