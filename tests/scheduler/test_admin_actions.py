"""Pausing, resuming, running, skipping, switching, copying and deleting schedules in the admin."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from processes.models import Run
from scheduler.clock import database_now
from scheduler.models import Schedule
from tests.factories import ProcessModelFactory, RunFactory
from tests.scheduler.admin_pages import (
    LIST,
    browser_of,
    make_schedule,
    messages_of,
    next_fire_time,
    page_of,
    record,
    superuser,
)

pytestmark = pytest.mark.django_db
CONFIRMED = {"confirmed": "1"}


def select(client: Client, action: str, *schedules: Schedule, **more: Any) -> Any:
    chosen = [str(schedule.pk) for schedule in schedules]
    return client.post(LIST, {"action": action, "_selected_action": chosen} | more, follow=True)


@pytest.mark.parametrize(
    ("page", "consequence"),
    [
        ("pause", "make no run and are recorded as skipped"),
        ("resume", "nothing is caught up"),
        ("run", "One run of each is queued at once"),
        ("skip", "makes no run and is recorded as skipped"),
        ("enable", "from the first fire time after now"),
        ("disable", "record nothing"),
        ("duplicate", "It is disabled until somebody enables it"),
        ("delete", "will get 404. Their runs stay"),
    ],
)
def test_page_says_what_will_happen_and_does_nothing_yet(page: str, consequence: str) -> None:
    client, schedule = superuser(), make_schedule()
    before = Schedule.objects.values().get()

    asked = client.get(page_of(schedule, page)).content.decode()
    client.post(page_of(schedule, page))

    assert consequence.replace("'", "&#x27;") in asked
    assert "Every Friday" in asked
    assert Schedule.objects.values().get() == before
    assert not Run.objects.exists()
    assert not LogEntry.objects.exists()


def test_pause_takes_a_reason_and_an_end_in_the_schedules_zone() -> None:
    client, schedule = superuser(), make_schedule()

    answer = client.post(
        page_of(schedule, "pause"),
        CONFIRMED | {"reason": "Audit", "until": "2031-01-01T12:00"},
        follow=True,
    )

    schedule.refresh_from_db()
    assert answer.redirect_chain == [(page_of(schedule), 302)]
    assert messages_of(answer) == ["1 schedule was paused."]
    assert schedule.pause_reason == "Audit"
    assert schedule.paused_until == datetime(2031, 1, 1, 9, tzinfo=UTC)
    assert schedule.next_fire_time is not None
    assert "Audit" in LogEntry.objects.get().get_change_message()


@pytest.mark.parametrize(
    ("until", "refusal"), [("2026-01-01T00:00", "has passed"), ("soon", "Write a date")]
)
def test_pause_until_a_time_that_cannot_be_is_refused(until: str, refusal: str) -> None:
    client, schedule = superuser(), make_schedule()

    page = client.post(page_of(schedule, "pause"), CONFIRMED | {"reason": "Audit", "until": until})

    assert refusal in page.content.decode()
    assert 'value="Audit"' in page.content.decode()
    assert Schedule.objects.get().paused_at is None


def test_end_of_a_pause_of_several_zones_is_in_the_sites_zone() -> None:
    client = superuser()
    schedules = [make_schedule("A"), make_schedule("B", time_zone="Europe/Berlin")]

    asked = select(client, "pause", *schedules).content.decode()
    select(client, "pause", *schedules, until="2031-01-01T12:00", **CONFIRMED)

    ends = set(Schedule.objects.values_list("paused_until", flat=True))
    assert "In UTC." in asked
    assert ends == {datetime(2031, 1, 1, 12, tzinfo=UTC)}


def test_resume_ends_a_pause() -> None:
    client, schedule = superuser(), make_schedule()
    Schedule.objects.update(paused_at=timezone.now(), pause_reason="Audit")

    client.post(page_of(schedule, "resume"), CONFIRMED)

    schedule.refresh_from_db()
    assert (schedule.paused_at, schedule.pause_reason) == (None, "")


def test_run_now_queues_a_run_beside_the_plan() -> None:
    client, schedule = superuser(), make_schedule()

    client.post(page_of(schedule, "run"), CONFIRMED)

    run = Run.objects.get()
    assert (run.schedule_id, run.requested_by) == (schedule.pk, "ada")
    assert next_fire_time(schedule) == schedule.next_fire_time
    assert str(run.pk) in LogEntry.objects.get().get_change_message()


def test_skip_names_the_fire_time_and_skips_one_more_each_time() -> None:
    client, schedule = superuser(), make_schedule()
    first = schedule.next_fire_time
    assert first is not None

    asked = client.get(page_of(schedule, "skip")).content.decode()
    client.post(page_of(schedule, "skip"), CONFIRMED)
    client.post(page_of(schedule, "skip"), CONFIRMED)

    schedule.refresh_from_db()
    assert f"Fri {first:%Y-%m-%d} 06:06:00 +03" in asked
    assert schedule.skip_until == first + timedelta(days=7)
    assert "ada" in schedule.skip_reason


def test_enable_and_disable_arm_and_disarm() -> None:
    client, schedule = superuser(), make_schedule()

    client.post(page_of(schedule, "disable"), CONFIRMED)
    disarmed = next_fire_time(schedule)
    asked = client.get(page_of(schedule, "enable")).content.decode()
    client.post(page_of(schedule, "enable"), CONFIRMED)

    assert disarmed is None
    assert "next: Fri " in asked
    assert next_fire_time(schedule) == schedule.next_fire_time
    assert LogEntry.objects.count() == 2


def test_a_broken_plan_is_not_copied_but_told() -> None:
    client, schedule = superuser(), make_schedule()
    Schedule.objects.update(quartz="every Friday")

    answer = client.post(page_of(schedule, "duplicate"), CONFIRMED, follow=True)

    assert "The expression has 2 fields" in messages_of(answer)[0]
    assert Schedule.objects.count() == 1


def test_duplicate_is_disabled_and_opened() -> None:
    client, schedule = superuser(), make_schedule()

    answer = client.post(page_of(schedule, "duplicate"), CONFIRMED, follow=True)

    copy = Schedule.objects.exclude(pk=schedule.pk).get()
    assert answer.redirect_chain == [(page_of(copy), 302)]
    assert copy.periodic_task.name == "Every Friday (2)"
    assert (copy.periodic_task.enabled, copy.requested_by) == (False, "ada")
    assert LogEntry.objects.get().object_id == str(copy.pk)


def test_delete_takes_the_ledger_and_leaves_the_runs() -> None:
    client, schedule = superuser(), make_schedule()
    run = RunFactory.create(schedule_id=schedule.pk)
    record(schedule, timedelta(days=1), run=run)

    asked = client.get(page_of(schedule, "delete")).content.decode()
    answer = client.post(page_of(schedule, "delete"), CONFIRMED, follow=True)

    assert str(schedule.pk) in asked
    assert answer.redirect_chain == [(LIST, 302)]
    assert messages_of(answer) == ["1 schedule was deleted."]
    assert not Schedule.objects.exists()
    assert not PeriodicTask.objects.filter(name="Every Friday").exists()
    assert Run.objects.get() == run
    assert LogEntry.objects.get().object_repr == "Every Friday"


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("pause", "2 schedules were paused."),
        ("resume", "2 schedules were resumed."),
        ("run_now", "2 runs were queued."),
        ("skip_next", "The next fire times of 2 schedules will be skipped."),
        ("enable", "2 schedules were enabled."),
        ("disable", "2 schedules were disabled."),
        ("delete_selected", "2 schedules were deleted."),
    ],
)
def test_selection_is_asked_for_and_done(action: str, told: str) -> None:
    client = superuser()
    schedules = [make_schedule("A"), make_schedule("B")]
    make_schedule("C")

    asked = select(client, action, *schedules)
    nothing_yet = LogEntry.objects.count()
    answer = select(client, action, *schedules, **CONFIRMED)

    assert asked.template_name == "admin/confirm_action.html"
    assert nothing_yet == 0
    assert messages_of(answer) == [told]
    assert LogEntry.objects.count() == 2


def test_every_row_that_the_filters_find_is_carried_through_the_confirmation() -> None:
    client = superuser()
    schedules = [make_schedule("A"), make_schedule("B")]
    whole = {"select_across": "1"}

    asked = select(client, "disable", schedules[0], **whole).content.decode()
    select(client, "disable", schedules[0], **whole, **CONFIRMED)

    assert 'name="select_across" value="1"' in asked
    assert not Schedule.objects.filter(periodic_task__enabled=True).exists()


def test_refusal_names_the_schedule_and_the_others_go_on() -> None:
    client = superuser()
    off = make_schedule("Off", process_model=ProcessModelFactory.create(enabled=False))

    answer = select(client, "run_now", off, make_schedule("On"), **CONFIRMED)

    told = messages_of(answer)
    assert told == [
        f"Off: The process model {off.process_model.name} is disabled.",
        "1 run was queued.",
    ]
    assert LogEntry.objects.get().object_repr == "On"


def test_nothing_to_skip_is_told() -> None:
    client, schedule = superuser(), make_schedule(enabled=False)

    answer = client.post(page_of(schedule, "skip"), CONFIRMED, follow=True)

    assert messages_of(answer) == ["Every Friday: The schedule waits for no fire time."]


@pytest.mark.parametrize("page", ["skip", "enable"])
def test_confirmation_bears_a_plan_that_cannot_be_read(page: str) -> None:
    schedule = make_schedule()
    Schedule.objects.update(
        quartz="0 0 99 * * ?", skip_until=database_now() + timedelta(days=900), error="broken"
    )

    assert superuser().get(page_of(schedule, page)).status_code == 200


def test_long_selection_is_shortened() -> None:
    schedules = [make_schedule(str(number)) for number in range(52)]

    page = select(superuser(), "disable", *schedules).content.decode()

    assert "and 2 more" in page


def test_action_from_the_list_leads_back_to_it() -> None:
    client, schedule = superuser(), make_schedule()
    page = f"{page_of(schedule, 'disable')}?from=list"

    asked = client.get(page).content.decode()
    answer = client.post(page, CONFIRMED)

    assert f'href="{LIST}" class="ar-button ar-button-quiet"' in asked
    assert answer["Location"] == LIST


def test_buttons_are_those_that_fit_the_state() -> None:
    client, schedule = superuser(), make_schedule()

    armed = client.get(page_of(schedule)).content.decode()
    Schedule.objects.update(paused_at=timezone.now())
    paused = client.get(page_of(schedule)).content.decode()

    assert page_of(schedule, "pause") in armed
    assert page_of(schedule, "resume") not in armed
    assert page_of(schedule, "enable") not in armed
    assert page_of(schedule, "resume") in paused
    assert page_of(schedule, "pause") not in paused


PERMISSIONS = {
    "pause": "change",
    "resume": "change",
    "skip": "change",
    "enable": "change",
    "disable": "change",
    "run": "run",
    "duplicate": "add",
    "delete": "delete",
}


@pytest.mark.parametrize("page", PERMISSIONS)
def test_each_action_takes_its_permission(page: str) -> None:
    schedule = make_schedule()
    others = {"view", "add", "change", "delete", "run"} - {PERMISSIONS[page]}
    client = browser_of(*[f"scheduler.{verb}_schedule" for verb in others])

    answers = [client.get(page_of(schedule, page)), client.post(page_of(schedule, page), CONFIRMED)]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert Schedule.objects.count() == 1
    assert not Run.objects.exists()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("page", PERMISSIONS)
def test_each_action_needs_no_other_permission_than_its_own_and_to_view(page: str) -> None:
    client = browser_of("scheduler.view_schedule", f"scheduler.{PERMISSIONS[page]}_schedule")

    answer = client.post(page_of(make_schedule(), page), CONFIRMED)

    assert answer.status_code == 302
    assert LogEntry.objects.exists()


def test_actions_on_a_selection_are_offered_to_those_who_may() -> None:
    make_schedule()
    client = browser_of("scheduler.view_schedule", "scheduler.run_schedule")

    page = client.get(LIST).content.decode()

    assert 'value="run_now"' in page
    assert 'value="pause"' not in page
    assert 'value="delete_selected"' not in page


@pytest.mark.parametrize("page", ["pause", "run", "delete", "duplicate", "ledger"])
def test_unknown_schedule_is_not_found(page: str) -> None:
    client = superuser()

    assert client.get(f"{LIST}x/{page}/").status_code == 404
