"""The ledger stays small: long stretches without a run are one row, old rows go."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import Sum
from django.db.models.functions import Now

from scheduler import ledger
from scheduler.ledger import fold_stretches, purge_fires
from scheduler.models import Fire, Schedule
from tests.factories import RunFactory, make_schedule

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def record(schedule: Schedule, outcomes: list[str], *, start: int = 0, reason: str = "") -> None:
    """Record one fire time a second with these outcomes."""
    for second, outcome in enumerate(outcomes, start):
        Fire.objects.create(
            schedule=schedule,
            fire_time=MONDAY + timedelta(seconds=second),
            outcome=outcome,
            reason=reason,
            run=RunFactory.create() if outcome == "ran" else None,
        )


def rows(schedule: Schedule) -> list[tuple[int, str, int]]:
    """Return second, outcome and count of each row, oldest first."""
    return [
        (int((fire.fire_time - MONDAY).total_seconds()), fire.outcome, fire.count)
        for fire in schedule.fires.order_by("fire_time")
    ]


def test_over_a_hundred_skips_in_a_row_become_one() -> None:
    schedule = make_schedule()
    record(schedule, ["ran", *["skipped_overlap"] * 101, "ran"])

    assert fold_stretches() == 100

    assert rows(schedule) == [(0, "ran", 1), (1, "skipped_overlap", 101), (102, "ran", 1)]
    stretch = schedule.fires.get(count=101)
    assert stretch.last_fire_time == MONDAY + timedelta(seconds=101)


def test_a_hundred_keep_a_row_each() -> None:
    schedule = make_schedule()
    record(schedule, ["skipped_overlap"] * 100)

    assert fold_stretches() == 0
    assert schedule.fires.count() == 100


def test_a_run_or_another_reason_ends_a_stretch() -> None:
    schedule = make_schedule()
    record(schedule, ["missed"] * 60)
    record(schedule, ["ran"], start=60)
    record(schedule, ["missed"] * 60, start=61)
    record(schedule, ["missed"] * 60, start=121, reason="another")

    assert fold_stretches() == 0


def test_stretch_grows_with_what_follows_it() -> None:
    schedule = make_schedule()
    record(schedule, ["skipped_paused"] * 150)
    fold_stretches()
    record(schedule, ["skipped_paused"] * 3, start=150)

    fold_stretches()

    assert rows(schedule) == [(0, "skipped_paused", 153)]


def test_schedules_are_folded_each_on_its_own() -> None:
    first, second = make_schedule(), make_schedule()
    for schedule in (first, second):
        record(schedule, ["missed"] * 60)

    assert fold_stretches() == 0


def test_folding_loses_no_fire_time() -> None:
    schedule = make_schedule()
    record(schedule, (["ran"] + ["missed"] * 130 + ["skipped_paused"] * 120) * 2)

    fold_stretches()

    assert schedule.fires.aggregate(all=Sum("count"))["all"] == 502
    assert schedule.fires.count() == 6


def test_what_was_recorded_long_ago_is_not_looked_at() -> None:
    schedule = make_schedule()
    record(schedule, ["missed"] * 150)
    Fire.objects.update(recorded_at=Now() - timedelta(hours=1))

    assert fold_stretches() == 0


def test_old_rows_go_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "PURGED_AT_ONCE", 4)
    schedule = make_schedule()
    record(schedule, ["missed"] * 10)
    Fire.objects.update(recorded_at=Now() - timedelta(days=91))
    record(schedule, ["missed"], start=10)

    assert purge_fires(timedelta(days=90)) == 10
    assert rows(schedule) == [(10, "missed", 1)]
