"""Changing a schedule in the admin: what the person changed is stored, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django_celery_beat.models import PeriodicTask

from processes.models import Run
from scheduler.clock import database_now
from scheduler.models import Fire, Schedule
from tests.scheduler.admin_pages import (
    DAILY,
    FRIDAYS,
    errors_of,
    inputs,
    make_invoices,
    make_schedule,
    messages_of,
    next_fire_time,
    page_of,
    read_form,
    superuser,
)

pytestmark = pytest.mark.django_db


def test_unchanged_form_changes_nothing() -> None:
    client = superuser()
    schedule = make_schedule(values={"text": " a\r\nb ", "number": 1})
    before = Schedule.objects.values().get()
    data = read_form(client.get(page_of(schedule)))

    answer = client.post(page_of(schedule), data, follow=True)

    assert "Nothing was changed." in messages_of(answer)[0]
    assert Schedule.objects.values().get() == before
    assert not LogEntry.objects.exists()


def test_edit_that_leaves_the_fire_times_alone_is_saved_at_once() -> None:
    client, schedule = superuser(), make_schedule()
    data = read_form(client.get(page_of(schedule)))

    answer = client.post(page_of(schedule), data | {"name": "Fridays", "overlap": "skip"})

    schedule.refresh_from_db()
    assert answer.status_code == 302
    assert (schedule.periodic_task.name, schedule.overlap) == ("Fridays", "skip")
    assert (
        LogEntry.objects.get().get_change_message()
        == "Changed Name and Overlap: the previous run is not finished."
    )


def test_edit_of_the_plan_shows_old_against_new_before_it_is_saved() -> None:
    client, schedule = superuser(), make_schedule()
    data = read_form(client.get(page_of(schedule))) | {"quartz": DAILY}

    asked = client.post(page_of(schedule), data)

    comparison = asked.context["comparison"]
    schedule.refresh_from_db()
    assert schedule.quartz == FRIDAYS
    assert [row.is_alone for row in comparison.before.rows] == [False] * 10
    assert sorted({row.is_alone for row in comparison.after.rows}) == [False, True]

    client.post(page_of(schedule), dict(asked.context["carried"]) | {"_confirmed": "1"})

    schedule.refresh_from_db()
    assert schedule.quartz == DAILY
    assert schedule.next_fire_time == comparison.after.rows[0].fire_time.utc


def test_comparison_leads_back_to_the_form_with_what_was_typed() -> None:
    client, schedule = superuser(), make_schedule()
    data = read_form(client.get(page_of(schedule))) | {"quartz": DAILY}

    form = client.post(page_of(schedule), data | {"_back": "1"})

    assert form.context["form"]["quartz"].value() == DAILY
    assert 'name="initial-quartz" value="0 6 6 ? * FRI"' in form.content.decode()
    assert Schedule.objects.get().quartz == FRIDAYS


def test_stale_form_does_not_enable_a_plan_that_finished_meanwhile() -> None:
    client, schedule = superuser(), make_schedule(run_once=True)
    data = read_form(client.get(page_of(schedule)))
    PeriodicTask.objects.update(enabled=False)
    Schedule.objects.update(next_fire_time=None, was_enabled=False)

    client.post(page_of(schedule), data | {"priority": "70"})

    schedule.refresh_from_db()
    assert schedule.priority == 70
    assert not schedule.periodic_task.enabled
    assert next_fire_time(schedule) is None


def test_stale_form_keeps_what_another_admin_changed_meanwhile() -> None:
    client, schedule = superuser(), make_schedule(values={"a": 1, "b": 1})
    data = read_form(client.get(page_of(schedule)))
    Schedule.objects.update(quartz=DAILY, retry_count=4)

    client.post(page_of(schedule), data | {"priority": "70"})

    schedule.refresh_from_db()
    assert (schedule.quartz, schedule.retry_count, schedule.priority) == (DAILY, 4, 70)


def test_fire_time_that_has_come_is_settled_by_the_old_plan() -> None:
    client, schedule = superuser(), make_schedule()
    come = (database_now() - timedelta(seconds=30)).replace(microsecond=0)
    Schedule.objects.update(
        quartz=f"{come.second} {come.minute} {come.hour} * * ?", time_zone="UTC"
    )
    Schedule.objects.update(next_fire_time=come)
    data = read_form(client.get(page_of(schedule))) | {"quartz": FRIDAYS, "_confirmed": "1"}

    client.post(page_of(schedule), data)

    assert Fire.objects.get().fire_time == come
    assert Run.objects.get().ready_at == come
    assert Schedule.objects.get().quartz == FRIDAYS


def test_another_zone_moves_start_and_end_with_it() -> None:
    client = superuser()
    schedule = make_schedule(start=datetime(2026, 12, 1, 0, 0, tzinfo=UTC), time_zone="UTC")
    data = read_form(client.get(page_of(schedule)))

    client.post(page_of(schedule), data | {"time_zone": "Europe/Istanbul", "_confirmed": "1"})

    schedule.refresh_from_db()
    assert schedule.periodic_task.start_time == datetime(2026, 11, 30, 21, tzinfo=UTC)


def test_only_the_value_that_was_changed_is_stored_anew() -> None:
    model, client = make_invoices(), superuser()
    values = {"company": "A", "dry_run": True, "day": "2026-01-01", "mode": "fast", "limit": 1}
    schedule = make_schedule(process_model=model, values=values)
    data = read_form(client.get(page_of(schedule)))
    Schedule.objects.update(values=values | {"limit": 2})

    client.post(page_of(schedule), data | inputs(model, company="B"))

    assert Schedule.objects.get().values == values | {"company": "B", "limit": 2}


def test_value_that_is_no_longer_declared_can_be_removed() -> None:
    model, client = make_invoices(), superuser()
    values = {"company": "A", "dry_run": True, "day": "2026-01-01", "mode": "fast", "old": 1}
    schedule = make_schedule(process_model=model, values=values)
    data = read_form(client.get(page_of(schedule)))

    refused = client.post(page_of(schedule), data | inputs(model, company="B"))
    client.post(page_of(schedule), data | {"other_values": ""})

    assert "'old' is not a value" in errors_of(refused)["other_values"][0]
    assert "old" not in Schedule.objects.get().values


def test_broken_schedule_can_be_mended() -> None:
    client, schedule = superuser(), make_schedule()
    Schedule.objects.update(quartz="0 0 0 31 2 32 ?", error="out of range", next_fire_time=None)
    page = client.get(page_of(schedule))
    data = read_form(page) | {"quartz": DAILY, "_confirmed": "1"}

    client.post(page_of(schedule), data)

    schedule.refresh_from_db()
    assert page.status_code == 200
    assert schedule.error == ""
    assert schedule.next_fire_time is not None


def test_schedule_that_was_deleted_meanwhile_is_told() -> None:
    client, schedule = superuser(), make_schedule()
    data = read_form(client.get(page_of(schedule)))
    PeriodicTask.objects.all().delete()

    answer = client.post(page_of(schedule), data, follow=True)

    assert answer.redirect_chain == [("/admin/", 302)]


def test_name_of_a_schedule_cannot_be_emptied() -> None:
    client, schedule = superuser(), make_schedule()
    data = read_form(client.get(page_of(schedule)))

    answer = client.post(page_of(schedule), data | {"name": ""})

    assert list(errors_of(answer)) == ["name"]
