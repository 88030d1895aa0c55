"""What the database itself refuses of plans and of the ledger, and how due plans are found."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from scheduler.models import Fire, Schedule
from tests.factories import ProcessModelFactory, RunFactory
from tests.plans import explain

pytestmark = pytest.mark.django_db
FRIDAY = datetime(2026, 11, 20, 6, 6, tzinfo=UTC)


def make_schedule(**traits: Any) -> Schedule:
    crontab, _ = CrontabSchedule.objects.get_or_create(minute="6", hour="6")
    task = PeriodicTask.objects.create(
        name=f"plan {PeriodicTask.objects.count()}", task="processes.look", crontab=crontab
    )
    return Schedule.objects.create(
        periodic_task=task,
        process_model=ProcessModelFactory.create(),
        quartz="0 6 6 ? * *",
        **traits,
    )


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"paused_until": FRIDAY}, "schedule_pause_has_begun"),
        ({"retry_count": 100}, "schedule_retry_count_in_range"),
    ],
)
def test_schedule_that_cannot_be_is_refused(change: dict[str, Any], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        make_schedule(**change)


def test_second_plan_of_one_periodic_task_is_refused() -> None:
    schedule = make_schedule()

    with pytest.raises(IntegrityError), transaction.atomic():
        Schedule.objects.create(
            periodic_task=schedule.periodic_task,
            process_model=schedule.process_model,
            quartz="0 6 6 ? * *",
        )


def test_fire_time_is_recorded_once_for_each_schedule() -> None:
    schedule, other = make_schedule(), make_schedule()
    for plan in (schedule, other):
        Fire.objects.create(schedule=plan, fire_time=FRIDAY, outcome="ran")

    with pytest.raises(IntegrityError), transaction.atomic():
        Fire.objects.create(schedule=schedule, fire_time=FRIDAY, outcome="missed")

    assert Fire.objects.count() == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"count": 0},
        {"count": 2},
        {"count": 1, "last_fire_time": FRIDAY + timedelta(days=1)},
        {"count": 2, "last_fire_time": FRIDAY},
        {"count": 2, "last_fire_time": FRIDAY - timedelta(days=1)},
        {"count": 2, "last_fire_time": FRIDAY + timedelta(days=1), "run": RunFactory},
    ],
    ids=["none", "no end", "an end of one", "end is start", "end before start", "with a run"],
)
def test_stretch_that_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    schedule = make_schedule()
    if "run" in fields:
        fields = fields | {"run": RunFactory.create()}

    with pytest.raises(IntegrityError, match="fire_single_or_stretch"), transaction.atomic():
        Fire.objects.create(schedule=schedule, fire_time=FRIDAY, outcome="missed", **fields)


def test_stretch_has_both_its_ends() -> None:
    last = FRIDAY + timedelta(days=1)

    fire = Fire.objects.create(
        schedule=make_schedule(), fire_time=FRIDAY, last_fire_time=last, count=2, outcome="missed"
    )

    assert Fire.objects.get() == fire


def test_due_schedules_are_found_by_their_index() -> None:
    for _ in range(3):
        make_schedule(next_fire_time=FRIDAY)
    make_schedule()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    plan = explain(Schedule.objects.filter(next_fire_time__lte=Now()).order_by("next_fire_time"))

    assert "schedule_due" in plan
