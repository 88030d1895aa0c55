"""Schedules are made, changed and deleted here.

Whoever changes one locks its row, so that no beat claims it meanwhile. Fire times that have come
are settled by the plan that was in force until then: an edit at the moment of a fire gives the old
plan or the new one, never both and never neither.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django_celery_beat.models import PeriodicTask

from processes import queueing
from processes.models import Run
from processes.models.trails import recording
from processes.models.workers import queue_of
from scheduler import firing
from scheduler.clock import database_now
from scheduler.crontabs import describe_nearness, find_crontab
from scheduler.drafts import ScheduleDraft
from scheduler.exceptions import InvalidPlan
from scheduler.fire_times import FireTimes, to_datetime
from scheduler.models import Schedule
from scheduler.models.schedules import new_schedule_id
from scheduler.quartz import QuartzError

MAX_NAME = 200
# What a beat of another kind would send for a row of ours: a bell that only says *look*.
BELL_TASK = "processes.look"


def create_schedule(
    draft: ScheduleDraft,
    *,
    owner: str = "",
    requested_by: str = "",
    run_immediately: bool = False,
    schedule_id: UUID | None = None,
) -> Schedule:
    """Store a schedule and arm it; with `run_immediately` make one run now as well.

    Fire times up to now do not exist. Raise InvalidPlan for what cannot be taken.
    """
    fire_times = draft.fire_times()
    schedule = Schedule(id=schedule_id or new_schedule_id(), owner=owner, requested_by=requested_by)
    draft = replace(draft, name=draft.name or _make_name(draft, schedule.pk))
    with transaction.atomic():
        _check_name(draft.name)
        schedule.periodic_task = PeriodicTask(task=BELL_TASK, **_periodic_task_fields(draft))
        # Its own save() would tell every beat to read all its tasks again.
        PeriodicTask.objects.bulk_create([schedule.periodic_task])
        _apply(draft, schedule)
        _wait_for_next(schedule, fire_times, after=database_now())
        schedule.save(force_insert=True)
        if run_immediately:
            queue_run_of(schedule, requested_by=requested_by)
    return schedule


def change_schedule(schedule_id: UUID, **changes: Any) -> Schedule:
    """Store `changes` (fields of ScheduleDraft) and return the schedule.

    It is armed anew, for fire times after now, when they name other fire times or it was broken.
    Raise InvalidPlan for what cannot be taken, Schedule.DoesNotExist for a deleted one.
    """
    with changing(schedule_id, disable=changes.get("enabled") is False) as schedule:
        stored = ScheduleDraft.of(schedule)
        draft = replace(stored, **changes)
        fire_times = draft.fire_times()
        _check_name(draft.name, besides=schedule.periodic_task_id)
        store_periodic_task(schedule, **_periodic_task_fields(draft))
        _apply(draft, schedule)
        if schedule.error or not draft.fires_as(replace(stored, enabled=schedule.was_enabled)):
            arm(schedule, fire_times)
        schedule.save()
    return schedule


@contextmanager
def changing(schedule_id: UUID, *, disable: bool = False) -> Iterator[Schedule]:
    """Lock a schedule, settle the fire times that have come, and yield it to be changed and saved.

    Its `changed_at` is the moment up to which the old plan counts, and after which the new one
    does. To `disable` it means that what has come makes no run any more. Raise
    Schedule.DoesNotExist.
    """
    with transaction.atomic():
        locked: Any = Schedule.objects.locked().annotate(now=Now()).get(pk=schedule_id)
        with recording(locked):
            if disable:
                store_periodic_task(locked, enabled=False)
            due = Schedule.objects.armed().filter(pk=schedule_id, next_fire_time__lte=locked.now)
            settled = firing.fire(due.locked(), now=locked.now)
            transaction.on_commit(lambda: ring_for(settled.runs))
            schedule = Schedule.objects.select_related(
                "periodic_task", "process_model", "worker"
            ).get(pk=schedule_id)
            schedule.changed_at = locked.now
            yield schedule


def ring_for(runs: list[Run]) -> None:
    """Tell the workers of runs that have been stored, if there are any."""
    if runs:
        queueing.ring_for_runs(runs)


def arm(schedule: Schedule, fire_times: FireTimes) -> None:
    """Have a schedule that is being changed wait for its first fire time that is not settled."""
    before, schedule.error = schedule.next_fire_time, ""
    changed_at = schedule.changed_at
    after = max(changed_at, schedule.settled_until or changed_at)
    _wait_for_next(schedule, fire_times, after=after)
    if schedule.next_fire_time != before:
        schedule.skip_until, schedule.skip_reason = None, ""


def arm_or_report(schedule: Schedule) -> None:
    """Arm a schedule that is being changed; if its plan cannot be read, have it say so."""
    try:
        arm(schedule, schedule.fire_times())
    except QuartzError as error:
        schedule.error, schedule.next_fire_time = str(error), None


def store_periodic_task(schedule: Schedule, **fields: Any) -> None:
    """Store fields of the linked row; no beat reads its tasks again because of it."""
    PeriodicTask.objects.filter(pk=schedule.periodic_task_id).update(**fields, date_changed=Now())
    for name, value in fields.items():
        setattr(schedule.periodic_task, name, value)


def queue_run_of(schedule: Schedule, *, requested_by: str) -> Run:
    """Store a run of the schedule beside its plan: the ledger knows fire times only."""
    return queueing.queue_run(
        schedule.process_model,
        schedule.values,
        worker=schedule.worker,
        retry_count=schedule.retry_count,
        retry_delay=schedule.retry_delay,
        priority=schedule.priority,
        owner=schedule.owner,
        requested_by=requested_by,
        schedule_id=schedule.pk,
    )


def duplicate_schedule(schedule_id: UUID, *, requested_by: str) -> Schedule:
    """Store a copy that is disabled until somebody enables it."""
    schedule = Schedule.objects.select_related("periodic_task", "process_model", "worker").get(
        pk=schedule_id
    )
    original = ScheduleDraft.of(schedule)
    copy = replace(original, name=_find_free_name(original.name), enabled=False)
    return create_schedule(copy, requested_by=requested_by)


def delete_schedules(schedule_ids: Iterable[UUID]) -> int:
    """Delete schedules with their ledger and periodic tasks; their runs stay. Return how many."""
    with transaction.atomic():
        locked: Any = Schedule.objects.locked().filter(pk__in=list(schedule_ids)).order_by("pk")
        tasks = PeriodicTask.objects.filter(pk__in=[row.periodic_task_id for row in locked])
        count = 0
        for task in tasks:
            task.no_changes = True
            task.delete()
            count += 1
    return count


def _wait_for_next(schedule: Schedule, fire_times: FireTimes, *, after: datetime) -> None:
    schedule.was_enabled = schedule.periodic_task.enabled
    following = fire_times.next_after(int(after.timestamp())) if schedule.was_enabled else None
    schedule.next_fire_time = None if following is None else to_datetime(following)


def _apply(draft: ScheduleDraft, schedule: Schedule) -> None:
    schedule.process_model = draft.process_model
    schedule.values = dict(draft.values)
    schedule.quartz = draft.quartz
    schedule.time_zone = draft.time_zone
    schedule.worker = draft.worker
    schedule.retry_count = draft.retry_count
    schedule.retry_delay = draft.retry_delay
    schedule.priority = draft.priority
    schedule.misfire = draft.misfire
    schedule.overlap = draft.overlap


def _periodic_task_fields(draft: ScheduleDraft) -> dict[str, Any]:
    expression = draft.fire_times().expression
    return {
        "name": draft.name,
        "enabled": draft.enabled,
        "start_time": draft.start,
        "expires": draft.end,
        "one_off": draft.run_once,
        "queue": queue_of(draft.worker.pk if draft.worker else None),
        "crontab": find_crontab(expression),
        "description": describe_nearness(expression),
    }


def _make_name(draft: ScheduleDraft, schedule_id: UUID) -> str:
    return f"{draft.process_model.name[: MAX_NAME - 37]} {schedule_id}"


def _check_name(name: str, *, besides: int | None = None) -> None:
    if len(name) > MAX_NAME:
        raise InvalidPlan("name", _("The name takes at most %d characters.") % MAX_NAME)
    if PeriodicTask.objects.filter(name=name).exclude(pk=besides).exists():
        raise InvalidPlan("name", _("Another schedule or task has this name; choose another one."))


def _find_free_name(name: str) -> str:
    """Return the name with the first free number behind it."""
    number = 2
    while True:
        ending = f" ({number})"
        candidate = name[: MAX_NAME - len(ending)] + ending
        if not PeriodicTask.objects.filter(name=candidate).exists():
            return candidate
        number += 1
