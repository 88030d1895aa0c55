"""A waiting run always says why it waits."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from processes.models import Run
from processes.waiting import explain_wait
from tests.factories import RunFactory, WorkerFactory, WorkerNodeFactory

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def of_worker(**traits: object) -> Run:
    return RunFactory.create(worker=WorkerFactory.create(pk=3, **traits), ready_at=NOON)


def retry_pending() -> Run:
    return RunFactory.create(
        attempt=2,
        retry_count=3,
        reason=Run.Reason.RETRY_PENDING,
        message="No paper.",
        ready_at=NOON + timedelta(seconds=65),
    )


def worker_lost() -> Run:
    return RunFactory.create(
        attempt=1,
        reason=Run.Reason.WORKER_LOST,
        message="The worker was lost.",
        ready_at=NOON + timedelta(seconds=65),
    )


def postponed() -> Run:
    return RunFactory.create(ready_at=NOON + timedelta(days=1))


def process_model_disabled() -> Run:
    return RunFactory.create(process_model__name="Pay", process_model__enabled=False, ready_at=NOON)


def worker_disabled() -> Run:
    return of_worker(enabled=False)


def worker_paused() -> Run:
    return of_worker(paused_at=NOON - timedelta(minutes=1))


def worker_paused_for_a_reason() -> Run:
    return of_worker(paused_at=NOON - timedelta(minutes=1), pause_reason="new printer")


def worker_without_a_node() -> Run:
    return of_worker()


def worker_whose_nodes_are_gone() -> Run:
    run = of_worker()
    for minutes in (10, 2):
        seen = NOON - timedelta(minutes=minutes)
        WorkerNodeFactory.create(worker=run.worker, last_seen_at=seen)
    return run


def worker_busy() -> Run:
    run = of_worker()
    node = WorkerNodeFactory.create(worker=run.worker, concurrency=1)
    RunFactory.create(running=True, node=node)
    return run


def worker_free() -> Run:
    run = of_worker()
    node = WorkerNodeFactory.create(worker=run.worker, concurrency=2)
    RunFactory.create(running=True, node=node)
    RunFactory.create_batch(2, succeeded=True, node=node)
    return run


def nobody_online() -> Run:
    WorkerNodeFactory.create(offline=True)
    return RunFactory.create(ready_at=NOON)


def everybody_paused_or_disabled() -> Run:
    WorkerNodeFactory.create(worker__paused_at=NOON)
    WorkerNodeFactory.create(worker__enabled=False)
    return RunFactory.create(ready_at=NOON)


def everybody_busy() -> Run:
    node = WorkerNodeFactory.create(concurrency=1)
    WorkerNodeFactory.create(worker__paused_at=NOON)
    RunFactory.create(running=True, node=node)
    return RunFactory.create(ready_at=NOON)


def somebody_free() -> Run:
    WorkerNodeFactory.create(concurrency=1)
    return RunFactory.create(ready_at=NOON)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("make_run", "reason"),
    [
        (retry_pending, "retry 2 of 3 is due at 12:01:05 UTC, after the error: No paper."),
        (
            worker_lost,
            "retry 1 of 1 is due at 12:01:05 UTC, after a loss: The worker was lost.",
        ),
        (postponed, "it is due at 2026-11-24 12:00:00 UTC"),
        (process_model_disabled, "process model Pay is disabled"),
        (worker_disabled, "worker 3 is disabled"),
        (worker_paused, "worker 3 is paused since 11:59:00 UTC"),
        (worker_paused_for_a_reason, "worker 3 is paused since 11:59:00 UTC (new printer)"),
        (
            worker_without_a_node,
            "worker 3 has no node yet; start one with manage.py worker --id 3",
        ),
        (worker_whose_nodes_are_gone, "no node of worker 3 is online since 11:58:00 UTC"),
        (worker_busy, "worker 3 is busy"),
        (worker_free, "worker 3 has a free slot and has not taken it yet"),
        (nobody_online, "no worker is online"),
        (everybody_paused_or_disabled, "all workers that are online are paused or disabled"),
        (everybody_busy, "all workers are busy"),
        (somebody_free, "a worker has a free slot and has not taken it yet"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_reason_names_what_is_missing(make_run: Callable[[], Run], reason: str) -> None:
    run = make_run()
    run.refresh_from_db()

    with time_machine.travel(NOON, tick=False):
        assert explain_wait(run) == reason


@pytest.mark.django_db
@pytest.mark.parametrize("earlier_is_finished", [False, True])
def test_run_waits_for_an_earlier_one_until_that_is_finished(earlier_is_finished: bool) -> None:
    earlier = RunFactory.create(succeeded=earlier_is_finished)
    run = RunFactory.create(waits_for=earlier.pk)
    run.refresh_from_db()

    reason = explain_wait(run)

    if earlier_is_finished:
        assert reason == "no worker is online"
    else:
        assert reason == f"run {earlier.pk} of the same schedule has to finish first"
