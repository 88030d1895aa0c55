"""Several people, and a beat, at one schedule at the same moment."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from processes.models import Run
from scheduler.clock import database_now
from scheduler.firing import fire_due_schedules
from scheduler.models import Fire, Schedule
from tests.at_once import run_at_once
from tests.scheduler.admin_pages import (
    make_schedule,
    page_of,
    read_form,
    read_task_form,
    superuser,
    task_page,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_edits_on_both_pages_at_once_are_both_stored() -> None:
    client, schedule = superuser(), make_schedule()
    own = read_form(client.get(page_of(schedule))) | {"priority": "70"}
    beats = read_task_form(client, schedule) | {"name": "Fridays"}
    posts: list[tuple[str, Any]] = [(page_of(schedule), own), (task_page(schedule), beats)]

    def post() -> int:
        address, data = posts.pop()
        other = Client()
        other.cookies = client.cookies
        status: int = other.post(address, data).status_code
        return status

    statuses = run_at_once(post, threads=2)

    schedule.refresh_from_db()
    assert statuses == [302, 302]
    assert (schedule.priority, schedule.periodic_task.name) == (70, "Fridays")


def test_edit_on_the_beats_page_while_a_beat_claims_makes_one_run() -> None:
    come = (database_now() - timedelta(seconds=30)).replace(microsecond=0)
    quartz = f"{come.second} {come.minute} {come.hour} * * ?"
    client, schedule = superuser(), make_schedule(quartz=quartz, time_zone="UTC")
    Schedule.objects.update(next_fire_time=come)
    data = read_task_form(client, schedule) | {"name": "Fridays"}
    work: list[Any] = [
        lambda: client.post(task_page(schedule), data).status_code,
        fire_due_schedules,
        fire_due_schedules,
    ]

    run_at_once(lambda: work.pop()(), threads=3)

    schedule.refresh_from_db()
    assert Fire.objects.get().fire_time == come
    assert Run.objects.get().schedule_id == schedule.pk
    assert schedule.periodic_task.name == "Fridays"
    assert schedule.next_fire_time == come + timedelta(days=1)
