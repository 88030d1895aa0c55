"""Between Quartz expressions and the five fields of django-celery-beat's crontabs.

A crontab cannot say seconds, years, or days such as *last Friday*: what it shows then is only near.
"""

from collections.abc import Collection
from typing import Any

from celery.schedules import ParseException
from django.utils.translation import gettext as _
from django_celery_beat.models import CrontabSchedule

from scheduler.exceptions import UnusableCrontab
from scheduler.quartz import QuartzExpression
from scheduler.quartz_days import AnyDay, DaysOfMonth, DaysOfWeek, masks_by_month_kind

QUARTZ_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def find_crontab(expression: QuartzExpression) -> CrontabSchedule:
    """Return the stored crontab that is nearest to the expression, made if there is none yet."""
    fields = project(expression)
    found = CrontabSchedule.objects.filter(**fields).order_by("pk").first()
    if found is None:
        found = CrontabSchedule(**fields)
        # Its own save() would tell every beat to read all its tasks again.
        CrontabSchedule.objects.bulk_create([found])
    return found


def project(expression: QuartzExpression) -> dict[str, Any]:
    """Return the fields of the nearest crontab: each time at which the expression may fire."""
    fields = expression.fields
    days: Collection[int] = range(1, 32)
    weekdays: Collection[int] = range(7)
    if isinstance(fields.day, DaysOfWeek):
        weekdays = [day - 1 for day in fields.day.days]
    elif not isinstance(fields.day, AnyDay):
        possible = 0
        for mask in masks_by_month_kind(fields.day):
            possible |= mask
        days = [day for day in range(1, 32) if possible >> day & 1]
    return {
        "minute": _write(fields.minutes, 0, 59),
        "hour": _write(fields.hours, 0, 23),
        "day_of_month": _write(days, 1, 31),
        "month_of_year": _write(fields.months, 1, 12),
        "day_of_week": _write(weekdays, 0, 6),
        "timezone": expression.tz,
    }


def describe_nearness(expression: QuartzExpression) -> str:
    """Return what a reader of the crontab has to know; empty when it says the plan exactly."""
    fields = expression.fields
    is_exact = (
        fields.seconds == (0,)
        and fields.years is None
        and isinstance(fields.day, AnyDay | DaysOfMonth | DaysOfWeek)
    )
    if is_exact:
        return ""
    return _(
        "Fires by the Quartz expression %(quartz)s (%(zone)s); the crontab cannot say it exactly."
    ) % {"quartz": expression.canonical, "zone": expression.tz}


def is_projection(crontab: CrontabSchedule, expression: QuartzExpression) -> bool:
    """Tell whether the crontab is the one that the expression is shown as."""
    return all(str(getattr(crontab, name)) == text for name, text in project(expression).items())


def to_quartz(crontab: CrontabSchedule) -> str:
    """Return the Quartz expression that fires as the crontab does. Raise UnusableCrontab."""
    try:
        schedule = crontab.schedule
    except (ParseException, ValueError) as error:
        raise UnusableCrontab(
            _("The crontab cannot be read: %(error)s.") % {"error": str(error)}
        ) from error
    days, weekdays = schedule.day_of_month, schedule.day_of_week
    if len(days) < 31 and len(weekdays) < 7:
        raise UnusableCrontab(
            _(
                "A plan takes days of the month or weekdays, not both: set one of them to * in the"
                " crontab."
            )
        )
    day_of_month, day_of_week = _write(days, 1, 31), "?"
    if len(weekdays) < 7:
        names = [QUARTZ_WEEKDAYS[day] for day in sorted(weekdays)]
        day_of_month, day_of_week = "?", ",".join(names)
    return " ".join(
        [
            "0",
            _write(schedule.minute, 0, 59),
            _write(schedule.hour, 0, 23),
            day_of_month,
            _write(schedule.month_of_year, 1, 12),
            day_of_week,
        ]
    )


def _write(values: Collection[int], first: int, last: int) -> str:
    """Return values as both notations write them: `*`, ranges and lists."""
    numbers = sorted(values)
    if len(numbers) == last - first + 1:
        return "*"
    step = numbers[1] - numbers[0] if len(numbers) > 2 else 0
    if step > 1 and numbers == list(range(first, last + 1, step)):
        return f"*/{step}"
    return ",".join(_write_range(run) for run in _find_runs(numbers))


def _find_runs(numbers: list[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs


def _write_range(run: list[int]) -> str:
    if len(run) > 2:
        return f"{run[0]}-{run[-1]}"
    return ",".join(map(str, run))
