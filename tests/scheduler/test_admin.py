"""The admin's pages for schedules, and django-celery-beat's own."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.utils import timezone
from django_celery_beat import models as beat
from unfold.admin import ModelAdmin

from scheduler.models import Schedule
from tests.factories import ProcessModelFactory, UserFactory

SCHEDULES = "/admin/scheduler/schedule/"


@pytest.fixture
def operator(db: None) -> Client:
    """Return the browser of a superuser."""
    client = Client()
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    return client


def make_schedule(*, enabled: bool = True, **options: Any) -> Schedule:
    """Return a schedule whose process model is named "Post invoices"."""
    crontab = beat.CrontabSchedule.objects.create(minute="6", hour="6")
    task = beat.PeriodicTask.objects.create(
        name="Every Friday", task="none", crontab=crontab, enabled=enabled
    )
    return Schedule.objects.create(
        periodic_task=task,
        process_model=ProcessModelFactory.create(name="Post invoices"),
        quartz="0 6 6 ? * FRI",
        **options,
    )


@pytest.mark.parametrize(
    ("options", "state"),
    [
        ({"error": "Names 31 February."}, "broken"),
        ({"enabled": False}, "disabled"),
        ({"paused_at": timezone.now()}, "paused"),
        ({}, "not armed"),
        ({"next_fire_time": timezone.now()}, "armed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_schedule_says_how_it_stands(
    operator: Client, options: dict[str, Any], state: str
) -> None:
    schedule = make_schedule(**options)

    row = admin.site._registry[Schedule].shown_state(schedule)  # type: ignore[attr-defined]
    page = operator.get(SCHEDULES).content.decode()

    assert f"\n{state}\n" in row
    assert row in page


def test_the_page_of_a_schedule_shows_its_plan(operator: Client) -> None:
    schedule = make_schedule(
        values={"city": "İstanbul"}, next_fire_time=datetime(2026, 3, 6, 6, 6, tzinfo=UTC)
    )

    page = operator.get(f"{SCHEDULES}{schedule.pk}/change/").content.decode()

    assert "0 6 6 ? * FRI" in page
    assert "2026-03-06 06:06:00 UTC" in page
    assert "&quot;city&quot;: &quot;İstanbul&quot;" in page
    assert str(schedule.pk) in page


@pytest.mark.parametrize("page", ["add/", "{pk}/delete/"])
def test_schedules_are_only_shown(operator: Client, page: str) -> None:
    schedule = make_schedule()

    assert (
        operator.post(SCHEDULES + page.format(pk=schedule.pk), {"post": "yes"}).status_code == 403
    )
    assert Schedule.objects.exists()


def test_the_list_of_schedules_takes_as_many_queries_for_one_as_for_ten(
    operator: Client, django_assert_num_queries: Any
) -> None:
    schedule = make_schedule()
    operator.get(SCHEDULES)
    with django_assert_num_queries(6):
        operator.get(SCHEDULES)
    for number in range(9):
        task = beat.PeriodicTask.objects.create(
            name=str(number), task="none", crontab=schedule.periodic_task.crontab
        )
        Schedule.objects.create(
            periodic_task=task, process_model=schedule.process_model, quartz=schedule.quartz
        )

    with django_assert_num_queries(6):
        operator.get(SCHEDULES)


@pytest.mark.parametrize(
    "model",
    [
        beat.ClockedSchedule,
        beat.CrontabSchedule,
        beat.IntervalSchedule,
        beat.PeriodicTask,
        beat.SolarSchedule,
    ],
)
def test_every_page_of_django_celery_beat_has_the_admins_look(model: Any) -> None:
    page = admin.site._registry[model]

    assert isinstance(page, ModelAdmin)
    assert [
        inline for inline in page.inlines if not inline.__module__.startswith("scheduler")
    ] == []


def test_a_periodic_task_is_saved_from_its_page(operator: Client) -> None:
    interval = beat.IntervalSchedule.objects.create(every=1, period="hours")

    form = operator.get("/admin/django_celery_beat/periodictask/add/").content.decode()
    operator.post(
        "/admin/django_celery_beat/periodictask/add/",
        {
            "name": "Purge",
            "regtask": "arabica.look",
            "enabled": "on",
            "interval": interval.pk,
            "args": "[]",
            "kwargs": "{}",
            "headers": "{}",
        },
    )

    assert "<script>" not in form.partition('id="periodictask_form"')[2]
    assert beat.PeriodicTask.objects.get().task == "arabica.look"
