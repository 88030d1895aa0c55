"""Schedules are made, changed and deleted; what has come is settled by the plan that was in force."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django_celery_beat.models import CrontabSchedule, PeriodicTask, PeriodicTasks

from processes.models import Run
from scheduler.clock import database_now
from scheduler.drafts import ScheduleDraft
from scheduler.exceptions import InvalidPlan
from scheduler.firing import fire_due_schedules
from scheduler.models import Fire, Schedule
from scheduler.planning import (
    arm_or_report,
    change_schedule,
    changing,
    create_schedule,
    delete_schedules,
    duplicate_schedule,
)
from tests.factories import (
    ProcessModelFactory,
    RunFactory,
    WorkerFactory,
    make_due_schedule,
    make_schedule,
)

pytestmark = pytest.mark.django_db
IN_2190 = datetime(2190, 6, 1, 12, tzinfo=UTC)


def last_change() -> datetime | None:
    """Return when django-celery-beat last told every beat to read its tasks again."""
    changed: datetime | None = PeriodicTasks.last_change()
    return changed


def test_schedule_is_armed_for_its_first_fire_time_after_now() -> None:
    before = database_now()

    schedule = make_schedule("* * * * * ?")

    schedule.refresh_from_db()
    assert schedule.next_fire_time is not None
    assert timedelta(0) < schedule.next_fire_time - before <= timedelta(seconds=2)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"start": IN_2190}, IN_2190),
        ({"start": IN_2190 + timedelta(seconds=1)}, IN_2190 + timedelta(hours=1)),
        ({"end": datetime(2000, 1, 1, tzinfo=UTC)}, None),
        ({"enabled": False}, None),
    ],
    ids=["start is included", "after the start", "end is past", "disabled"],
)
def test_plan_fires_between_start_and_end_while_enabled(
    fields: dict[str, Any], expected: datetime | None
) -> None:
    schedule = make_schedule("0 0 * * * ?", **fields)

    assert schedule.next_fire_time == expected


def test_periodic_task_shows_the_plan() -> None:
    worker = WorkerFactory.create()
    schedule = make_schedule(
        "0 6 6 ? * FRI",
        time_zone="Europe/Istanbul",
        name="Every Friday",
        worker=worker,
        start=IN_2190,
        end=IN_2190 + timedelta(days=9),
        run_once=True,
    )

    task = PeriodicTask.objects.get(plan=schedule)
    assert (task.name, task.enabled, task.one_off) == ("Every Friday", True, True)
    assert (task.start_time, task.expires) == (IN_2190, IN_2190 + timedelta(days=9))
    assert task.queue == f"worker-{worker.pk}"
    assert str(task.crontab) == "6 6 * * 5 (m/h/dM/MY/d) Europe/Istanbul"
    assert task.description == ""


def test_schedule_without_a_name_is_named_after_its_process_model_and_id() -> None:
    model = ProcessModelFactory.create(name="x" * 200)

    schedule = make_schedule(process_model=model)

    assert str(schedule) == f"{'x' * 163} {schedule.pk}"
    assert len(str(schedule)) == 200


def test_own_writes_make_no_beat_read_its_tasks_again() -> None:
    before = last_change()

    schedule = make_schedule("0 0 12 * * ?")
    change_schedule(schedule.pk, quartz="0 0 13 * * ?", name="renamed")
    change_schedule(schedule.pk, enabled=False)
    delete_schedules([schedule.pk])

    assert last_change() == before


def test_schedules_of_one_plan_share_a_crontab() -> None:
    before = CrontabSchedule.objects.count()

    make_schedule("0 5 12 * * ?")
    make_schedule("0 5 12 * * ?")

    assert CrontabSchedule.objects.count() == before + 1


def test_run_now_is_made_beside_the_plan() -> None:
    draft = ScheduleDraft(ProcessModelFactory.create(), "0 0 0 1 1 ? 2199", "UTC")

    schedule = create_schedule(draft, owner="client:7", requested_by="API", run_immediately=True)

    run = Run.objects.get()
    assert (run.schedule_id, run.owner, run.requested_by) == (schedule.pk, "client:7", "API")
    assert not Fire.objects.exists()


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"quartz": "0 0 25 * * ?"}, "quartz", "hour"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "Mars/Olympus"),
        ({"start": IN_2190, "end": IN_2190}, "end", "later than the start"),
        ({"name": "x" * 201}, "name", "at most 200"),
        ({"name": "taken"}, "name", "Another schedule"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_plan_is_refused_by_field(fields: dict[str, Any], field: str, words: str) -> None:
    make_schedule(name="taken")
    schedule = make_schedule()
    draft = {"quartz": "0 0 12 * * ?"} | fields

    with pytest.raises(InvalidPlan, match=words) as made:
        make_schedule(**draft)
    with pytest.raises(InvalidPlan, match=words) as changed:
        change_schedule(schedule.pk, **fields)

    assert made.value.field == changed.value.field == field
    assert Schedule.objects.count() == 2


def test_change_of_the_plan_arms_anew() -> None:
    schedule = make_schedule("0 0 0 1 1 ? 2199")

    change_schedule(schedule.pk, quartz="0 0 0 1 1 ? 2190", time_zone="Europe/Istanbul")

    schedule.refresh_from_db()
    assert schedule.next_fire_time == datetime(2189, 12, 31, 21, tzinfo=UTC)
    assert (schedule.quartz, schedule.time_zone) == ("0 0 0 1 1 ? 2190", "Europe/Istanbul")


def test_any_other_change_leaves_what_is_waited_for() -> None:
    schedule = make_schedule("0 0 0 1 1 ? 2199")
    odd = datetime(2111, 1, 1, tzinfo=UTC)
    Schedule.objects.update(next_fire_time=odd)

    change_schedule(schedule.pk, priority=99, values={"x": 1}, name="other", misfire="skip")

    schedule.refresh_from_db()
    assert schedule.next_fire_time == odd
    assert (schedule.priority, schedule.values, schedule.misfire) == (99, {"x": 1}, "skip")
    assert PeriodicTask.objects.get(plan=schedule).name == "other"


def test_fire_time_that_has_come_runs_by_the_plan_before_the_change() -> None:
    schedule = make_due_schedule(values={"plan": "old"})
    fire_time = schedule.next_fire_time

    change_schedule(schedule.pk, quartz="0 0 0 1 1 ? 2190", values={"plan": "new"})

    assert Run.objects.get().values == {"plan": "old"}
    assert Fire.objects.get().fire_time == fire_time
    schedule.refresh_from_db()
    assert schedule.next_fire_time == datetime(2190, 1, 1, tzinfo=UTC)


def test_fire_time_that_comes_while_a_change_is_made_is_not_lost() -> None:
    schedule = make_schedule("* * * * * ?")

    with changing(schedule.pk) as changed:
        changed_at = changed.changed_at
        time.sleep(1.1)
        arm_or_report(changed)
        changed.save()

    schedule.refresh_from_db()
    assert schedule.next_fire_time is not None
    assert timedelta(0) < schedule.next_fire_time - changed_at <= timedelta(seconds=1)


def test_disabling_makes_no_run_of_a_fire_time_that_has_come() -> None:
    schedule = make_due_schedule()

    change_schedule(schedule.pk, enabled=False)
    fire_due_schedules()

    assert not Run.objects.exists()
    assert Fire.objects.get().outcome == "missed"
    assert "disabled before" in Fire.objects.get().reason
    schedule.refresh_from_db()
    assert schedule.next_fire_time is None


def test_enabling_makes_no_run_of_what_lies_before() -> None:
    schedule = make_schedule("* * * * * ?", enabled=False)

    change_schedule(schedule.pk, enabled=True)

    schedule.refresh_from_db()
    assert schedule.next_fire_time is not None
    assert schedule.next_fire_time > database_now() - timedelta(seconds=1)
    assert not Run.objects.exists()
    assert not Fire.objects.exists()


def test_change_of_a_plan_once_run_does_not_make_it_run_again() -> None:
    schedule = make_due_schedule(run_once=True)

    change_schedule(schedule.pk, priority=10)

    schedule.refresh_from_db()
    assert schedule.next_fire_time is None
    assert not PeriodicTask.objects.get(plan=schedule).enabled
    assert Run.objects.count() == 1


def test_correcting_a_broken_schedule_arms_it() -> None:
    schedule = make_schedule()
    Schedule.objects.update(error="hour: 25", next_fire_time=None)

    change_schedule(schedule.pk, priority=10)

    schedule.refresh_from_db()
    assert schedule.error == ""
    assert schedule.next_fire_time is not None


def test_copy_is_disabled_and_has_a_name_of_its_own() -> None:
    schedule = make_schedule(name="Every Friday", values={"x": 1}, priority=70)

    first = duplicate_schedule(schedule.pk, requested_by="ada")
    second = duplicate_schedule(schedule.pk, requested_by="ada")

    assert (str(first), str(second)) == ("Every Friday (2)", "Every Friday (3)")
    assert (first.values, first.priority, first.requested_by) == ({"x": 1}, 70, "ada")
    assert first.next_fire_time is None
    assert not first.periodic_task.enabled


def test_deleting_leaves_runs_and_takes_ledger_and_periodic_task() -> None:
    schedule, other = make_due_schedule(), make_schedule()
    fire_due_schedules()

    assert delete_schedules([schedule.pk, uuid.uuid4()]) == 1

    assert Schedule.objects.get() == other
    assert not PeriodicTask.objects.filter(pk=schedule.periodic_task_id).exists()
    assert not Fire.objects.exists()
    assert Run.objects.get().schedule_id == schedule.pk


def test_deleting_the_periodic_task_deletes_the_schedule() -> None:
    schedule = make_schedule()

    PeriodicTask.objects.get(plan=schedule).delete()

    assert not Schedule.objects.exists()


def test_changing_what_has_been_deleted_is_refused() -> None:
    schedule = make_schedule()
    delete_schedules([schedule.pk])

    with pytest.raises(Schedule.DoesNotExist):
        change_schedule(schedule.pk, priority=1)


def test_runs_of_other_schedules_are_left_alone() -> None:
    schedule = make_due_schedule()
    RunFactory.create(schedule_id=uuid.uuid4())

    change_schedule(schedule.pk, enabled=False)

    assert Run.objects.count() == 1
