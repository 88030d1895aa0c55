"""Edits of periodic tasks that others make, on django-celery-beat's pages or in code, taken over.

The one place where a signal is right: the model is not ours, and neither are its writers. What is
stored from here goes past the signals.
"""

from typing import Any

from django.db import connection
from django.db.models.signals import post_save, pre_delete, pre_save
from django.dispatch import receiver
from django_celery_beat.models import PeriodicTask

from processes.models import Worker
from processes.models.workers import SHARED_QUEUE
from scheduler.crontabs import describe_nearness, is_projection, to_quartz
from scheduler.exceptions import UnusableCrontab
from scheduler.models import Schedule
from scheduler.planning import arm_or_report, changing, store_periodic_task
from scheduler.quartz import QuartzError


@receiver([pre_save, pre_delete], sender=PeriodicTask, dispatch_uid="scheduler.lock_schedule")
def lock_schedule(instance: PeriodicTask, **kwargs: Any) -> None:
    """Wait for the beat, or whoever else is at the schedule, before its periodic task changes.

    Everybody else locks the schedule first: the other way round two would wait for one another,
    and a ledger row written meanwhile would forbid the deletion.
    """
    if connection.in_atomic_block:
        Schedule.objects.locked().filter(periodic_task=instance.pk).first()


@receiver(post_save, sender=PeriodicTask, dispatch_uid="scheduler.take_over_edit")
def take_over_edit(instance: PeriodicTask, raw: bool = False, **kwargs: Any) -> None:
    """Have the schedule behind a periodic task follow an edit of it at once."""
    if raw:
        return
    pk = Schedule.objects.filter(periodic_task=instance).values_list("pk", flat=True).first()
    if pk is None:
        return
    with changing(pk) as schedule:
        _take_worker(schedule)
        _take_crontab(schedule)
        schedule.save()


def _take_worker(schedule: Schedule) -> None:
    """Take the worker whose queue was chosen; a queue that is no worker's changes nothing."""
    queue = schedule.periodic_task.queue
    if queue in {None, "", SHARED_QUEUE}:
        schedule.worker = None
        return
    number = queue.rpartition("-")[2]
    if number.isascii() and number.isdigit():
        schedule.worker = Worker.objects.filter(pk=number).first() or schedule.worker


def _take_crontab(schedule: Schedule) -> None:
    """Take another crontab as the plan, where one was chosen, and arm the schedule anew."""
    crontab = schedule.periodic_task.crontab
    try:
        if crontab is None:
            raise UnusableCrontab("A schedule needs a crontab; its periodic task has none.")
        if not _shows(crontab, schedule):
            _forget_nearness(schedule)
            schedule.quartz, schedule.time_zone = to_quartz(crontab), str(crontab.timezone)
    except UnusableCrontab as error:
        schedule.error, schedule.next_fire_time = str(error), None
        return
    arm_or_report(schedule)


def _forget_nearness(schedule: Schedule) -> None:
    """Take back that the crontab is only near: the one that was chosen says the plan exactly."""
    try:
        text = describe_nearness(schedule.fire_times().expression)
    except QuartzError:
        return
    if text and schedule.periodic_task.description == text:
        store_periodic_task(schedule, description="")


def _shows(crontab: Any, schedule: Schedule) -> bool:
    try:
        return is_projection(crontab, schedule.fire_times().expression)
    except QuartzError:
        return False
