"""Crontabs, actions and deletions on django-celery-beat's own pages, where schedules are at stake."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_celery_beat import models as beat

from processes.models import Run
from processes.tasks import look
from scheduler.models import Schedule
from scheduler.switching import follow_switches
from tests.factories import ProcessModelFactory
from tests.scheduler.admin_pages import (
    TASKS,
    browser_of,
    make_schedule,
    messages_of,
    next_fire_time,
    record,
    superuser,
    task_page,
)

pytestmark = pytest.mark.django_db
CRONTABS = "/admin/django_celery_beat/crontabschedule/"


def test_crontab_of_a_schedule_is_only_shown_and_says_why() -> None:
    client, schedule = superuser(), make_schedule()
    page = f"{CRONTABS}{schedule.periodic_task.crontab_id}/"

    shown = client.get(f"{page}change/").content.decode()
    edited = client.post(f"{page}change/", {"minute": "1"})
    deleted = client.post(f"{page}delete/", {"post": "yes"})

    assert "cannot be changed or deleted" in shown
    assert 'name="minute"' not in shown
    assert (edited.status_code, deleted.status_code) == (403, 403)
    assert Schedule.objects.exists()


def test_crontabs_of_schedules_are_not_deleted_in_bulk() -> None:
    client, schedule = superuser(), make_schedule()

    client.post(
        CRONTABS,
        {
            "action": "delete_selected",
            "_selected_action": schedule.periodic_task.crontab_id,
            "post": "yes",
        },
    )

    assert Schedule.objects.exists()


def test_other_crontabs_can_be_edited() -> None:
    crontab = beat.CrontabSchedule.objects.create(minute="1")

    page = superuser().get(f"{CRONTABS}{crontab.pk}/change/").content.decode()

    assert 'name="minute"' in page


def test_page_puts_no_other_crontab_into_words() -> None:
    client, schedule = superuser(), make_schedule()
    client.get(task_page(schedule))
    with CaptureQueriesContext(connection) as with_few:
        client.get(task_page(schedule))
    for minute in range(30):
        beat.CrontabSchedule.objects.create(minute=str(minute), hour="1")

    with CaptureQueriesContext(connection) as with_many:
        page = client.get(task_page(schedule))

    assert len(with_many) == len(with_few)
    assert "readable_crontabs" not in page.context
    assert page.content.decode().count("Europe/Istanbul") < 5


def select(client: Client, action: str, *schedules: Schedule, **more: Any) -> Any:
    chosen = [schedule.periodic_task_id for schedule in schedules]
    data = {"action": action, "_selected_action": chosen} | more
    return client.post(TASKS, data, follow=True)


def test_run_selected_tasks_queues_runs_of_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    client, schedule = superuser(), make_schedule("Every Friday")
    off = make_schedule("Off", process_model=ProcessModelFactory.create(enabled=False))
    interval = beat.IntervalSchedule.objects.create(every=1, period="hours")
    other = beat.PeriodicTask.objects.create(name="Look", task="processes.look", interval=interval)
    sent: list[Any] = []
    monkeypatch.setattr(look, "apply_async", lambda **options: sent.append(options))
    chosen = [schedule.periodic_task_id, off.periodic_task_id, other.pk]

    answer = client.post(TASKS, {"action": "run_tasks", "_selected_action": chosen}, follow=True)

    run = Run.objects.get()
    told = " ".join(messages_of(answer))
    assert (run.schedule_id, run.requested_by) == (schedule.pk, "ada")
    assert "Every Friday: a run was queued." in told
    assert "Off: The process model" in told
    assert [options["headers"] for options in sent] == [{"periodic_task_name": "Look"}]


def test_run_selected_tasks_takes_the_permission_to_run() -> None:
    client = browser_of(
        "django_celery_beat.view_periodictask", "django_celery_beat.change_periodictask"
    )

    answer = select(client, "run_tasks", make_schedule())

    assert "You may not run schedules." in messages_of(answer)[0]
    assert not Run.objects.exists()


@pytest.mark.parametrize("action", ["enable_tasks", "disable_tasks", "toggle_tasks"])
def test_bulk_switches_are_followed(action: str) -> None:
    client, schedule = superuser(), make_schedule(enabled=action == "disable_tasks")

    select(client, action, schedule)
    follow_switches()

    assert (next_fire_time(schedule) is None) == (action == "disable_tasks")


def test_deleting_the_row_deletes_the_schedule_and_says_so() -> None:
    client, schedule = superuser(), make_schedule()
    record(schedule, timedelta(days=1))
    page = f"{TASKS}{schedule.periodic_task_id}/delete/"

    asked = client.get(page).content.decode()
    client.post(page, {"post": "yes"})

    assert "will get 404" in asked
    assert str(schedule.pk) in asked
    assert not Schedule.objects.exists()
    assert not beat.PeriodicTask.objects.filter(name="Every Friday").exists()


def test_rows_of_all_kinds_are_deleted_in_bulk() -> None:
    client, schedule = superuser(), make_schedule()
    interval = beat.IntervalSchedule.objects.create(every=1, period="hours")
    other = beat.PeriodicTask.objects.create(name="Look", task="processes.look", interval=interval)
    chosen = [schedule.periodic_task_id, other.pk]

    client.post(TASKS, {"action": "delete_selected", "_selected_action": chosen, "post": "yes"})

    assert not Schedule.objects.exists()
    assert not beat.PeriodicTask.objects.filter(pk__in=chosen).exists()


@pytest.mark.parametrize("page", ["change", "delete"])
def test_row_of_a_schedule_takes_the_right_to_the_schedule_too(page: str) -> None:
    client = browser_of(
        "django_celery_beat.change_periodictask", "django_celery_beat.delete_periodictask"
    )
    schedule = make_schedule()

    answer = client.post(f"{TASKS}{schedule.periodic_task_id}/{page}/", {"post": "yes"})

    assert answer.status_code == 403
    assert Schedule.objects.exists()
