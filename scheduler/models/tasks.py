"""The entries of django-celery-beat's rows: a schedule's tell of the schedule, others of the task."""

from typing import Any

from django_celery_beat.models import PeriodicTask
from simple_history import register

from processes.models.trails import Trail, trail_of
from scheduler.models.schedules import Schedule


class TaskTrail(Trail):
    """The entries of periodic tasks that are housekeeping.

    What is edited of a row that belongs to a schedule is noted as a change of the schedule.
    """

    def note(self, instance: Any) -> None:
        """Note how the schedule is that the row belongs to, or the row itself."""
        plan = _plan_of(instance)
        if plan is None:
            super().note(instance)
        else:
            self._changes_of(instance).note(trail_of(plan), [plan.pk])

    def pre_delete(self, instance: Any, **_: Any) -> None:
        """Leave a schedule's row to the schedule, which is deleted with it."""
        if _plan_of(instance) is None:
            super().pre_delete(instance)


def _plan_of(task: Any) -> Schedule | None:
    return Schedule.objects.filter(periodic_task=task.pk).only("pk").first()


register(
    PeriodicTask,
    app="scheduler",
    records_class=TaskTrail,
    excluded=["last_run_at", "total_run_count", "date_changed"],
)
