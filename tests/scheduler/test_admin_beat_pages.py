"""django-celery-beat's own pages, where schedules are shown and edited too."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django_celery_beat import models as beat
from unfold.admin import ModelAdmin

from processes.models import Run
from scheduler.clock import database_now
from scheduler.models import Fire, Schedule
from tests.factories import WorkerFactory
from tests.scheduler.admin_pages import (
    DAILY,
    FRIDAYS,
    TASKS,
    errors_of,
    make_schedule,
    next_fire_time,
    read_task_form,
    superuser,
    task_page,
)

pytestmark = pytest.mark.django_db


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


def test_a_periodic_task_is_saved_from_its_page() -> None:
    operator = superuser()
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
    assert beat.PeriodicTask.objects.get(name="Purge").task == "arabica.look"


def test_a_name_of_a_task_that_is_too_long_is_refused_at_its_field() -> None:
    interval = beat.IntervalSchedule.objects.create(every=1, period="hours")
    form = {"name": "Purge", "task": "x" * 201, "interval": interval.pk, "args": "[]"}

    answer = superuser().post("/admin/django_celery_beat/periodictask/add/", form)

    assert answer.status_code == 200
    assert "at most 200 characters" in str(errors_of(answer)["task"])


def test_row_of_a_schedule_leads_to_it_and_back() -> None:
    client, schedule = superuser(), make_schedule()
    page = f"/admin/scheduler/schedule/{schedule.pk}/change/"

    assert f'href="{page}"' in client.get(TASKS).content.decode()
    assert f'href="{page}"' in client.get(task_page(schedule)).content.decode()
    assert f'href="{task_page(schedule)}"' in client.get(page).content.decode()


def test_hidden_initial_values_are_in_the_page() -> None:
    schedule = make_schedule(end=database_now() + timedelta(days=400))

    page = superuser().get(task_page(schedule)).content.decode()

    for name in ("enabled", "one_off", "crontab", "expires_0", "expires_1", "queue", "name"):
        assert f'name="initial-{name}"' in page


def test_untouched_page_changes_nothing() -> None:
    client = superuser()
    schedule = make_schedule(quartz="30 6 6 ? * FRIL", end=database_now() + timedelta(days=400))
    before = Schedule.objects.values().get()
    task_before = beat.PeriodicTask.objects.filter(plan=schedule).values().get()
    data = read_task_form(client, schedule)

    answer = client.post(task_page(schedule), data)

    task = beat.PeriodicTask.objects.filter(plan=schedule).values().get()
    del task["date_changed"], task_before["date_changed"]
    assert answer.status_code == 302
    assert Schedule.objects.values().get() == before
    assert task == task_before


def test_another_crontab_replaces_the_plan_at_once() -> None:
    client, schedule = superuser(), make_schedule(quartz="30 6 6 ? * FRIL")
    crontab = beat.CrontabSchedule.objects.create(minute="15", hour="9", timezone="Europe/Berlin")
    data = read_task_form(client, schedule)

    client.post(task_page(schedule), data | {"crontab": crontab.pk})

    schedule = Schedule.objects.get()
    following = schedule.next_fire_time
    assert (schedule.quartz, schedule.time_zone) == ("0 15 9 * * ?", "Europe/Berlin")
    assert following is not None
    assert (following.minute, following.second) == (15, 0)
    assert schedule.periodic_task.description == ""
    assert "crontab" in LogEntry.objects.get(object_id=schedule.pk).get_change_message()


@pytest.mark.parametrize(
    ("edit", "is_armed"), [({"enabled": None}, False), ({"one_off": "on"}, True)]
)
def test_switch_takes_effect_at_once(edit: dict[str, Any], is_armed: bool) -> None:
    client, schedule = superuser(), make_schedule()
    data = read_task_form(client, schedule) | edit

    client.post(task_page(schedule), {name: data[name] for name in data if data[name] is not None})

    task = Schedule.objects.get().periodic_task
    assert (task.enabled, task.one_off) == (is_armed, "one_off" in edit)
    assert (next_fire_time(schedule) is not None) == is_armed


def test_start_and_end_take_effect_at_once() -> None:
    client, schedule = superuser(), make_schedule(quartz=DAILY, time_zone="UTC")
    data = read_task_form(client, schedule)

    client.post(task_page(schedule), data | {"start_time_0": "2031-01-01", "start_time_1": "12:00"})
    started = next_fire_time(schedule)
    data = read_task_form(client, schedule)
    client.post(task_page(schedule), data | {"expires_0": "2031-01-01", "expires_1": "18:00:00"})

    assert started is not None
    assert started.isoformat() == "2031-01-02T06:06:00+00:00"
    assert next_fire_time(schedule) is None


def test_queue_of_a_worker_is_taken_over() -> None:
    client, schedule, worker = superuser(), make_schedule(), WorkerFactory.create()
    data = read_task_form(client, schedule)

    client.post(task_page(schedule), data | {"queue": worker.queue})

    assert Schedule.objects.get().worker == worker


def test_stale_page_does_not_enable_a_plan_that_finished_meanwhile() -> None:
    client, schedule = superuser(), make_schedule(run_once=True)
    data = read_task_form(client, schedule)
    beat.PeriodicTask.objects.filter(plan=schedule).update(enabled=False)
    Schedule.objects.update(next_fire_time=None, was_enabled=False)

    client.post(task_page(schedule), data | {"name": "Fridays"})

    task = Schedule.objects.get().periodic_task
    assert (task.name, task.enabled) == ("Fridays", False)
    assert next_fire_time(schedule) is None


def test_fire_time_that_has_come_is_settled_by_the_old_plan() -> None:
    client, schedule = superuser(), make_schedule(time_zone="UTC")
    come = (database_now() - timedelta(seconds=30)).replace(microsecond=0)
    quartz = f"{come.second} {come.minute} {come.hour} * * ?"
    Schedule.objects.update(quartz=quartz, next_fire_time=come)
    crontab = beat.CrontabSchedule.objects.create(minute="15", hour="9")
    data = read_task_form(client, schedule)

    client.post(task_page(schedule), data | {"crontab": crontab.pk})

    assert Fire.objects.get().fire_time == come
    assert Run.objects.get().ready_at == come
    assert Schedule.objects.get().quartz == "0 15 9 * * ?"


def test_start_that_is_moved_does_not_undo_a_fire_time_that_has_come() -> None:
    come = (database_now() - timedelta(seconds=30)).replace(microsecond=0)
    quartz = f"{come.second} {come.minute} {come.hour} * * ?"
    client, schedule = superuser(), make_schedule(quartz=quartz, time_zone="UTC")
    Schedule.objects.update(next_fire_time=come)
    data = read_task_form(client, schedule)

    client.post(task_page(schedule), data | {"start_time_0": "2031-01-01", "start_time_1": "00:00"})

    following = next_fire_time(schedule)
    assert Run.objects.get().ready_at == come
    assert following is not None
    assert following.year == 2031


def test_disabling_makes_no_run_of_a_fire_time_that_has_come() -> None:
    client, schedule = superuser(), make_schedule(quartz="* * * * * ?")
    Schedule.objects.update(next_fire_time=database_now() - timedelta(seconds=5))
    data = read_task_form(client, schedule)
    del data["enabled"]

    client.post(task_page(schedule), data)

    assert not Run.objects.exists()
    assert set(Fire.objects.values_list("outcome", flat=True)) == {Fire.Outcome.MISSED}


@pytest.mark.parametrize(
    ("edit", "field", "part"),
    [
        ({"interval": "{interval}"}, "interval", "leave this empty"),
        ({"solar": "{solar}"}, "solar", "leave this empty"),
        ({"clocked": "{clocked}"}, "clocked", "leave this empty"),
        ({"crontab": ""}, "crontab", "needs a crontab"),
        ({"crontab": "{both}"}, "crontab", "not both"),
        ({"expire_seconds": "60"}, "expire_seconds", "ends at a moment"),
        (
            {"start_time_0": "2031-01-01", "start_time_1": "12:00"},
            "expires",
            "later than the start",
        ),
        ({"queue": "mine"}, "queue", "No worker has this queue"),
        ({"queue": "worker-4711"}, "queue", "No worker has this queue"),
        ({"queue": "other-1"}, "queue", "No worker has this queue"),
    ],
)
def test_what_a_schedule_cannot_be_is_refused_at_its_field(
    edit: dict[str, str], field: str, part: str
) -> None:
    client, schedule = superuser(), make_schedule(end=database_now() + timedelta(days=400))
    WorkerFactory.create(pk=1)
    rows = {
        "interval": beat.IntervalSchedule.objects.create(every=1, period="hours"),
        "solar": beat.SolarSchedule.objects.create(event="sunset", latitude=39, longitude=32),
        "clocked": beat.ClockedSchedule.objects.create(clocked_time=database_now()),
        "both": beat.CrontabSchedule.objects.create(day_of_month="1", day_of_week="1"),
    }
    chosen = {
        name: value.format(**{n: row.pk for n, row in rows.items()}) for name, value in edit.items()
    }
    data = read_task_form(client, schedule)

    answer = client.post(task_page(schedule), data | chosen)

    assert answer.status_code == 200
    assert part in errors_of(answer)[field][0]
    assert Schedule.objects.get().quartz == FRIDAYS
