"""The admin's pages for schedules, and django-celery-beat's own."""

from scheduler.admin.beat_pages import (
    ClockedPage,
    CrontabPage,
    IntervalPage,
    PeriodicTaskPage,
    SolarPage,
)
from scheduler.admin.schedules import ScheduleAdmin

__all__ = [
    "ClockedPage",
    "CrontabPage",
    "IntervalPage",
    "PeriodicTaskPage",
    "ScheduleAdmin",
    "SolarPage",
]
