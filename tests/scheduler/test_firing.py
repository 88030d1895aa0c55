"""Due schedules are claimed: runs, ledger and next fire times in one transaction, once."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from processes import queueing
from processes.models import Run, Worker
from scheduler import firing
from scheduler.clock import database_now
from scheduler.firing import fire_due_schedules
from scheduler.models import Fire, Schedule
from tests.at_once import run_at_once
from tests.factories import (
    ProcessModelFactory,
    RunFactory,
    WorkerFactory,
    make_due_schedule,
    make_schedule,
    move_back,
)

pytestmark = pytest.mark.django_db
EVERY_SECOND = "* * * * * ?"


def test_due_schedule_makes_one_run_with_everything_the_plan_says() -> None:
    worker = WorkerFactory.create()
    schedule = make_due_schedule(
        timedelta(seconds=1),
        values={"city": "İstanbul"},
        worker=worker,
        retry_count=2,
        retry_delay=timedelta(seconds=7),
        priority=80,
        name="Every morning",
    )
    Schedule.objects.update(owner="client:1")

    claimed = fire_due_schedules()

    run = Run.objects.get()
    assert claimed == 1
    assert (run.status, run.process_model, run.values) == (
        "WAITING",
        schedule.process_model,
        {"city": "İstanbul"},
    )
    assert (run.worker, run.retry_count, run.retry_delay) == (worker, 2, timedelta(seconds=7))
    assert (run.priority, run.owner, run.schedule_id) == (80, "client:1", schedule.pk)
    assert run.requested_by == "Schedule: Every morning"
    assert run.ready_at == schedule.next_fire_time
    assert run.ready_at <= run.created_at
    fire = Fire.objects.get()
    assert (fire.schedule, fire.fire_time, fire.outcome, fire.run) == (
        schedule,
        schedule.next_fire_time,
        "ran",
        run,
    )


def test_next_fire_time_lies_after_the_last_one_settled() -> None:
    schedule = make_schedule(EVERY_SECOND)
    move_back(schedule, timedelta(seconds=3))

    fire_due_schedules()

    schedule.refresh_from_db()
    newest = schedule.fires.newest_first()[0].fire_time
    assert schedule.next_fire_time == newest + timedelta(seconds=1)
    assert schedule.fires.count() == Run.objects.count() >= 4


def test_nothing_due_is_nothing_done() -> None:
    make_schedule()

    assert fire_due_schedules() == 0
    assert not Run.objects.exists()


def test_what_is_settled_is_never_fired_again() -> None:
    schedule = make_schedule(EVERY_SECOND)
    moment = move_back(schedule, timedelta(seconds=5))
    Schedule.objects.update(settled_until=moment + timedelta(seconds=3))

    fire_due_schedules()

    first = schedule.fires.order_by("fire_time")[0]
    assert first.fire_time == moment + timedelta(seconds=4)


def test_settled_is_the_last_fire_time_of_the_ledger() -> None:
    schedule = make_schedule(EVERY_SECOND, misfire="skip")
    move_back(schedule, timedelta(hours=1))

    fire_due_schedules()

    schedule.refresh_from_db()
    assert schedule.settled_until == schedule.fires.get().last_fire_time


def test_run_for_no_worker_goes_to_the_default_of_the_process_model() -> None:
    worker = WorkerFactory.create()
    make_due_schedule(process_model=ProcessModelFactory.create(default_worker=worker))

    fire_due_schedules()

    assert Run.objects.get().worker == worker


def test_run_once_is_disabled_by_its_run() -> None:
    schedule = make_schedule(EVERY_SECOND, run_once=True)
    move_back(schedule, timedelta(seconds=2))

    fire_due_schedules()
    fire_due_schedules()

    schedule.refresh_from_db()
    assert schedule.next_fire_time is None
    assert not PeriodicTask.objects.get(plan=schedule).enabled
    assert Run.objects.count() == 1


def test_disabled_process_model_makes_no_run_and_a_row_that_says_so() -> None:
    make_due_schedule(process_model=ProcessModelFactory.create(enabled=False))

    fire_due_schedules()

    assert Fire.objects.get().outcome == "skipped_disabled"
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("overlap", "unfinished", "made"),
    [("allow", 3, 1), ("skip", 0, 1), ("skip", 1, 0), ("queue", 1, 1), ("queue", 2, 0)],
)
def test_overlap_policy_looks_at_the_runs_of_the_same_schedule(
    overlap: str, unfinished: int, made: int
) -> None:
    schedule = make_due_schedule(overlap=overlap)
    RunFactory.create_batch(unfinished, schedule_id=schedule.pk)
    RunFactory.create(schedule_id=schedule.pk, succeeded=True)
    RunFactory.create_batch(3, running=True)
    before = Run.objects.count()

    fire_due_schedules()

    assert Run.objects.count() - before == made
    assert Fire.objects.get().outcome == ("ran" if made else "skipped_overlap")


def test_queued_run_waits_for_the_one_before_it() -> None:
    schedule = make_due_schedule(overlap="queue")
    earlier = RunFactory.create(running=True, schedule_id=schedule.pk)

    fire_due_schedules()

    queued = Run.objects.exclude(pk=earlier.pk).get()
    assert queued.waits_for == earlier.pk
    assert list(Run.objects.claimable_by(WorkerFactory.create().pk)) == []
    Run.objects.filter(pk=earlier.pk).update(
        status="SUCCEEDED", finished_at=timezone.now(), lease_token=None, lease_expires_at=None
    )
    assert list(Run.objects.claimable_by(Worker.objects.get().pk)) == [queued]


def test_pause_that_is_over_is_forgotten() -> None:
    schedule = make_due_schedule()
    now = database_now()
    Schedule.objects.update(
        paused_at=now - timedelta(hours=1), paused_until=now - timedelta(minutes=1)
    )

    fire_due_schedules()

    schedule.refresh_from_db()
    assert (schedule.paused_at, schedule.paused_until) == (None, None)
    assert Fire.objects.get().outcome == "ran"


def test_broken_schedule_is_disarmed_with_its_error_and_the_others_go_on() -> None:
    broken, sound = make_due_schedule(), make_due_schedule()
    Schedule.objects.filter(pk=broken.pk).update(quartz="0 0 25 * * ?")

    assert fire_due_schedules() == 2

    broken.refresh_from_db()
    assert broken.next_fire_time is None
    assert "hour" in broken.error
    assert Run.objects.get().schedule_id == sound.pk


@pytest.mark.django_db(transaction=True)
def test_schedule_that_the_database_refuses_is_disarmed_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken, sound = make_due_schedule(), make_due_schedule()
    make_run = firing._make_run

    def refused_for_one(claim: firing.Claim, *args: Any) -> Run:
        run = make_run(claim, *args)
        run.priority = 100 if claim.schedule.pk == broken.pk else 50
        return run

    monkeypatch.setattr(firing, "_make_run", refused_for_one)

    fire_due_schedules()

    broken.refresh_from_db()
    assert broken.next_fire_time is None
    assert "run_priority_in_range" in broken.error
    assert Run.objects.get().schedule_id == sound.pk


@pytest.mark.django_db(transaction=True)
def test_beats_at_once_fire_each_time_once() -> None:
    for _ in range(30):
        make_due_schedule()

    run_at_once(lambda: [fire_due_schedules(limit=7) for _ in range(8)], threads=4)

    assert Fire.objects.count() == Run.objects.count() == 30
    assert Fire.objects.values("run").distinct().count() == 30


@pytest.mark.django_db(transaction=True)
def test_schedule_that_another_beat_has_locked_is_left_to_it() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time; the other one waits.")
    locked, free = make_due_schedule(), make_due_schedule()

    with transaction.atomic():
        Schedule.objects.locked().get(pk=locked.pk)
        (claimed,) = run_at_once(fire_due_schedules, threads=1)

    assert claimed == 1
    assert Run.objects.get().schedule_id == free.pk


@pytest.mark.django_db(transaction=True)
def test_workers_are_rung_for_after_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[tuple[int, bool]] = []

    def ring(runs: list[Run]) -> int:
        rung.append((len(runs), connection.in_atomic_block))
        return 0

    monkeypatch.setattr(queueing, "ring_for_runs", ring)
    make_due_schedule()

    fire_due_schedules()

    assert rung == [(1, False)]


def test_batch_takes_as_many_queries_for_two_as_for_twenty(
    django_assert_num_queries: Any,
) -> None:
    expected = 12 if connection.vendor == "postgresql" else 11
    for _ in range(2):
        make_due_schedule(overlap="skip")
    with django_assert_num_queries(expected):
        fire_due_schedules()
    for _ in range(20):
        make_due_schedule(overlap="skip")

    with django_assert_num_queries(expected):
        fire_due_schedules()


def test_batch_of_many_rows_of_the_ledger_is_stored_whole() -> None:
    for _ in range(110):
        move_back(make_schedule("0 * * * * ?", misfire="skip"), timedelta(minutes=95))

    assert fire_due_schedules() == 110

    assert Fire.objects.count() >= 110 * 94
    assert not Run.objects.exists()


def test_batch_of_many_missed_runs_ends_early_and_goes_on_with_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(firing, "MAX_RUNS_PER_BATCH", 150)
    until_now = {"end": database_now(), "misfire": "fire_all"}
    for _ in range(3):
        move_back(make_schedule("0 * * * * ?", **until_now), timedelta(hours=3))

    claimed = [fire_due_schedules(), fire_due_schedules()]

    assert claimed == [2, 1]
    assert Run.objects.count() == 300
