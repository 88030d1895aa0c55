"""Edits of a periodic task that others make reach the schedule at once."""

from datetime import UTC, datetime, timedelta

import pytest
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from processes.models import Run
from scheduler.models import Fire, Schedule
from tests.factories import WorkerFactory, make_due_schedule, make_schedule

pytestmark = pytest.mark.django_db


def task_of(schedule: Schedule) -> PeriodicTask:
    """Return the row as a page of django-celery-beat loads it."""
    return PeriodicTask.objects.get(plan=schedule)


def test_another_crontab_is_the_plan_from_now_on() -> None:
    schedule = make_schedule("0 6 6 ? * FRI")
    task = task_of(schedule)
    task.crontab = CrontabSchedule.objects.create(
        minute="30", hour="*/6", day_of_week="1-5", timezone="Europe/Istanbul"
    )

    task.save()

    schedule.refresh_from_db()
    assert schedule.quartz == "0 30 */6 ? * MON,TUE,WED,THU,FRI"
    assert schedule.time_zone == "Europe/Istanbul"
    assert schedule.next_fire_time is not None
    assert schedule.next_fire_time.minute == 30


def test_any_other_edit_leaves_the_quartz_text() -> None:
    schedule = make_schedule("7 6 6 ? * 6L", time_zone="Europe/Istanbul")
    task = task_of(schedule)
    task.description = "Bring an umbrella."

    task.save()

    before = schedule.next_fire_time
    schedule.refresh_from_db()
    assert schedule.quartz == "7 6 6 ? * 6L"
    assert schedule.next_fire_time == before


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"enabled": False}, None),
        ({"start_time": datetime(2198, 6, 1, tzinfo=UTC)}, datetime(2199, 1, 1, tzinfo=UTC)),
        ({"expires": datetime(2100, 1, 1, tzinfo=UTC)}, None),
    ],
    ids=["enabled", "start", "end"],
)
def test_edit_takes_effect_at_once(changes: dict[str, object], expected: datetime | None) -> None:
    schedule = make_schedule("0 0 0 1 1 ? 2190-2199")
    task = task_of(schedule)
    for name, value in changes.items():
        setattr(task, name, value)

    task.save()

    schedule.refresh_from_db()
    assert schedule.next_fire_time == expected


def test_edit_back_to_enabled_arms_for_what_comes_after() -> None:
    schedule = make_schedule("* * * * * ?", enabled=False)
    task = task_of(schedule)
    task.enabled = True

    task.save()

    schedule.refresh_from_db()
    assert schedule.next_fire_time is not None
    assert not Fire.objects.exists()


def test_fire_time_that_has_come_is_settled_by_the_crontab_before() -> None:
    schedule = make_due_schedule()
    fire_time = schedule.next_fire_time
    task = task_of(schedule)
    task.crontab = CrontabSchedule.objects.create(minute="1", hour="1")

    task.save()

    assert Fire.objects.get().fire_time == fire_time
    assert Run.objects.count() == 1
    schedule.refresh_from_db()
    assert schedule.quartz == "0 1 1 * * ?"


def test_disabling_makes_no_run_of_a_fire_time_that_has_come() -> None:
    schedule = make_due_schedule()
    task = task_of(schedule)
    task.enabled = False

    task.save()

    assert not Run.objects.exists()
    assert Fire.objects.get().outcome == "missed"


@pytest.mark.parametrize(("queue", "kept"), [("", False), ("shared", False), ("reports", True)])
def test_queue_chooses_the_worker(queue: str, kept: bool) -> None:
    first, second = WorkerFactory.create_batch(2)
    schedule = make_schedule(worker=first)
    task = task_of(schedule)

    task.queue = second.queue
    task.save()
    schedule.refresh_from_db()
    chosen = schedule.worker
    task.queue = queue
    task.save()
    schedule.refresh_from_db()

    assert chosen == second
    assert schedule.worker == (second if kept else None)


def test_crontab_that_no_plan_can_say_disarms_with_the_reason() -> None:
    schedule = make_schedule()
    task = task_of(schedule)
    task.crontab = CrontabSchedule.objects.create(day_of_month="1", day_of_week="1")

    task.save()

    schedule.refresh_from_db()
    assert schedule.next_fire_time is None
    assert "not both" in schedule.error


def test_another_kind_of_schedule_disarms_with_the_reason() -> None:
    schedule = make_schedule()
    task = task_of(schedule)
    task.crontab = None
    task.interval = IntervalSchedule.objects.create(every=1, period="hours")

    task.save()

    schedule.refresh_from_db()
    assert schedule.next_fire_time is None
    assert "crontab" in schedule.error


def test_housekeeping_task_is_left_alone() -> None:
    interval = IntervalSchedule.objects.create(every=1, period="hours")
    task = PeriodicTask.objects.create(name="Purge", task="none", interval=interval)

    task.expires = datetime.now(UTC) + timedelta(days=1)
    task.save()

    assert not Schedule.objects.exists()
