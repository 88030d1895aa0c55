"""What happened is kept while the database is away."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from django.db import OperationalError, connection

from processes import nodes
from processes.execution import claim_run, execute_run, work_until_idle
from processes.executors.base import ProcessFailed
from processes.executors.context import RunContext
from processes.leases import LeaseKeeper
from processes.models import Run, RunAttempt, RunLog, WorkerNode
from tests.factories import RunFactory
from tests.outage import database_away, database_away_for
from tests.processes.conftest import Register, do_nothing

pytestmark = pytest.mark.django_db(transaction=True)


def succeed() -> dict[str, Any]:
    return {"x": "Ada"}


def fail() -> None:
    raise ProcessFailed("No paper.")


def execute_while_away(
    node: nodes.Node, register: Register, function: Callable[..., Any], *, seconds: float
) -> Run:
    """Claim a run and execute it with the database away from the function's first line on."""
    with ExitStack() as outage:

        def call(context: RunContext) -> Any:
            outage.enter_context(database_away_for(seconds))
            context.log("The database is away.")
            context.progress(1, 2)
            return function()

        call.__annotations__["return"] = function.__annotations__["return"]
        RunFactory.create(process_model=register(call))
        run = claim_run(node)
        assert run is not None
        execute_run(run)
    return Run.objects.get()


def test_outage_of_the_tests_is_one(node: nodes.Node) -> None:
    with database_away(), pytest.raises(OperationalError):
        WorkerNode.objects.update(pid=1)

    assert WorkerNode.objects.get().pid == node.pid


@pytest.mark.parametrize(
    ("function", "status", "outcome"),
    [(succeed, "SUCCEEDED", "succeeded"), (fail, "FAILED", "failed")],
)
def test_result_is_kept_through_an_outage(
    node: nodes.Node,
    register: Register,
    function: Callable[..., Any],
    status: str,
    outcome: str,
) -> None:
    run = execute_while_away(node, register, function, seconds=1.0)

    assert run.status == status
    assert RunAttempt.objects.get().outcome == outcome


def test_log_is_kept_through_an_outage(node: nodes.Node, register: Register) -> None:
    execute_while_away(node, register, succeed, seconds=1.0)

    assert RunLog.objects.get().text == "The database is away.\n"


def test_report_that_cannot_be_written_fails_no_run(node: nodes.Node, register: Register) -> None:
    def report(context: RunContext) -> dict[str, Any]:
        with database_away():
            context.log("away")
            context.progress(1, 2)
            context.progress(2, 2)
        return {"x": 1}

    RunFactory.create(process_model=register(report))
    run = claim_run(node)
    assert run is not None

    execute_run(run)

    run.refresh_from_db()
    assert (run.status, run.outputs) == ("SUCCEEDED", {"x": 1})


def test_connection_that_broke_during_the_run_costs_nothing(
    node: nodes.Node, register: Register
) -> None:
    def break_connection() -> None:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor, suppress(OperationalError):
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        else:
            connection.close()

    RunFactory.create(process_model=register(break_connection))
    run = claim_run(node)
    assert run is not None

    execute_run(run)

    run.refresh_from_db()
    assert run.status == "SUCCEEDED"


def test_worker_that_cannot_claim_goes_on_later(
    become_node: nodes.Node, register: Register
) -> None:
    RunFactory.create(process_model=register(do_nothing))
    with database_away():
        work_until_idle()

    work_until_idle()

    assert Run.objects.get().status == "SUCCEEDED"


def test_heartbeat_outlives_an_outage(node: nodes.Node) -> None:
    heartbeat = nodes.Heartbeat(node, LeaseKeeper(node))
    WorkerNode.objects.all().delete()
    with database_away():
        heartbeat._pulse()

    heartbeat._pulse()

    assert WorkerNode.objects.online().get().pk == node.boot_id
