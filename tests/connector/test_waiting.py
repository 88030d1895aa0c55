"""A status call says of every waiting run, in one sentence, what it waits for."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from connector.models import ApiClient
from processes.models import Run, Worker
from tests.conftest import Caller
from tests.factories import ProcessModelFactory, RunFactory, WorkerFactory, WorkerNodeFactory

AGO = timedelta(minutes=3)


def clock(moment: Any) -> str:
    local = timezone.localtime(moment)
    day = "" if local.date() == timezone.localdate() else f"{local:%Y-%m-%d} "
    return f"{day}{local:%H:%M:%S %Z}"


def worker_offline(run: Run) -> str:
    node = WorkerNodeFactory.create(worker=run.worker, last_seen_at=Now() - AGO)
    node.refresh_from_db()
    return f"worker 3 is offline since {clock(node.last_seen_at)}"


def worker_paused(run: Run) -> str:
    WorkerNodeFactory.create(worker=run.worker)
    Worker.objects.update(paused_at=Now(), pause_reason="new printer.")
    return f"worker 3 is paused since {clock(Worker.objects.get().paused_at)} (new printer)"


def worker_disabled(run: Run) -> str:
    WorkerNodeFactory.create(worker=run.worker)
    Worker.objects.update(enabled=False)
    return "worker 3 is disabled"


def worker_limit(run: Run) -> str:
    node = WorkerNodeFactory.create(worker=run.worker, concurrency=4)
    RunFactory.create_batch(2, running=True, node=node)
    Worker.objects.update(max_parallel_runs=2)
    return "the limit of 2 parallel runs of worker 3 is reached"


def process_model_limit(run: Run) -> str:
    WorkerNodeFactory.create(worker=run.worker)
    run.process_model.max_parallel_runs = 1
    run.process_model.save()
    other = WorkerNodeFactory.create()
    RunFactory.create(running=True, process_model=run.process_model, node=other)
    return "the limit of 1 parallel run of process model Pay is reached"


def process_model_disabled(run: Run) -> str:
    run.process_model.enabled = False
    run.process_model.save()
    return "process model Pay is disabled"


def retry_pending(run: Run) -> str:
    change(run, ready_at=Now() + AGO, reason=Run.Reason.RETRY_PENDING, message="No paper.")
    change(run, attempt=2, retry_count=3)
    return f"retry 2 of 3 is due at {clock(run.ready_at)}, after the error: No paper"


def not_yet_due(run: Run) -> str:
    change(run, ready_at=Now() + timedelta(days=2))
    return f"it is due at {clock(run.ready_at)}"


def overlap(run: Run) -> str:
    node = WorkerNodeFactory.create(worker=run.worker)
    earlier = RunFactory.create(running=True, node=node)
    change(run, waits_for=earlier.pk)
    return f"run {earlier.pk} of the same schedule has to finish first"


def change(run: Run, **fields: Any) -> None:
    Run.objects.filter(pk=run.pk).update(**fields)
    run.refresh_from_db()


@pytest.mark.parametrize(
    "arrange",
    [
        worker_offline,
        worker_paused,
        worker_disabled,
        worker_limit,
        process_model_limit,
        process_model_disabled,
        retry_pending,
        not_yet_due,
        overlap,
    ],
    ids=lambda arrange: arrange.__name__,
)
def test_waiting_run_says_what_it_waits_for(acme: Caller, arrange: Callable[[Run], str]) -> None:
    run = RunFactory.create(
        owner=f"client:{ApiClient.objects.get(name='acme').pk}",
        process_model=ProcessModelFactory.create(name="Pay"),
        worker=WorkerFactory.create(pk=3),
    )
    sentence = arrange(run)

    answer = acme.status(run.pk)

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "WAITING",
        "message": f"Your transaction is waiting: {sentence}.",
    }


def test_question_of_a_failed_attempt_is_not_ended_twice(acme: Caller) -> None:
    run = RunFactory.create(owner=f"client:{ApiClient.objects.get(name='acme').pk}")
    change(run, ready_at=Now() + AGO, reason=Run.Reason.RETRY_PENDING, message="Out of paper?")

    answer = acme.status(run.pk)

    assert answer.json()["message"].endswith("after the error: Out of paper?")
