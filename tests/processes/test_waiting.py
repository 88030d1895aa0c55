"""A waiting run always says why it waits."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from processes.models import ProcessModel, Run, Worker
from processes.waiting import WaitCode, explain_wait, explain_waits
from tests.factories import ProcessModelFactory, RunFactory, WorkerFactory, WorkerNodeFactory

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


def worker_drained() -> Run:
    run = of_worker()
    WorkerNodeFactory.create_batch(2, worker=run.worker, drain_requested_at=NOON)
    return run


def worker_at_its_limit() -> Run:
    run = of_worker(max_parallel_runs=2)
    node, other = WorkerNodeFactory.create_batch(2, worker=run.worker, concurrency=4)
    RunFactory.create(running=True, node=node)
    RunFactory.create(running=True, node=other)
    return run


def process_model_at_its_limit() -> Run:
    run = of_worker()
    node = WorkerNodeFactory.create(worker=run.worker, concurrency=2)
    limited = ProcessModelFactory.create(name="Pay", max_parallel_runs=1)
    RunFactory.create(running=True, process_model=limited, node=node)
    run.process_model = limited
    run.save()
    return run


def everybody_at_their_limit() -> Run:
    node = WorkerNodeFactory.create(worker__max_parallel_runs=1, concurrency=2)
    RunFactory.create(running=True, node=node)
    return RunFactory.create(ready_at=NOON)


def everybody_drained() -> Run:
    WorkerNodeFactory.create(drain_requested_at=NOON)
    return RunFactory.create(ready_at=NOON)


def retry_after_a_long_error() -> Run:
    run = retry_pending()
    run.message = "No paper.\nNor ink..."
    run.save()
    return run


CASES: list[tuple[Callable[[], Run], WaitCode, str]] = [
    (
        retry_pending,
        WaitCode.RETRY_PENDING,
        "retry 2 of 3 is due at 12:01:05 UTC, after the error: No paper",
    ),
    (
        retry_after_a_long_error,
        WaitCode.RETRY_PENDING,
        "retry 2 of 3 is due at 12:01:05 UTC, after the error: No paper. Nor ink",
    ),
    (
        worker_lost,
        WaitCode.RETRY_PENDING,
        "retry 1 of 1 is due at 12:01:05 UTC, after a loss: The worker was lost",
    ),
    (postponed, WaitCode.NOT_DUE, "it is due at 2026-11-24 12:00:00 UTC"),
    (process_model_disabled, WaitCode.MODEL_DISABLED, "process model Pay is disabled"),
    (worker_disabled, WaitCode.WORKER_DISABLED, "worker 3 is disabled"),
    (worker_paused, WaitCode.WORKER_PAUSED, "worker 3 is paused since 11:59:00 UTC"),
    (
        worker_paused_for_a_reason,
        WaitCode.WORKER_PAUSED,
        "worker 3 is paused since 11:59:00 UTC (new printer)",
    ),
    (
        worker_without_a_node,
        WaitCode.WORKER_WITHOUT_NODE,
        "worker 3 has no node yet; start one with manage.py worker --id 3",
    ),
    (
        worker_whose_nodes_are_gone,
        WaitCode.WORKER_OFFLINE,
        "worker 3 is offline since 11:58:00 UTC",
    ),
    (
        worker_drained,
        WaitCode.WORKER_DRAINED,
        "every node of worker 3 that is online is drained",
    ),
    (
        worker_at_its_limit,
        WaitCode.WORKER_LIMIT,
        "the limit of 2 parallel runs of worker 3 is reached",
    ),
    (
        process_model_at_its_limit,
        WaitCode.MODEL_LIMIT,
        "the limit of 1 parallel run of process model Pay is reached",
    ),
    (worker_busy, WaitCode.WORKER_BUSY, "worker 3 is busy"),
    (worker_free, WaitCode.BEING_CLAIMED, "worker 3 has a free slot and has not taken it yet"),
    (nobody_online, WaitCode.NO_WORKER_ONLINE, "no worker is online"),
    (
        everybody_paused_or_disabled,
        WaitCode.ALL_WORKERS_PAUSED,
        "all workers that are online are paused, disabled or drained",
    ),
    (
        everybody_drained,
        WaitCode.ALL_WORKERS_PAUSED,
        "all workers that are online are paused, disabled or drained",
    ),
    (
        everybody_at_their_limit,
        WaitCode.WORKER_LIMIT,
        "all workers are at their limit of parallel runs",
    ),
    (everybody_busy, WaitCode.WORKER_BUSY, "all workers are busy"),
    (somebody_free, WaitCode.BEING_CLAIMED, "a worker has a free slot and has not taken it yet"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("make_run", "code", "sentence"), CASES, ids=[c[0].__name__ for c in CASES]
)
def test_reason_names_what_a_person_has_to_act_on(
    make_run: Callable[[], Run], code: WaitCode, sentence: str
) -> None:
    run = make_run()
    run.refresh_from_db()

    wait = explain_waits([run], now=NOON)[run.pk]

    assert (wait.code, wait.sentence) == (code, sentence)


@pytest.mark.django_db
@pytest.mark.parametrize("earlier_is_finished", [False, True])
def test_run_waits_for_an_earlier_one_until_that_is_finished(earlier_is_finished: bool) -> None:
    WorkerNodeFactory.create()
    earlier = RunFactory.create(succeeded=earlier_is_finished)
    run = RunFactory.create(waits_for=earlier.pk)
    run.refresh_from_db()

    wait = explain_wait(run)

    if earlier_is_finished:
        assert wait.code == WaitCode.BEING_CLAIMED
    else:
        assert wait.code == WaitCode.EARLIER_RUN
        assert wait.sentence == f"run {earlier.pk} of the same schedule has to finish first"


@pytest.mark.django_db
def test_what_people_have_to_do_is_said_before_what_goes_by_itself() -> None:
    worker = WorkerFactory.create(pk=3, max_parallel_runs=1)
    node = WorkerNodeFactory.create(worker=worker)
    limited = ProcessModelFactory.create(max_parallel_runs=1)
    earlier = RunFactory.create(running=True, process_model=limited, node=node)
    run = RunFactory.create(worker=worker, process_model=limited, waits_for=earlier.pk)

    def look() -> WaitCode:
        return explain_wait(Run.objects.get(pk=run.pk)).code

    codes = [look()]
    for change in (
        {"waits_for": None},
        {"process_model": ProcessModelFactory.create()},
    ):
        Run.objects.filter(pk=run.pk).update(**change)
        codes.append(look())
    Worker.objects.update(paused_at=NOON)
    codes.append(look())
    Worker.objects.update(enabled=False)
    codes.append(look())
    ProcessModel.objects.update(enabled=False)
    codes.append(look())
    Run.objects.filter(pk=run.pk).update(ready_at=Now() + timedelta(hours=1))
    codes.append(look())

    assert codes == [
        WaitCode.EARLIER_RUN,
        WaitCode.MODEL_LIMIT,
        WaitCode.WORKER_LIMIT,
        WaitCode.WORKER_PAUSED,
        WaitCode.WORKER_DISABLED,
        WaitCode.MODEL_DISABLED,
        WaitCode.NOT_DUE,
    ]


@pytest.mark.django_db
def test_a_hundred_waiting_runs_take_as_many_statements_as_one_of_each_kind() -> None:
    earlier = RunFactory.create()
    for _ in range(2):
        worker = WorkerFactory.create(max_parallel_runs=1)
        WorkerNodeFactory.create(worker=worker)
        RunFactory.create(worker=worker, process_model__max_parallel_runs=2)
        RunFactory.create(worker=WorkerFactory.create(), waits_for=earlier.pk)
    few = list(Run.objects.select_related("process_model", "worker"))
    for _ in range(25):
        worker = WorkerFactory.create(max_parallel_runs=1)
        WorkerNodeFactory.create(worker=worker)
        RunFactory.create(worker=worker, process_model__max_parallel_runs=2)
        RunFactory.create(worker=WorkerFactory.create(), waits_for=earlier.pk)
        RunFactory.create(postponed=True)
        RunFactory.create(process_model__enabled=False)
    many = list(Run.objects.select_related("process_model", "worker"))

    with CaptureQueriesContext(connection) as for_few:
        explain_waits(few)
    with CaptureQueriesContext(connection) as for_many:
        explain_waits(many)

    assert len(many) > 100
    # Clock, earlier runs, limits of process models, nodes, limits of workers, last heartbeats.
    assert len(for_few) == len(for_many) == 6


@pytest.mark.django_db
def test_times_are_compared_by_the_clock_of_the_database() -> None:
    run = RunFactory.create(postponed=True)
    run.refresh_from_db()

    with time_machine.travel(timezone.now() + timedelta(days=1)):
        wait = explain_wait(run)

    assert wait.code == WaitCode.NOT_DUE
