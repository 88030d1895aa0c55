"""A schedule that is changed just when it fires, or by two people at once."""

import threading
import time
from contextlib import suppress
from datetime import timedelta

import pytest
from celery import current_app
from django.db import OperationalError, connections, transaction
from django.db.models.functions import Now
from django_celery_beat.models import PeriodicTask

from scheduler import beat, switching
from scheduler.drafts import ScheduleDraft
from scheduler.firing import fire_due_schedules
from scheduler.models import Fire, Schedule
from scheduler.planning import change_schedule, changing, create_schedule, delete_schedules
from scheduler.switching import follow_switches
from tests.factories import ProcessModelFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def schedule() -> Schedule:
    """Return a schedule of every second."""
    return create_schedule(ScheduleDraft(ProcessModelFactory.create(), "* * * * * ?", "UTC"))


def switch_in_bulk(*, enabled: bool) -> None:
    """Do what an action on a selection of periodic tasks does."""
    PeriodicTask.objects.update(enabled=enabled)


def make_due(schedule: Schedule) -> None:
    """Let a fire time have come."""
    Schedule.objects.filter(pk=schedule.pk).update(next_fire_time=Now() - timedelta(seconds=2))


def test_bulk_switch_off_and_on_leaves_a_schedule_armed(schedule: Schedule) -> None:
    make_due(schedule)
    switch_in_bulk(enabled=False)
    fire_due_schedules()
    switch_in_bulk(enabled=True)

    follow_switches()

    schedule.refresh_from_db()
    assert schedule.next_fire_time is not None


def test_schedule_deleted_while_switches_are_followed_holds_up_nobody(
    schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = create_schedule(ScheduleDraft(schedule.process_model, "* * * * * ?", "UTC"))
    switch_in_bulk(enabled=False)

    def delete_first(pk: object, **options: bool) -> object:
        delete_schedules([schedule.pk])
        return changing(pk, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(switching, "changing", delete_first)
    follow_switches()

    other.refresh_from_db()
    assert other.next_fire_time is None


def test_beat_follows_every_switch_of_a_large_selection(
    schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_schedule(ScheduleDraft(schedule.process_model, "* * * * * ?", "UTC"))
    switch_in_bulk(enabled=False)
    monkeypatch.setattr(beat, "follow_switches", lambda: follow_switches(limit=1))
    scheduler = beat.Scheduler(app=current_app)
    scheduler._finalize.cancel()

    for _ in range(3):
        scheduler.tick()

    assert not Schedule.objects.filter(was_enabled=True).exists()


def test_switch_that_met_an_outage_is_followed_by_the_next_tick(
    schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_in_bulk(enabled=False)
    scheduler = beat.Scheduler(app=current_app)
    scheduler._finalize.cancel()

    def fail() -> int:
        raise OperationalError("the database is away")

    with monkeypatch.context() as outage:
        outage.setattr(beat, "follow_switches", fail)
        scheduler.tick()
    scheduler.tick()

    assert not Schedule.objects.filter(was_enabled=True).exists()


def test_deleting_a_periodic_task_waits_for_the_beat_that_claims_it(schedule: Schedule) -> None:
    make_due(schedule)
    begun = threading.Event()

    def delete() -> None:
        begun.wait()
        schedule.periodic_task.delete()
        connections.close_all()

    thread = threading.Thread(target=delete)
    thread.start()
    with transaction.atomic():
        fires_before = Fire.objects.count()
        locked = Schedule.objects.locked().get(pk=schedule.pk)
        assert locked.next_fire_time is not None
        begun.set()
        time.sleep(0.3)  # until the other one waits
        Fire.objects.create(
            schedule=locked, fire_time=locked.next_fire_time, outcome=Fire.Outcome.MISSED
        )
    thread.join()

    assert fires_before == Fire.objects.count() == Schedule.objects.count() == 0


def test_page_and_edit_of_one_schedule_wait_for_one_another(schedule: Schedule) -> None:
    refused: list[str] = []
    both = threading.Barrier(2)

    def save_page() -> None:
        with transaction.atomic():
            task = PeriodicTask.objects.get(pk=schedule.periodic_task_id)
            task.save()

    def repeat(number: int) -> None:
        try:
            for turn in range(15):
                with suppress(threading.BrokenBarrierError):
                    both.wait(10)
                if number:
                    save_page()
                else:
                    change_schedule(schedule.pk, values={"turn": turn})
        except OperationalError as error:
            refused.append(str(error))
            both.abort()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=repeat, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert refused == []
