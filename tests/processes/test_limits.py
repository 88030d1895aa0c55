"""Limits of parallel runs hold whoever claims, and what waits for one keeps nobody else waiting."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from processes import nodes
from processes.claiming import _find_heads
from processes.execution import claim_run, complete_run, fail_run
from processes.models import ProcessModel, Run, RunAttempt, Worker
from processes.queueing import end_abandoned_runs
from tests.at_once import run_at_once
from tests.factories import ProcessModelFactory, RunFactory, WorkerFactory
from tests.plans import explain

LIMIT, CLAIMERS, RUNS = 3, 8, 200
STATEMENTS_WITHOUT_LIMIT = 4  # look, lock, take, attempt


def make_node(worker: Worker) -> nodes.Node:
    node = nodes.Node(worker.pk, concurrency=4)
    nodes.register_node(node)
    return node


def end(run: Run) -> None:
    complete_run(run, outputs={})


def claim_count(node: nodes.Node) -> int:
    """Return how many runs could be claimed until there was none."""
    count = 0
    while claim_run(node):
        count += 1
    return count


@pytest.fixture(params=["process model", "worker"])
def limited(request: pytest.FixtureRequest, worker: Worker) -> Any:
    """Return what has a limit, and is to be saved with another one."""
    return worker if request.param == "worker" else ProcessModelFactory.create()


@pytest.fixture
def make_runs(limited: Any) -> Callable[[int], list[Run]]:
    """Return a function that stores waiting runs which the limit counts."""

    def make(count: int) -> list[Run]:
        traits = {"process_model": limited} if isinstance(limited, ProcessModel) else {}
        return RunFactory.create_batch(count, **traits)

    return make


def set_limit(limited: Any, limit: int | None) -> None:
    type(limited).objects.filter(pk=limited.pk).update(max_parallel_runs=limit)


@pytest.mark.django_db
def test_no_more_runs_begin_than_the_limit_has_room_for(
    node: nodes.Node, limited: Any, make_runs: Any
) -> None:
    set_limit(limited, 2)
    make_runs(5)

    begun = [claim_run(node) for _ in range(4)]

    assert [bool(run) for run in begun] == [True, True, False, False]
    assert begun[0]
    end(begun[0])
    assert claim_count(node) == 1
    assert Run.objects.running().count() == 2


@pytest.mark.django_db
def test_run_that_failed_or_waits_for_its_retry_leaves_its_room(
    node: nodes.Node, limited: Any, make_runs: Any
) -> None:
    set_limit(limited, 1)
    make_runs(3)
    Run.objects.update(retry_count=1, retry_delay=timedelta(hours=1))

    for _ in range(3):
        run = claim_run(node)
        assert run
        assert claim_run(node) is None
        fail_run(run, error="no paper")

    assert Run.objects.waiting().filter(attempt=1).count() == 3


@pytest.mark.django_db
def test_limit_that_is_lowered_ends_nothing_and_begins_nothing(
    node: nodes.Node, limited: Any, make_runs: Any
) -> None:
    make_runs(6)
    begun = [claim_run(node) for _ in range(3)]

    set_limit(limited, 2)
    claimed_at_once = claim_run(node)
    for run in begun[:2]:
        assert run
        end(run)

    assert claimed_at_once is None
    assert Run.objects.running().count() == 1
    assert claim_count(node) == 1


@pytest.mark.django_db
def test_limit_that_is_taken_away_holds_nobody(
    node: nodes.Node, limited: Any, make_runs: Any
) -> None:
    set_limit(limited, 1)
    make_runs(4)
    assert claim_count(node) == 1

    set_limit(limited, None)

    assert claim_count(node) == 3


@pytest.mark.django_db
def test_limit_of_a_worker_counts_all_its_nodes_and_nobody_else_s(worker: Worker) -> None:
    set_limit(worker, 3)
    first, second = make_node(worker), make_node(worker)
    other = make_node(WorkerFactory.create())
    RunFactory.create_batch(10)

    assert [bool(claim_run(node)) for node in (first, second, first, second)] == [
        True,
        True,
        True,
        False,
    ]
    assert claim_count(other) == 7


@pytest.mark.django_db
def test_limit_of_a_process_model_counts_all_workers(worker: Worker) -> None:
    process_model = ProcessModelFactory.create(max_parallel_runs=2)
    first, second = make_node(worker), make_node(WorkerFactory.create())
    RunFactory.create_batch(5, process_model=process_model)

    assert [bool(claim_run(node)) for node in (first, second, second)] == [True, True, False]


@pytest.mark.django_db
def test_runs_behind_a_limit_that_is_reached_are_taken_best_first(node: nodes.Node) -> None:
    full, half = ProcessModelFactory.create_batch(2, max_parallel_runs=1)
    RunFactory.create_batch(3, process_model=full, priority=99)
    free = ProcessModelFactory.create()
    last = RunFactory.create(process_model=free, priority=10)
    second = RunFactory.create(process_model=half, priority=70)
    RunFactory.create(process_model=half, priority=60)
    third = RunFactory.create(process_model=free, priority=50)
    first = claim_run(node)

    claimed = [claim_run(node) for _ in range(4)]

    assert first
    assert first.process_model == full
    assert claimed == [second, third, last, None]


@pytest.mark.django_db
def test_run_whose_lease_ran_out_counts_until_its_end_is_recorded(
    node: nodes.Node, limited: Any, make_runs: Any
) -> None:
    set_limit(limited, 1)
    make_runs(2)
    lost = claim_run(node)
    Run.objects.running().update(lease_expires_at=Now() - timedelta(seconds=1))
    claimed_before = claim_run(node)

    end_abandoned_runs()
    claimed_after = claim_run(node)

    assert lost
    assert claimed_before is None
    assert claimed_after
    assert claimed_after != lost


@pytest.mark.django_db(transaction=True)
def test_claim_without_a_limit_takes_no_statement_more_than_before(node: nodes.Node) -> None:
    ProcessModelFactory.create(max_parallel_runs=1)  # of another one costs nothing either
    RunFactory.create_batch(2)

    with CaptureQueriesContext(connection) as found:
        assert claim_run(node)

    frame = {"BEGIN", "BEGIN IMMEDIATE", "COMMIT"}
    statements = [query["sql"] for query in found if query["sql"] not in frame]
    assert len(statements) == STATEMENTS_WITHOUT_LIMIT


@pytest.mark.django_db
def test_claim_beside_a_long_queue_at_its_limit_does_not_walk_through_it(
    node: nodes.Node,
) -> None:
    full = ProcessModelFactory.create(max_parallel_runs=1)
    Run.objects.bulk_create(RunFactory.build_batch(2_000, process_model=full, priority=99))
    RunFactory.create(running=True, process_model=full)
    for process_model in ProcessModelFactory.create_batch(20):
        done = RunFactory.build_batch(50, process_model=process_model, succeeded=True)
        waiting = RunFactory.build_batch(5, process_model=process_model)
        Run.objects.bulk_create([*done, *waiting])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    plan = explain(_find_heads(Run.objects.claimable_by(node.worker_id)))

    assert "run_claim_of_model" in plan
    assert "run_claim" not in plan.replace("run_claim_of_model", "")


class Watch:
    """Count in the database, time and again, how many runs are executed at once."""

    def __init__(self) -> None:
        self.most = 0
        self.looks = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    @contextmanager
    def watching(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join()

    def _watch(self) -> None:
        while not self._ended.is_set():
            self.most = max(self.most, Run.objects.running().count())
            self.looks += 1
            time.sleep(0.001)
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_eight_claimers_never_exceed_a_limit_of_three_and_finish_all_runs(
    worker: Worker, limited: Any
) -> None:
    set_limit(limited, LIMIT)
    process_model = limited if isinstance(limited, ProcessModel) else ProcessModelFactory.create()
    Run.objects.bulk_create(RunFactory.build_batch(RUNS, process_model=process_model))
    most = []

    def work() -> None:
        node = make_node(worker)
        while Run.objects.unfinished().exists():
            if run := claim_run(node):
                most.append(Run.objects.running().count())
                time.sleep(0.005)
                end(run)
            else:
                time.sleep(0.01)  # its bell will ring

    watch = Watch()
    with watch.watching():
        run_at_once(work, threads=CLAIMERS)

    assert watch.looks > 100
    assert max(watch.most, *most) <= LIMIT
    assert Run.objects.filter(status="SUCCEEDED", attempt=1).count() == RUNS
    assert RunAttempt.objects.count() == RUNS


@pytest.mark.django_db(transaction=True)
def test_start_does_not_wait_for_a_claim_that_holds_the_limit(limited: Any) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite lets one writer in at a time")
    set_limit(limited, 1)
    traits = (
        {"process_model": limited} if isinstance(limited, ProcessModel) else {"worker": limited}
    )
    started = threading.Event()

    def start() -> None:
        RunFactory.create(**traits)
        started.set()
        connections.close_all()

    with transaction.atomic():
        type(limited).objects.select_for_update(no_key=True).get(pk=limited.pk)
        thread = threading.Thread(target=start)
        thread.start()
        assert started.wait(10)
    thread.join()


@pytest.mark.django_db
def test_run_that_a_limit_counted_says_so(node: nodes.Node, limited: Any, make_runs: Any) -> None:
    set_limit(limited, 1)
    make_runs(1)
    counted = claim_run(node)
    set_limit(limited, None)
    make_runs(1)

    not_counted = claim_run(node)

    assert counted
    assert not_counted
    assert (counted.is_limited, not_counted.is_limited) == (True, False)
