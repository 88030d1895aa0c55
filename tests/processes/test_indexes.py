"""The queries of a run's life find their rows by the index that was made for them."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from processes.models import ProcessModel, Run
from tests.factories import ProcessModelFactory, RunFactory, WorkerFactory, WorkerNodeFactory
from tests.plans import explain

pytestmark = pytest.mark.django_db
SOME_ID = uuid.UUID("0199c0de-0000-7000-8000-000000000001")


@pytest.fixture(autouse=True)
def many_runs() -> None:
    """Store finished runs of many, as in use, among which a few wait and a few are executed."""
    ProcessModelFactory.create(pk=1)
    wanted = _finished_runs(20, worker=WorkerFactory.create(pk=1), schedule_id=SOME_ID)
    models = ProcessModelFactory.create_batch(10)
    others = [run for model in models for run in _finished_runs(100, process_model=model)]
    Run.objects.bulk_create(wanted + others)
    node = WorkerNodeFactory.create(boot_id=SOME_ID)
    RunFactory.create_batch(5, process_model=models[0])
    RunFactory.create_batch(5, running=True, process_model=models[0], node=node)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _finished_runs(count: int, **traits: Any) -> list[Run]:
    traits = {"process_model": ProcessModel.objects.get(pk=1)} | traits
    made: list[Run] = RunFactory.build_batch(count, succeeded=True, **traits)
    return made


def claim() -> "QuerySet[Any, Any]":
    return Run.objects.claimable_by(1)


def count_of_ready_runs() -> "QuerySet[Any, Any]":
    return Run.objects.ready().order_by().values("worker")


def leases_of_a_node() -> "QuerySet[Any, Any]":
    return Run.objects.running().filter(node_id=SOME_ID).order_by()


def leases_that_ran_out() -> "QuerySet[Any, Any]":
    return Run.objects.abandoned().order_by("lease_expires_at")


def runs_of_a_process_model() -> "QuerySet[Any, Any]":
    return Run.objects.filter(process_model=1)[:50]


def runs_of_a_schedule() -> "QuerySet[Any, Any]":
    return Run.objects.filter(schedule_id=SOME_ID)[:50]


def runs_of_a_worker() -> "QuerySet[Any, Any]":
    return Run.objects.filter(worker=1)[:50]


@pytest.mark.parametrize(
    ("make_query", "index"),
    [
        (claim, "run_claim"),
        (count_of_ready_runs, "run_claim"),
        (leases_of_a_node, "run_leases_of_node"),
        (leases_that_ran_out, "run_lease_expiry"),
        (runs_of_a_process_model, "run_of_process_model"),
        (runs_of_a_schedule, "run_of_schedule"),
        (runs_of_a_worker, "run_of_worker"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_query_uses_the_index_made_for_it(
    make_query: Callable[[], "QuerySet[Any, Any]"], index: str
) -> None:
    plan = explain(make_query())

    assert index in plan
