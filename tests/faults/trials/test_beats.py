"""Several beats, killed between COMMIT and publish, stopped and continued: each fire time once."""

import math
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F, Max, QuerySet
from django.db.models.expressions import CombinedExpression

from processes.models import ProcessModel, Run
from scheduler.drafts import ScheduleDraft
from scheduler.models import Fire, Schedule
from scheduler.planning import create_schedule
from tests.faults.checker import check_runs, check_schedule
from tests.faults.conftest import pick
from tests.faults.ground import Ground
from tests.faults.mortal_beat import UNLUCKY_PLAN
from tests.faults.results import Result

POSTGRESQL = connection.vendor == "postgresql"
BEATS = 3 if POSTGRESQL else 2
SCHEDULES = pick(short=20, long=100 if POSTGRESQL else 40)
SECONDS = pick(short=5, long=30 if POSTGRESQL else 25)
LEAD = 3.0  # seconds, so that every process is up before the first fire time
PATIENCE = 240.0
ALONE = 3  # seconds after the others
# On SQLite a beat that is stopped in a claim keeps every other writer waiting.
CHANCES = [
    *("--kill-before-ring", "0.1", "--kill-every", "4", "--end-every", "4"),
    *("--stop-in-claim", "0.05" if POSTGRESQL else "0.03"),
    *("--longest-stop", "6.5" if POSTGRESQL else "5.5"),
]


def test_every_fire_time_runs_once_whatever_happens_to_the_beats(ground: Ground, seed: int) -> None:
    model = ground.prepare()
    ground.start_worker(concurrency=3)
    begin = math.ceil(time.time() + LEAD)
    last = begin + SECONDS - 1
    plans = [_make_plan(model, begin, last) for _ in range(SCHEDULES)]
    # Its run comes alone, so that no later bell makes up for the one that is not rung.
    plans.append(_make_plan(model, last + ALONE, last + ALONE, plan=UNLUCKY_PLAN))
    notes = ground.folder / "notes"
    ground.start(
        "beats",
        *("-m", "tests.faults.mortal_beat", "--beats", str(BEATS), "--clocks-apart", "10"),
        *("--seed", str(seed), "--notes", str(notes), *CHANCES),
        ready="beats are ready.",
    )

    ground.wait_until(_is_quiet, "the last run", seconds=SECONDS + PATIENCE, pause=0.5)
    ground.stop("beats", seconds=60)
    ground.stop("worker")

    happened = Counter(line.split()[0] for line in notes.read_text().splitlines())
    ids = set(Run.objects.values_list("pk", flat=True))
    findings = check_runs(ground.journal.read(), ids)
    for plan in plans:
        findings += check_schedule(plan, after=begin - 1, until=last + ALONE)
    late = _greatest(Run.objects.all(), F("started_at") - F("ready_at"))
    claimed = _greatest(Fire.objects.all(), F("recorded_at") - F("fire_time"))
    note = (
        f"{BEATS} beats, {_count_claims()} claims; {dict(happened)};"
        f" claimed at most {claimed.total_seconds():.1f} s late; slowest: fire time to start"
    )
    Result.of(
        f"10 beats ({ground.pair})",
        findings,
        trials=SCHEDULES * SECONDS + 1,
        seed=seed,
        slowest=late.total_seconds(),
        note=note,
    ).keep()
    assert not findings, str(findings)
    assert len(ids) == SCHEDULES * SECONDS + 1
    assert set(Run.objects.values_list("status", flat=True)) == {Run.Status.SUCCEEDED}
    assert happened["killed_before_ring"] > 0
    assert happened["stopped"] > 0
    assert happened["ended_by_itself"] == happened["did_not_end"] == 0


def _make_plan(model: ProcessModel, first: int, last: int, plan: int = 0) -> Schedule:
    draft = ScheduleDraft(
        model,
        "* * * * * ?",
        "UTC",
        values={"plan": plan},
        start=datetime.fromtimestamp(first, UTC),
        end=datetime.fromtimestamp(last + 0.5, UTC),
    )
    return create_schedule(draft)


def _is_quiet() -> bool:
    return not Schedule.objects.armed().exists() and not Run.objects.unfinished().exists()


def _greatest(rows: QuerySet[Any], duration: CombinedExpression) -> timedelta:
    greatest: timedelta | None = rows.aggregate(greatest=Max(duration))["greatest"]
    return greatest or timedelta()


def _count_claims() -> int:
    return Fire.objects.values("recorded_at").distinct().order_by().count()
