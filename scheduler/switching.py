"""Schedules are enabled, disabled, paused and resumed here, run by hand, or told to skip a time."""

from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from processes.models import Run
from scheduler.clock import database_now
from scheduler.exceptions import CannotRun, NothingToSkip
from scheduler.fire_times import to_datetime
from scheduler.models import Schedule
from scheduler.planning import arm_or_report, change_schedule, changing, queue_run_of

MAX_REASON = 200
ARMED_AT_ONCE = 500


def enable_schedule(schedule_id: UUID) -> Schedule:
    """Have a schedule fire again, from the first fire time after now."""
    return change_schedule(schedule_id, enabled=True)


def disable_schedule(schedule_id: UUID) -> Schedule:
    """Have a schedule fire no more, and record nothing, until it is enabled."""
    return change_schedule(schedule_id, enabled=False)


def pause_schedule(schedule_id: UUID, *, reason: str = "", until: datetime | None = None) -> None:
    """Have fire times recorded as skipped, for ever or those before `until`.

    A fire time that has come and is not claimed yet is skipped too. Nothing changes for a schedule
    that is paused already, but its reason and end. Raise Schedule.DoesNotExist.
    """
    with transaction.atomic():
        schedule = Schedule.objects.locked().get(pk=schedule_id)
        now = database_now()
        if not schedule.is_paused_at(now):
            schedule.paused_at = now
        schedule.paused_until = until
        schedule.pause_reason = reason[:MAX_REASON]
        schedule.save(update_fields=["paused_at", "paused_until", "pause_reason"])


def resume_schedule(schedule_id: UUID) -> None:
    """End a pause: fire times from now on make runs. Raise Schedule.DoesNotExist."""
    with changing(schedule_id) as schedule:
        schedule.paused_at = schedule.paused_until = None
        schedule.pause_reason = ""
        schedule.save(update_fields=["paused_at", "paused_until", "pause_reason"])


def run_now(schedule_id: UUID, *, requested_by: str) -> Run:
    """Make a run of the schedule at once, beside its plan, which it leaves as it is.

    Raise CannotRun while the process model is disabled, Schedule.DoesNotExist.
    """
    schedule = Schedule.objects.select_related("process_model", "worker").get(pk=schedule_id)
    if not schedule.process_model.enabled:
        raise CannotRun(
            _("The process model %(name)s is disabled.") % {"name": schedule.process_model.name}
        )
    return queue_run_of(schedule, requested_by=requested_by)


def skip_next(schedule_id: UUID, *, requested_by: str) -> datetime:
    """Have the next fire time recorded as skipped, once more each time; return that fire time.

    Raise NothingToSkip when none is waited for, Schedule.DoesNotExist.
    """
    with changing(schedule_id) as schedule:
        skipped = next_run_time(schedule)
        if skipped is None:
            raise NothingToSkip(_("The schedule waits for no fire time."))
        schedule.skip_until = skipped
        schedule.skip_reason = (_("Asked for by %(name)s.") % {"name": requested_by})[:MAX_REASON]
        schedule.save(update_fields=["skip_until", "skip_reason"])
    return skipped


def next_run_time(schedule: Schedule) -> datetime | None:
    """Return the next fire time that is not to be skipped on request; None when there is none."""
    if schedule.next_fire_time is None or schedule.skip_until is None:
        return schedule.next_fire_time
    if schedule.next_fire_time > schedule.skip_until:
        return schedule.next_fire_time
    following = schedule.fire_times().next_after(int(schedule.skip_until.timestamp()))
    return None if following is None else to_datetime(following)


def follow_switches(limit: int = ARMED_AT_ONCE) -> int:
    """Arm and disarm what was enabled or disabled in bulk, past every signal; return how many.

    django-celery-beat's actions on a selection are such.
    """
    switched = Schedule.objects.exclude(periodic_task__enabled=F("was_enabled"))
    count = 0
    for pk in switched.values_list("pk", flat=True)[:limit]:
        with suppress(Schedule.DoesNotExist), changing(pk) as schedule:  # deleted meanwhile
            arm_or_report(schedule)
            schedule.save()
        count += 1
    return count
