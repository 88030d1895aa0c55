"""The columns of schedules and of their ledgers as CSV."""

from django.utils.translation import gettext_lazy as _

from processes.admin.export import CsvResource, column
from scheduler.admin.wording import describe_schedule, explain_state
from scheduler.models import Fire
from scheduler.states import State


class ScheduleExport(CsvResource):
    """Plans of process models; the values of their runs are left out, they may hold secrets."""

    robusta_spid = column(_("robustaSpid"), lambda schedule: schedule.pk)
    name = column(_("name"), lambda schedule: schedule.periodic_task.name)
    process_model = column(_("process model"), lambda schedule: schedule.process_model.name)
    quartz = column(_("Quartz expression"), lambda schedule: schedule.quartz)
    plan = column(_("plan"), describe_schedule)
    time_zone = column(_("time zone"), lambda schedule: schedule.time_zone)
    state = column(_("state"), lambda schedule: State(schedule.state).label)
    explanation = column(_("reason"), lambda schedule: explain_state(schedule, schedule.state))
    next_fire_time = column(_("next fire time"), lambda schedule: schedule.next_fire_time)
    start = column(_("start"), lambda schedule: schedule.periodic_task.start_time)
    end = column(_("end"), lambda schedule: schedule.periodic_task.expires)
    run_once = column(_("run once"), lambda schedule: schedule.periodic_task.one_off)
    misfire = column(_("misfire"), lambda schedule: schedule.get_misfire_display())
    overlap = column(_("overlap"), lambda schedule: schedule.get_overlap_display())
    worker = column(_("worker"), lambda schedule: schedule.worker)
    priority = column(_("priority"), lambda schedule: schedule.priority)
    retry_count = column(_("retry count"), lambda schedule: schedule.retry_count)
    requested_by = column(_("requested by"), lambda schedule: schedule.requested_by)
    created_at = column(_("created at"), lambda schedule: schedule.created_at)


class FireExport(CsvResource):
    """What became of the fire times of one schedule."""

    fire_time = column(_("fire time"), lambda fire: fire.fire_time)
    last_fire_time = column(_("last fire time"), lambda fire: fire.last_fire_time)
    count = column(_("count"), lambda fire: fire.count)
    outcome = column(_("outcome"), lambda fire: Fire.Outcome(fire.outcome).label)
    reason = column(_("reason"), lambda fire: fire.reason)
    run = column(_("run"), lambda fire: fire.run_id)
    run_status = column(_("status of the run"), lambda fire: fire.run.status if fire.run else None)
    recorded_at = column(_("recorded at"), lambda fire: fire.recorded_at)
