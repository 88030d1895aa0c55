"""A plan names its fire times between a start and an end, both included."""

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.fire_times import FireTimes, to_datetime
from scheduler.forecast import forecast
from scheduler.quartz import QuartzError

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
AT = int(NOON.timestamp())


def minutely(start: datetime | None = None, end: datetime | None = None) -> FireTimes:
    return FireTimes.of("0 * * * * ?", "UTC", start, end)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (NOON, AT),
        (NOON + timedelta(milliseconds=1), AT + 60),
        (NOON - timedelta(milliseconds=1), AT),
        (None, AT - 3540),
    ],
)
def test_start_is_included(start: datetime | None, expected: int) -> None:
    assert minutely(start).next_after(AT - 3600) == expected


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (NOON, AT),
        (NOON - timedelta(milliseconds=1), None),
        (NOON + timedelta(seconds=1), AT),
        (None, AT),
    ],
)
def test_end_is_included(end: datetime | None, expected: int | None) -> None:
    assert minutely(end=end).next_after(AT - 1) == expected


def test_some_are_taken_until_a_moment_that_is_included() -> None:
    plan = minutely(NOON, NOON + timedelta(minutes=5))

    assert plan.take(2, after=0) == [AT, AT + 60]
    assert plan.take(100, after=AT, until=AT + 120) == [AT + 60, AT + 120]
    assert plan.take(100, after=AT + 200) == [AT + 240, AT + 300]
    assert plan.take(0, after=0) == []


def test_counting_stays_between_start_and_end() -> None:
    plan = minutely(NOON, NOON + timedelta(minutes=5))

    assert plan.count_between(0, 2**40) == 6
    assert plan.count_between(AT, AT + 60) == 1
    assert plan.count_between(AT + 300, 2**40) == 0
    assert plan.last_between(0, 2**40) == AT + 300
    assert plan.last_between(AT + 300, 2**40) is None


def test_wrong_expression_or_zone_is_told() -> None:
    with pytest.raises(QuartzError, match="hour"):
        FireTimes.of("0 0 25 * * ?", "UTC")
    with pytest.raises(QuartzError, match="Mars"):
        FireTimes.of("0 0 12 * * ?", "Mars/Olympus")


def test_forecast_shows_both_clocks_and_marks_a_change_between_two_fires() -> None:
    plan = FireTimes.of("0 30 2 * * ?", "Europe/Berlin")

    shown = forecast(plan, after=datetime(2026, 3, 27, 12, tzinfo=UTC), count=3)

    assert [each.local.isoformat() for each in shown] == [
        "2026-03-28T02:30:00+01:00",
        "2026-03-30T02:30:00+02:00",  # on the 29th the clocks skip it
        "2026-03-31T02:30:00+02:00",
    ]
    assert [each.after_clock_change for each in shown] == [False, True, False]
    assert shown[0].utc == datetime(2026, 3, 28, 1, 30, tzinfo=UTC)


def test_forecast_of_a_plan_that_never_fires_is_empty() -> None:
    assert forecast(FireTimes.of("0 0 0 30 2 ?", "UTC"), after=NOON) == []
    assert to_datetime(AT) == NOON
