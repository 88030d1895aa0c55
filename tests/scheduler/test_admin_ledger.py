"""The ledger of a schedule: why did it not run on Friday at 06:06?"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from scheduler import switching
from scheduler.admin.ledger import Wanted, find_rows
from scheduler.admin.wording import zone_of
from scheduler.clock import database_now
from scheduler.models import Fire, Schedule
from tests.factories import ProcessModelFactory, RunFactory
from tests.plans import explain
from tests.scheduler.admin_pages import (
    DAILY,
    browser_of,
    make_schedule,
    page_of,
    record,
    superuser,
)

pytestmark = pytest.mark.django_db
Outcome = Fire.Outcome


def read(schedule: Schedule, **query: str) -> Any:
    return superuser().get(page_of(schedule, "ledger"), query)


def test_row_tells_outcome_reason_lateness_and_run() -> None:
    schedule = make_schedule(time_zone="Europe/Istanbul")
    moment = datetime(2026, 11, 20, 3, 6, tzinfo=UTC)
    run = RunFactory.create(failed=True)
    record(
        schedule,
        timedelta(),
        fire_time=moment,
        run=run,
        reason="Found 310 seconds late: no beat claimed it in time.",
        recorded_at=moment + timedelta(seconds=310),
    )

    page = read(schedule, day="2026-11-20").content.decode()

    assert "Fri 2026-11-20 06:06:00 +03" in page
    assert "\nran\n" in page
    assert "5 min 10 s" in page
    assert "Found 310 seconds late" in page
    assert f'href="/admin/processes/run/{run.pk}/change/"' in page


def test_newest_comes_first_and_what_is_older_than_thirty_days_is_left_out() -> None:
    schedule = make_schedule()
    for days in (29, 1, 31, 2):
        record(schedule, timedelta(days=days), reason=f"{days} days ago")

    rows = read(schedule).context["rows"]

    assert [row.reason for row in rows] == ["1 days ago", "2 days ago", "29 days ago"]


def test_stretch_is_one_row_with_its_ends_and_its_count() -> None:
    schedule = make_schedule()
    last = database_now() - timedelta(days=29)
    record(
        schedule,
        timedelta(days=40),
        last_fire_time=last,
        count=1500,
        outcome=Outcome.MISSED,
        recorded_at=last,
    )

    answer = read(schedule)

    (row,) = answer.context["rows"]
    assert (row.is_stretch, row.count, row.lateness) == (True, 1500, "")
    assert "(1500 fire times)" in answer.content.decode()


def test_stretch_belongs_to_every_day_it_touches() -> None:
    schedule = make_schedule(time_zone="UTC")
    first, last = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 5, tzinfo=UTC)
    record(schedule, timedelta(), fire_time=first, last_fire_time=last, count=9, outcome="missed")

    found = {
        day: len(read_day(schedule, day)) for day in ("10-31", "11-01", "11-03", "11-05", "11-06")
    }

    assert found == {"10-31": 0, "11-01": 1, "11-03": 1, "11-05": 1, "11-06": 0}


def read_day(schedule: Schedule, day: str) -> list[Fire]:
    wanted = Wanted.of({"day": f"2026-{day}"})
    return list(find_rows(schedule, wanted, zone_of(schedule), database_now()))


def test_day_is_that_of_the_schedules_zone() -> None:
    schedule = make_schedule(time_zone="Europe/Istanbul")
    record(schedule, timedelta(), fire_time=datetime(2026, 11, 19, 22, 0, tzinfo=UTC))

    assert len(read_day(schedule, "11-20")) == 1
    assert not read_day(schedule, "11-19")


def test_ledger_is_narrowed_to_an_outcome() -> None:
    schedule = make_schedule()
    record(schedule, timedelta(days=1), outcome=Outcome.RAN)
    record(schedule, timedelta(days=2), outcome=Outcome.MISSED, reason="No beat.")

    rows = read(schedule, outcome="missed").context["rows"]

    assert [row.reason for row in rows] == ["No beat."]


def test_pages_follow_without_a_count_and_keep_the_filter() -> None:
    schedule = make_schedule()
    for hours in range(1, 121):
        record(schedule, timedelta(hours=hours), outcome=Outcome.MISSED)
    client = superuser()
    address = page_of(schedule, "ledger")

    seen: list[str] = []
    query = "?outcome=missed"
    while query:
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(address + query)
        seen += [row.first for row in answer.context["rows"]]
        query = answer.context["older"]
        assert not [each for each in queries if "COUNT(" in each["sql"]]

    assert len(seen) == len(set(seen)) == 120
    assert answer.context["newest"] == "?outcome=missed"


def test_page_is_found_in_the_index_of_the_ledger() -> None:
    schedule = make_schedule()
    for hours in range(3):
        record(schedule, timedelta(hours=hours + 1))
    rows = find_rows(schedule, Wanted(), zone_of(schedule), database_now())[:51]

    plan = explain(rows)

    assert "fire_once" in plan or "sqlite_autoindex_scheduler_fire" in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize(
    "query",
    [
        {"day": "yesterday"},
        {"day": "9999-12-31"},
        {"day": "0001-01-01"},
        {"before": "x"},
        {"before": "2026-01-01"},
        {"before": "0001-01-01T00:00:00+14:00"},
        {"outcome": "x\0"},
    ],
)
def test_address_that_cannot_be_read_is_borne(query: dict[str, str]) -> None:
    assert read(make_schedule(), **query).status_code == 200


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (-400, "The schedule was made later"),
        (400, "still to come"),
        (0, "names no fire time on this day"),
    ],
)
def test_day_without_a_row_says_why(day: int, reason: str) -> None:
    schedule = make_schedule(quartz="0 0 0 29 2 ? 2028", time_zone="UTC")
    asked = database_now() + timedelta(days=day)

    page = read(schedule, day=f"{asked:%Y-%m-%d}").content.decode()

    assert reason in page


def test_day_whose_fire_times_are_missing_says_what_may_be_the_cause() -> None:
    schedule = make_schedule(quartz="0 0 * * * ?", time_zone="UTC")
    Schedule.objects.update(created_at=database_now() - timedelta(days=9))
    asked = database_now() - timedelta(days=3)

    page = read(schedule, day=f"{asked:%Y-%m-%d}").content.decode()

    assert "names 24 fire times on this day" in page
    assert "disabled then" in page


def marks(schedule: Schedule) -> list[str]:
    return [each["mark"].strip() for each in read(schedule).context["upcoming"]]


def test_upcoming_fire_times_are_ten_in_the_schedules_zone() -> None:
    answer = read(make_schedule(quartz=DAILY))

    upcoming = answer.context["upcoming"]
    assert len(upcoming) == 10
    assert all(each["time"].endswith("06:06:00 +03") for each in upcoming)
    assert "Europe/Istanbul" in answer.content.decode()


def test_upcoming_fire_times_that_will_be_skipped_are_marked() -> None:
    schedule = make_schedule(quartz=DAILY)
    switching.skip_next(schedule.pk, requested_by="ada")
    following = schedule.next_fire_time
    assert following is not None
    Schedule.objects.update(
        paused_at=timezone.now(), paused_until=following + timedelta(days=2, hours=1)
    )

    shown = marks(schedule)

    assert ["skipped" in shown[0], "paused" in shown[1], "paused" in shown[2]] == [True] * 3
    assert shown[3:] == [""] * 7


def test_upcoming_fire_times_of_a_disabled_process_model_are_marked() -> None:
    schedule = make_schedule(process_model=ProcessModelFactory.create(enabled=False))

    assert all("disabled" in mark for mark in marks(schedule))


def test_run_once_plan_has_one_fire_time_to_come() -> None:
    assert len(marks(make_schedule(run_once=True))) == 1


def test_fire_time_that_is_due_comes_first() -> None:
    schedule = make_schedule(quartz="0 * * * * ?")
    due = (database_now() - timedelta(minutes=5)).replace(second=0, microsecond=0)
    Schedule.objects.update(next_fire_time=due)

    upcoming = read(schedule).context["upcoming"]

    assert upcoming[0]["utc"] == due
    assert "due" in upcoming[0]["countdown"]


@pytest.mark.parametrize("change", [{"next_fire_time": None}, {"quartz": "0 0 99 * * ?"}])
def test_schedule_that_waits_for_nothing_says_so(change: dict[str, Any]) -> None:
    schedule = make_schedule()
    Schedule.objects.update(**change)

    assert "It waits for no fire time." in read(schedule).content.decode()


@pytest.mark.parametrize(("permissions", "status"), [([], 403), (["scheduler.view_schedule"], 200)])
def test_ledger_is_for_those_who_may_view_schedules(permissions: list[str], status: int) -> None:
    schedule = make_schedule()

    assert browser_of(*permissions).get(page_of(schedule, "ledger")).status_code == status
