"""Beats down for minutes or days: exactly the counts that each misfire policy says."""

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from celery import current_app
from django.db import connection
from django.db.models import Count, Sum

from processes.models import ProcessModel, Run
from scheduler.beat import Scheduler
from scheduler.drafts import ScheduleDraft
from scheduler.firing import fire_due_schedules
from scheduler.models import Fire, Schedule
from scheduler.planning import create_schedule
from tests.faults.checker import check_schedule
from tests.faults.conftest import pick
from tests.faults.findings import Findings
from tests.faults.ground import Ground
from tests.faults.results import Result

EACH = pick(short=20, long=100)  # schedules of each policy
CAUGHT_UP = 100
GOES_ON = 3.0  # seconds
POLICIES = list(Schedule.Misfire)


@pytest.fixture
def beat(ground: Ground) -> Iterator[Scheduler]:
    """Return the scheduler of a beat process, without the process."""
    scheduler = Scheduler(app=current_app)
    yield scheduler
    scheduler._finalize.cancel()


@pytest.mark.parametrize("down", [timedelta(minutes=10), timedelta(days=3)], ids=["10min", "3days"])
def test_each_policy_makes_exactly_its_runs(
    ground: Ground, beat: Scheduler, down: timedelta
) -> None:
    model = ground.prepare()
    end = datetime.now(UTC).replace(microsecond=0)
    plans = {policy: make_plans(model, policy, end=end) for policy in POLICIES}
    move_back(end - down)
    seconds = int(down.total_seconds()) + 1  # both ends are fire times

    slowest, ticks = tick_until_settled(beat)

    findings = Findings()
    for plan in [plan for of_policy in plans.values() for plan in of_policy]:
        findings += check_schedule(
            plan, after=int((end - down).timestamp()) - 1, until=int(end.timestamp())
        )
    report(f"11 down {down} ({connection.vendor})", findings, slowest, ticks)
    assert not findings, str(findings)
    runs = {Schedule.Misfire.FIRE_ONCE: 1, Schedule.Misfire.SKIP: 0, "fire_all": CAUGHT_UP}
    for policy in POLICIES:
        assert count_outcomes(plans[policy]) == {
            (runs[policy], runs[policy] or None, seconds - runs[policy], 1)
        }, policy
    assert Run.objects.count() == EACH * (1 + CAUGHT_UP)
    assert Fire.objects.count() == EACH * (2 + 1 + CAUGHT_UP + 1)


def test_after_the_catch_up_every_fire_time_runs(ground: Ground, beat: Scheduler) -> None:
    model = ground.prepare()
    plans = [plan for policy in POLICIES for plan in make_plans(model, policy, count=5)]
    back = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
    move_back(back)

    slowest, ticks = tick_for(beat, GOES_ON)
    until = settle_up_to_now()

    findings = Findings()
    for plan in plans:
        findings += check_schedule(plan, after=int(back.timestamp()) - 1, until=until)
    report(f"11 goes on ({connection.vendor})", findings, slowest, ticks)
    assert not findings, str(findings)
    on_time = Fire.objects.filter(reason="").values("schedule").annotate(ran=Count("run"))
    assert len(on_time) == len(plans)
    assert all(row["ran"] >= GOES_ON - 2 for row in on_time)
    assert not Fire.objects.filter(reason="").exclude(outcome=Fire.Outcome.RAN).exists()


def make_plans(
    model: ProcessModel, policy: str, *, end: datetime | None = None, count: int = EACH
) -> list[Schedule]:
    """Store schedules of every second; with an `end` in the past they are not armed yet."""
    draft = ScheduleDraft(model, "* * * * * ?", "UTC", misfire=policy, end=end)
    return [create_schedule(draft) for _ in range(count)]


def move_back(next_fire_time: datetime) -> None:
    """Have it look as if no beat had looked since."""
    Schedule.objects.update(next_fire_time=next_fire_time, settled_until=None)


def tick_until_settled(beat: Scheduler) -> tuple[float, int]:
    """Tick until nothing is due; return the seconds of the slowest tick, and how many it took."""
    slowest, ticks = 0.0, 0
    while Schedule.objects.due().exists():
        slowest, ticks = max(slowest, time_tick(beat)), ticks + 1
        assert ticks < 1000
    return slowest, ticks


def tick_for(beat: Scheduler, seconds: float) -> tuple[float, int]:
    """Tick for so long, as a beat does; return the slowest tick and how many there were."""
    slowest, ticks, end = 0.0, 0, time.monotonic() + seconds
    while time.monotonic() < end:
        slowest, ticks = max(slowest, time_tick(beat)), ticks + 1
        time.sleep(0.1)
    return slowest, ticks


def time_tick(beat: Scheduler) -> float:
    """Tick once and return how many seconds it took."""
    began = time.monotonic()
    beat.tick()
    return time.monotonic() - began


def settle_up_to_now() -> int:
    """Claim what is due; return up to which second everything is settled."""
    until = math.floor(time.time())
    while Schedule.objects.filter(next_fire_time__lte=datetime.fromtimestamp(until, UTC)).exists():
        fire_due_schedules()
    return until


def count_outcomes(plans: list[Schedule]) -> set[tuple[int, int | None, int, int]]:
    """Return of each plan: runs, fire times that ran, fire times missed, rows of those."""
    found = set()
    for plan in plans:
        missed = plan.fires.filter(outcome=Fire.Outcome.MISSED)
        ran = plan.fires.filter(outcome=Fire.Outcome.RAN)
        found.add(
            (
                Run.objects.filter(schedule_id=plan.pk).count(),
                ran.aggregate(times=Sum("count"))["times"],
                missed.aggregate(times=Sum("count"))["times"],
                missed.count(),
            )
        )
    return found


def report(fault: str, findings: Findings, slowest: float, ticks: int) -> None:
    """Keep a line for the table."""
    rows = Fire.objects.count() / Schedule.objects.count()
    note = (
        f"{Schedule.objects.count()} schedules, {ticks} ticks, {rows:.1f} rows a schedule;"
        " slowest: one tick"
    )
    Result.of(
        fault,
        findings,
        trials=Schedule.objects.count(),
        seed=0,  # nothing is left to chance
        slowest=slowest,
        note=note,
    ).keep()
