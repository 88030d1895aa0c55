"""Pausing, resuming, enabling, running by hand, and skipping the next fire time."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from processes.models import Run
from scheduler.clock import database_now
from scheduler.exceptions import CannotRun, NothingToSkip
from scheduler.firing import fire_due_schedules
from scheduler.models import Fire, Schedule
from scheduler.switching import (
    disable_schedule,
    enable_schedule,
    follow_switches,
    next_run_time,
    pause_schedule,
    resume_schedule,
    run_now,
    skip_next,
)
from tests.factories import (
    ProcessModelFactory,
    WorkerFactory,
    make_due_schedule,
    make_schedule,
)

pytestmark = pytest.mark.django_db


def test_paused_schedule_stays_armed_and_records_what_it_skips() -> None:
    schedule = make_due_schedule()
    pause_schedule(schedule.pk, reason="Year-end closing")

    fire_due_schedules()

    fire = Fire.objects.get()
    assert (fire.outcome, fire.reason) == ("skipped_paused", "Year-end closing")
    assert not Run.objects.exists()
    schedule.refresh_from_db()
    assert schedule.next_fire_time is not None


def test_resuming_makes_no_run_of_what_came_in_the_pause() -> None:
    schedule = make_due_schedule()
    pause_schedule(schedule.pk)

    resume_schedule(schedule.pk)
    fire_due_schedules()

    assert Fire.objects.get().outcome == "skipped_paused"
    assert not Run.objects.exists()
    schedule.refresh_from_db()
    assert (schedule.paused_at, schedule.paused_until, schedule.pause_reason) == (None, None, "")


def test_pause_keeps_its_beginning_when_its_end_is_changed() -> None:
    schedule = make_schedule()
    until = timezone.now() + timedelta(days=1)
    pause_schedule(schedule.pk, reason="first")
    began = Schedule.objects.get().paused_at

    pause_schedule(schedule.pk, reason="second", until=until)

    schedule.refresh_from_db()
    assert (schedule.paused_at, schedule.paused_until) == (began, until)
    assert schedule.pause_reason == "second"


def test_pause_that_is_over_begins_anew() -> None:
    schedule = make_schedule()
    old = database_now() - timedelta(days=2)
    Schedule.objects.update(paused_at=old, paused_until=old + timedelta(days=1))

    pause_schedule(schedule.pk)

    schedule.refresh_from_db()
    assert schedule.paused_at is not None
    assert schedule.paused_at > old + timedelta(days=1)
    assert schedule.paused_until is None


def test_disabling_and_enabling_turn_the_plan_off_and_on() -> None:
    schedule = make_schedule()

    disable_schedule(schedule.pk)
    off = Schedule.objects.get().next_fire_time
    enable_schedule(schedule.pk)

    assert off is None
    assert Schedule.objects.get().next_fire_time == datetime(2199, 1, 1, tzinfo=UTC)


def test_run_by_hand_leaves_plan_and_ledger_as_they_are() -> None:
    worker = WorkerFactory.create()
    schedule = make_schedule(worker=worker, values={"x": 1}, retry_count=3, priority=60)
    Schedule.objects.update(owner="client:1")
    before = Schedule.objects.values().get()

    run = run_now(schedule.pk, requested_by="ada")

    run.refresh_from_db()
    assert (run.schedule_id, run.values, run.worker) == (schedule.pk, {"x": 1}, worker)
    assert (run.retry_count, run.priority, run.owner) == (3, 60, "client:1")
    assert run.requested_by == "ada"
    assert Schedule.objects.values().get() == before
    assert not Fire.objects.exists()


def test_disabled_process_model_is_not_run_by_hand() -> None:
    schedule = make_schedule(process_model=ProcessModelFactory.create(enabled=False, name="Post"))

    with pytest.raises(CannotRun, match="Post is disabled"):
        run_now(schedule.pk, requested_by="ada")

    assert not Run.objects.exists()


def test_next_fire_time_is_skipped_on_request_each_time_one_more() -> None:
    schedule = make_schedule("0 0 0 1 1 ? 2190-2199")

    first = skip_next(schedule.pk, requested_by="ada")
    second = skip_next(schedule.pk, requested_by="ada")

    assert (first.year, second.year) == (2190, 2191)
    schedule.refresh_from_db()
    following = next_run_time(schedule)
    assert following is not None
    assert following.year == 2192


def test_skipped_fire_time_is_recorded_when_it_comes() -> None:
    schedule = make_due_schedule()
    Schedule.objects.update(skip_until=schedule.next_fire_time, skip_reason="Asked for by ada.")

    fire_due_schedules()

    fire = Fire.objects.get()
    assert (fire.outcome, fire.reason) == ("skipped_asked", "Asked for by ada.")
    schedule.refresh_from_db()
    assert (schedule.skip_until, schedule.skip_reason) == (None, "")


def test_skip_is_forgotten_with_the_plan_it_was_asked_for() -> None:
    schedule = make_schedule("0 0 0 1 1 ? 2190-2199")
    skip_next(schedule.pk, requested_by="ada")

    disable_schedule(schedule.pk)
    enable_schedule(schedule.pk)

    schedule.refresh_from_db()
    assert schedule.skip_until is None


def test_nothing_to_skip_is_told() -> None:
    schedule = make_schedule("0 0 0 1 1 ? 2000")

    with pytest.raises(NothingToSkip):
        skip_next(schedule.pk, requested_by="ada")


@pytest.mark.parametrize("enabled", [True, False])
def test_switching_in_bulk_is_followed(enabled: bool) -> None:
    schedule = make_schedule(enabled=not enabled)
    other = make_schedule()
    PeriodicTask.objects.filter(plan=schedule).update(enabled=enabled)

    followed = (follow_switches(), follow_switches())

    schedule.refresh_from_db()
    assert followed == (1, 0)
    assert (schedule.next_fire_time is not None) == enabled
    assert Schedule.objects.get(pk=other.pk).next_fire_time == other.next_fire_time


def test_schedule_disabled_in_bulk_makes_no_run_before_that_is_followed() -> None:
    schedule = make_due_schedule()
    PeriodicTask.objects.filter(plan=schedule).update(enabled=False)

    fire_due_schedules()

    assert not Run.objects.exists()
    schedule.refresh_from_db()
    assert schedule.next_fire_time is None


def test_plan_that_never_fires_is_not_looked_at_again_and_again() -> None:
    make_schedule("0 0 0 30 2 ?")

    assert follow_switches() == 0


def test_finished_run_once_is_not_armed_by_following() -> None:
    make_due_schedule(run_once=True)
    fire_due_schedules()

    assert follow_switches() == 0
    assert Schedule.objects.get().next_fire_time is None
