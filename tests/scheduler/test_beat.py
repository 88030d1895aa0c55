"""A beat rings, proves life by finished ticks, and outlives an outage of the database."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.db.models.functions import Now
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from processes import queueing
from processes.models import Run
from scheduler import beat as beat_module
from scheduler.beat import TICK_SECONDS, BeatProgram, Scheduler
from scheduler.models import Beat, Fire, Schedule
from tests.factories import RunFactory, WorkerNodeFactory, make_due_schedule, make_schedule
from tests.outage import database_away

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def beat() -> Iterator[Scheduler]:
    """Return the scheduler of a beat process."""
    scheduler = Scheduler(app=current_app)
    yield scheduler
    scheduler._finalize.cancel()


def make_due_again(beat: Scheduler) -> None:
    """Let the beat take its sweep and its proof of life as due."""
    beat._sweep._next = float("-inf")


def test_finished_tick_proves_life(beat: Scheduler) -> None:
    delay = beat.tick()

    assert 0 <= delay <= TICK_SECONDS
    assert Beat.objects.online().count() == 1


def test_beat_that_goes_on_is_one_beat(beat: Scheduler) -> None:
    beat.tick()
    Beat.objects.update(last_tick_at=Now() - timedelta(minutes=5))
    assert not Beat.objects.online().exists()

    make_due_again(beat)
    beat.tick()

    assert Beat.objects.online().count() == Beat.objects.count() == 1


def test_beat_that_stops_in_good_order_is_offline_at_once(beat: Scheduler) -> None:
    beat.tick()

    beat.close()

    assert not Beat.objects.online().exists()
    assert Beat.objects.get().stopped_at is not None


def test_outage_costs_the_tick_its_work_and_never_the_beat_its_life(beat: Scheduler) -> None:
    beat.tick()
    Beat.objects.all().delete()
    make_due_again(beat)
    with database_away():
        waits = [beat.tick() for _ in range(3)]

    make_due_again(beat)
    beat.tick()

    assert all(0 < wait <= TICK_SECONDS for wait in waits)
    assert Beat.objects.online().count() == 1


def test_sweep_ends_runs_whose_worker_died(beat: Scheduler) -> None:
    RunFactory.create(running=True, lease_expires_at=Now() - timedelta(seconds=1))

    beat.tick()

    assert Run.objects.get().reason == Run.Reason.WORKER_LOST


def test_nodes_may_extend_their_leases_after_an_outage_before_runs_are_ended(
    beat: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    RunFactory.create(running=True, lease_expires_at=Now() - timedelta(seconds=1))
    with database_away():
        beat.tick()

    make_due_again(beat)
    beat.tick()
    assert Run.objects.running().exists()

    monkeypatch.setattr(beat_module, "EXTENDED_AFTER_SECONDS", -1.0)
    make_due_again(beat)
    beat.tick()
    assert not Run.objects.running().exists()


@pytest.mark.parametrize("step", ["_fire", "_follow_switches"])
def test_database_that_stood_still_is_an_outage_too(
    beat: Scheduler, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    RunFactory.create(running=True, lease_expires_at=Now() - timedelta(seconds=1))
    monkeypatch.setattr(beat_module, "FROZEN_AFTER_SECONDS", 0.2)
    monkeypatch.setattr(beat, step, lambda: time.sleep(0.3))

    beat.tick()

    assert Run.objects.running().exists()


def test_database_that_stood_still_before_it_named_the_abandoned_runs_is_one(
    beat: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    RunFactory.create(running=True, lease_expires_at=Now() - timedelta(seconds=1))
    answers = iter([True, False])
    monkeypatch.setattr(beat, "_may_end_runs", lambda: next(answers))

    beat.tick()

    assert Run.objects.running().exists()


def test_outage_does_not_disturb_the_end(beat: Scheduler) -> None:
    with database_away():
        beat.close()

    assert not Beat.objects.exists()


def test_tick_does_not_touch_the_runs_themselves(beat: Scheduler) -> None:
    WorkerNodeFactory.create()
    RunFactory.create()
    before = Run.objects.values().get()

    beat.tick()

    assert Run.objects.values().get() == before


def make_housekeeping_task(**fields: object) -> PeriodicTask:
    """Return a task that is due every hour and was last sent two hours ago."""
    interval = IntervalSchedule.objects.create(every=1, period="hours")
    task: PeriodicTask = PeriodicTask.objects.create(
        name="Tidy up", task="scheduler.fold_ledger", interval=interval
    )
    two_hours_ago = timezone.now() - timedelta(hours=2)
    PeriodicTask.objects.filter(pk=task.pk).update(last_run_at=two_hours_ago, **fields)
    return task


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the housekeeping tasks that any beat sends."""
    names: list[str] = []

    def send(name: str, *args: object, **options: object) -> bool:
        names.append(name)
        return True

    monkeypatch.setattr(beat_module, "send_task", send)
    return names


def make_beat() -> Scheduler:
    """Return one more beat."""
    scheduler = Scheduler(app=current_app)
    scheduler._finalize.cancel()
    return scheduler


def test_tick_claims_what_is_due(beat: Scheduler) -> None:
    make_due_schedule()

    beat.tick()

    assert Fire.objects.get().outcome == "ran"
    assert Run.objects.count() == 1


def test_ticks_fall_on_half_seconds_of_the_databases_clock(beat: Scheduler) -> None:
    make_schedule()
    beat.tick()
    beat._clock_ahead += 0.3

    wait = beat._until_next_tick()

    lands_at = (timezone.now().timestamp() + beat._clock_ahead + wait) % TICK_SECONDS
    assert lands_at < 0.05


def test_beat_keeps_no_schedule_in_memory(beat: Scheduler) -> None:
    make_schedule(name="A plan")
    make_housekeeping_task()

    names = {entry.name for entry in Scheduler(app=current_app).schedule.values()}

    assert "Tidy up" in names
    assert "A plan" not in names


@pytest.mark.parametrize("last_change", [None, timedelta(minutes=1)])
def test_change_of_a_housekeeping_task_is_noticed(
    beat: Scheduler, last_change: timedelta | None
) -> None:
    PeriodicTasks.objects.all().delete()
    if last_change:  # by a host whose clock is ahead
        PeriodicTasks.objects.create(ident=1, last_update=timezone.now() + last_change)
    beat.tick()
    make_housekeeping_task()

    beat.tick()

    assert "Tidy up" in beat.schedule


def test_every_beat_finds_a_housekeeping_task_due_and_one_sends_it(sent: list[str]) -> None:
    PeriodicTask.objects.all().delete()
    make_housekeeping_task()
    beats = [make_beat() for _ in range(3)]

    for each in beats * 2:
        each.tick()

    assert sent == ["scheduler.fold_ledger"]


def test_housekeeping_task_is_sent_again_after_its_period(sent: list[str]) -> None:
    PeriodicTask.objects.all().delete()
    task = make_housekeeping_task()
    beats = [make_beat(), make_beat()]
    for each in beats:
        each.tick()
    for each in beats:  # as if an hour had passed
        for event in each._heap:
            event.entry.last_run_at -= timedelta(hours=1)
        each._heap = [event._replace(time=0) for event in each._heap]
    earlier = timezone.now() - timedelta(hours=1)
    PeriodicTask.objects.filter(pk=task.pk).update(last_run_at=earlier)

    for each in beats:
        each.tick()

    assert sent == ["scheduler.fold_ledger"] * 2


def test_schedule_disabled_in_bulk_on_the_stock_page_is_disarmed_by_the_next_ticks(
    beat: Scheduler,
) -> None:
    schedule = make_schedule()
    beat.tick()
    PeriodicTask.objects.filter(plan=schedule).update(enabled=False)
    PeriodicTasks.update_changed()

    beat.tick()

    assert Schedule.objects.get().next_fire_time is None


def test_broker_that_is_away_holds_up_no_tick(beat: Scheduler) -> None:
    assert beat.producer is None


def test_beat_rings_for_all_as_soon_as_the_broker_answers_again(beat: Scheduler) -> None:
    node = WorkerNodeFactory.create()
    RunFactory.create(worker=node.worker, ready_at=timezone.now() - timedelta(hours=1))
    connection = current_app.connection_for_read()
    with connection, closing(connection.SimpleQueue(node.worker.queue)) as bells:
        beat.tick()
        beat.tick()
        in_two_ticks = bells.qsize()
        queueing.doorbell.be_silent()
        beat.tick()
        while_silent = bells.qsize()
        queueing.doorbell.be_loud()
        beat.tick()
        afterwards = bells.qsize()

    assert (in_two_ticks, while_silent, afterwards) == (1, 1, 2)


def test_signal_lets_a_tick_finish_and_ends_the_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    program = BeatProgram(app=current_app, quiet=True)
    service: Any = program.Service(app=current_app, scheduler_cls=Scheduler)
    stored: list[bool] = []

    def claim() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        stored.append(Beat.objects.filter(stopped_at__isnull=False).exists())
        return 0

    service.scheduler.tick()
    monkeypatch.setattr(service.scheduler, "_fire", claim)
    try:
        program.install_sync_handler(service)
        service.start()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        service.scheduler._finalize.cancel()

    assert stored == [False]
    assert Beat.objects.get().stopped_at is not None
