"""The queries of firing find their rows by the index that was made for them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now
from django_celery_beat.models import PeriodicTask

from processes.models import Run
from scheduler.models import Fire, Schedule
from tests.factories import RunFactory, make_schedule
from tests.plans import explain

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def many_schedules() -> None:
    """Store many schedules that are not armed, a few that are, and a ledger."""
    armed = make_schedule()
    tasks = [
        PeriodicTask(name=f"Plan {number}", task="none", crontab=armed.periodic_task.crontab)
        for number in range(500)
    ]
    PeriodicTask.objects.bulk_create(tasks)
    schedules = [
        Schedule(periodic_task=task, process_model=armed.process_model, quartz=armed.quartz)
        for task in PeriodicTask.objects.filter(name__startswith="Plan")
    ]
    Schedule.objects.bulk_create(schedules)
    Fire.objects.bulk_create(
        Fire(schedule=schedule, fire_time=Now() - timedelta(minutes=minute), outcome="missed")
        for schedule in schedules[:50]
        for minute in range(10)
    )
    RunFactory.create_batch(300, succeeded=True, schedule_id=armed.pk)
    RunFactory.create(schedule_id=armed.pk)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def claim() -> "QuerySet[Any, Any]":
    return Schedule.objects.due()[:200]


def ledger_of_a_schedule() -> "QuerySet[Any, Any]":
    return Fire.objects.filter(schedule=Schedule.objects.all()[0]).newest_first()[:50]


def unfinished_runs_of_schedules() -> "QuerySet[Any, Any]":
    ids = list(Schedule.objects.values_list("pk", flat=True)[:3])
    return Run.objects.unfinished().filter(schedule_id__in=ids).order_by()


def rows_recorded_lately() -> "QuerySet[Any, Any]":
    return Fire.objects.filter(recorded_at__gt=Now() - timedelta(minutes=1)).order_by()


def oldest_rows() -> "QuerySet[Any, Any]":
    old = Fire.objects.filter(recorded_at__lt=Now() - timedelta(days=90))
    return old.order_by("recorded_at")[:1000]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (claim, "schedule_due"),
        (ledger_of_a_schedule, "fire_once"),
        (unfinished_runs_of_schedules, "run_of_schedule_by_status"),
        (rows_recorded_lately, "fire_age"),
        (oldest_rows, "fire_age"),
    ],
)
def test_query_uses_its_index(query: Callable[[], "QuerySet[Any, Any]"], index: str) -> None:
    plan = explain(query())

    # SQLite names the index that a constraint makes by itself.
    names = [index] if index != "fire_once" else [index, "autoindex_scheduler_fire"]
    assert any(name in plan for name in names), plan
