"""What becomes of due fire times, policy by policy, without a database."""

from datetime import UTC, datetime
from typing import Any

import pytest

from scheduler.due import Due, Row, decide
from scheduler.fire_times import FireTimes

NOON = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp())
DAY = 24 * 3600
EVERY_SECOND = FireTimes.of("* * * * * ?", "UTC")
EVERY_MINUTE = FireTimes.of("0 * * * * ?", "UTC")


def due(fire_times: FireTimes = EVERY_MINUTE, *, since: int, **options: Any) -> Due:
    """Return a schedule whose oldest fire time that is not settled lies `since` seconds back."""
    return Due(fire_times, after=NOON - since - 1, now=NOON, **options)


def outcomes(due: Due) -> list[tuple[int, str, int]]:
    """Return seconds before noon, outcome and count of each row."""
    return [(NOON - row.first, row.outcome, row.count) for row in decide(due).rows]


def test_fire_time_that_has_come_runs_and_the_next_is_waited_for() -> None:
    decision = decide(due(since=0))

    assert decision.rows == [Row(NOON, "ran")]
    assert decision.next_fire_time == NOON + 60
    assert not decision.is_finished


def test_nothing_is_due_before_its_time() -> None:
    decision = decide(Due(EVERY_MINUTE, after=NOON, now=NOON + 59))

    assert decision.rows == []
    assert decision.next_fire_time == NOON + 60


def test_a_minute_late_is_on_time() -> None:
    assert outcomes(due(since=60)) == [(60, "ran", 1), (0, "ran", 1)]
    assert len(outcomes(due(EVERY_SECOND, since=60))) == 61


@pytest.mark.parametrize(
    ("misfire", "expected"),
    [
        ("fire_once", [(120, "missed", 1), (60, "missed", 1), (0, "ran", 1)]),
        ("skip", [(120, "missed", 1), (60, "missed", 1), (0, "missed", 1)]),
        ("fire_all", [(120, "ran", 1), (60, "ran", 1), (0, "ran", 1)]),
    ],
)
def test_over_a_minute_late_the_misfire_policy_decides(
    misfire: str, expected: list[tuple[int, str, int]]
) -> None:
    assert outcomes(due(since=120, misfire=misfire)) == expected
    assert decide(due(since=120, misfire=misfire)).next_fire_time == NOON + 60


@pytest.mark.parametrize(
    ("misfire", "expected"),
    [
        ("fire_once", [(3 * DAY, "missed", 3 * DAY), (0, "ran", 1)]),
        ("skip", [(3 * DAY, "missed", 3 * DAY + 1)]),
        (
            "fire_all",
            [(3 * DAY - second, "ran", 1) for second in range(100)]
            + [(3 * DAY - 100, "missed", 3 * DAY - 99)],
        ),
    ],
)
def test_three_days_of_every_second_are_settled_in_few_rows(
    misfire: str, expected: list[tuple[int, str, int]]
) -> None:
    assert outcomes(due(EVERY_SECOND, since=3 * DAY, misfire=misfire)) == expected


def test_a_stretch_has_both_its_ends() -> None:
    (stretch,) = decide(due(EVERY_SECOND, since=101, misfire="skip")).rows

    assert (stretch.first, stretch.last, stretch.count) == (NOON - 101, NOON, 102)


def test_up_to_a_hundred_missed_fire_times_have_a_row_each() -> None:
    rows = decide(due(EVERY_SECOND, since=100, misfire="fire_once")).rows

    assert [row.count for row in rows] == [1] * 101
    assert [row.outcome for row in rows] == ["missed"] * 100 + ["ran"]


def test_missed_fire_times_say_how_late_they_were_found() -> None:
    row = decide(due(since=600, misfire="skip")).rows[0]

    assert row.reason == "Found 600 seconds late: no beat claimed it in time."


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"since": 0}, [(0, "ran", 1)]),
        ({"since": 60}, [(60, "ran", 1)]),
        ({"since": 120}, [(120, "missed", 1), (60, "missed", 1), (0, "ran", 1)]),
        ({"since": 120, "misfire": "fire_all"}, [(120, "ran", 1)]),
    ],
)
def test_run_once_is_over_with_its_first_run(
    options: dict[str, Any], expected: list[tuple[int, str, int]]
) -> None:
    decision = decide(due(run_once=True, **options))

    assert outcomes(due(run_once=True, **options)) == expected
    assert decision.is_finished
    assert decision.next_fire_time is None


@pytest.mark.parametrize(
    "options",
    [
        {"since": 120, "misfire": "skip"},
        {"since": 0, "is_paused": True},
        {"since": 0, "overlap": "skip", "unfinished": 1},
        {"since": 0, "runnable": False},
    ],
)
def test_run_once_ends_only_with_a_run(options: dict[str, Any]) -> None:
    decision = decide(due(run_once=True, **options))

    assert not decision.is_finished
    assert decision.next_fire_time == NOON + 60


@pytest.mark.parametrize(
    ("overlap", "unfinished", "expected"),
    [
        ("allow", 5, ["ran", "ran", "ran"]),
        ("skip", 0, ["ran", "skipped_overlap", "skipped_overlap"]),
        ("skip", 1, ["skipped_overlap"] * 3),
        ("queue", 0, ["ran", "ran", "skipped_overlap"]),
        ("queue", 1, ["ran", "skipped_overlap", "skipped_overlap"]),
        ("queue", 2, ["skipped_overlap"] * 3),
    ],
)
def test_overlap_policy_counts_what_goes_on_and_what_it_just_made(
    overlap: str, unfinished: int, expected: list[str]
) -> None:
    rows = decide(due(EVERY_SECOND, since=2, overlap=overlap, unfinished=unfinished)).rows

    assert [row.outcome for row in rows] == expected


def test_overlap_holds_for_a_misfire_too() -> None:
    rows = decide(due(since=120, overlap="skip", unfinished=1)).rows

    assert [row.outcome for row in rows] == ["missed", "missed", "skipped_overlap"]


def test_paused_schedule_records_what_it_skips_and_stays_armed() -> None:
    decision = decide(due(since=0, is_paused=True, pause_reason="Year-end closing"))

    assert decision.rows == [Row(NOON, "skipped_paused", "Year-end closing")]
    assert decision.next_fire_time == NOON + 60


def test_pause_that_has_an_end_skips_only_what_lies_before_it() -> None:
    rows = outcomes(due(EVERY_SECOND, since=4, is_paused=True, paused_until=NOON - 1))

    assert rows == [
        (4, "skipped_paused", 1),
        (3, "skipped_paused", 1),
        (2, "skipped_paused", 1),
        (1, "ran", 1),
        (0, "ran", 1),
    ]


def test_misfire_is_judged_by_what_the_pause_left() -> None:
    rows = outcomes(due(since=600, is_paused=True, paused_until=NOON))

    assert [outcome for _, outcome, _ in rows] == ["skipped_paused"] * 10 + ["ran"]


def test_fire_times_up_to_the_one_named_are_skipped_on_request() -> None:
    asked = due(EVERY_SECOND, since=2, skip_until=NOON - 1, skip_reason="Asked for by ada.")

    assert decide(asked).rows == [
        Row(NOON - 2, "skipped_asked", "Asked for by ada."),
        Row(NOON - 1, "skipped_asked", "Asked for by ada."),
        Row(NOON, "ran"),
    ]


def test_disabled_process_model_makes_no_run() -> None:
    assert outcomes(due(since=0, runnable=False)) == [(0, "skipped_disabled", 1)]


def test_disabled_schedule_records_what_had_come_and_is_not_armed() -> None:
    decision = decide(due(since=0, is_enabled=False))

    assert [row.outcome for row in decision.rows] == ["missed"]
    assert decision.next_fire_time is None


def test_nothing_fires_after_the_end_which_is_included() -> None:
    until_noon = FireTimes(EVERY_MINUTE.expression, end=NOON)
    decision = decide(due(until_noon, since=60))

    assert [row.first for row in decision.rows] == [NOON - 60, NOON]
    assert decision.next_fire_time is None
    assert not decision.is_finished


def test_clock_that_was_put_back_fires_nothing_again() -> None:
    decision = decide(Due(EVERY_MINUTE, after=NOON + 3600, now=NOON))

    assert decision.rows == []
    assert decision.next_fire_time == NOON + 3660
