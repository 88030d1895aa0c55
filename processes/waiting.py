"""Why a waiting run waits, in a sentence people can act on."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from functools import cache
from uuid import UUID

from django.utils import timezone

from processes.models import Run, Worker, WorkerNode

# Of an attempt; the process model wants another one.
LOST = {Run.Reason.WORKER_LOST, Run.Reason.WORKER_STOPPED}


def explain_wait(run: Run) -> str:
    """Return why nobody executes the waiting `run` yet; times show their zone."""
    return explain_waits([run])[run.pk]


def explain_waits(runs: Iterable[Run]) -> dict[UUID, str]:
    """Return by id why each of the waiting `runs` waits; what they wait for is looked up once."""
    runs = list(runs)
    awaited = {run.waits_for for run in runs if run.waits_for}
    unfinished = set(_find_unfinished(awaited)) if awaited else set()
    explain_worker = cache(_explain_worker)
    return {run.pk: _explain(run, unfinished, explain_worker) for run in runs}


def _find_unfinished(ids: Collection[UUID]) -> Iterable[UUID]:
    return Run.objects.unfinished().filter(pk__in=ids).values_list("pk", flat=True)


def _explain(
    run: Run, unfinished: Collection[UUID], explain_worker: Callable[[Worker | None], str]
) -> str:
    if run.reason == Run.Reason.RETRY_PENDING and run.ready_at > timezone.now():
        return (
            f"retry {run.attempt} of {run.retry_count} is due at {_clock(run.ready_at)},"
            f" after the error: {run.message}"
        )
    if run.reason in LOST and run.ready_at > timezone.now():
        retries = max(run.retry_count, run.attempt)
        return (
            f"retry {run.attempt} of {retries} is due at {_clock(run.ready_at)},"
            f" after a loss: {run.message}"
        )
    if run.ready_at > timezone.now():
        return f"it is due at {_clock(run.ready_at)}"
    if run.waits_for in unfinished:
        return f"run {run.waits_for} of the same schedule has to finish first"
    if not run.process_model.enabled:
        return f"process model {run.process_model.name} is disabled"
    return explain_worker(run.worker)


def _explain_worker(worker: Worker | None) -> str:
    if worker is None:
        return _explain_any_worker()
    if not worker.enabled:
        return f"worker {worker.pk} is disabled"
    if worker.paused_at:
        reason = f" ({worker.pause_reason})" if worker.pause_reason else ""
        return f"worker {worker.pk} is paused since {_clock(worker.paused_at)}{reason}"
    online = WorkerNode.objects.online().filter(worker=worker)
    if online.exists():
        if online.count_free_slots().total():
            return f"worker {worker.pk} has a free slot and has not taken it yet"
        return f"worker {worker.pk} is busy"
    last = worker.nodes.order_by("-last_seen_at").first()
    if last is None:
        return (
            f"worker {worker.pk} has no node yet; start one with manage.py worker --id {worker.pk}"
        )
    return f"no node of worker {worker.pk} is online since {_clock(last.last_seen_at)}"


def _explain_any_worker() -> str:
    online = WorkerNode.objects.online()
    taking = online.taking_runs()
    if taking.exists():
        if taking.count_free_slots().total():
            return "a worker has a free slot and has not taken it yet"
        return "all workers are busy"
    if online.exists():
        return "all workers that are online are paused or disabled"
    return "no worker is online"


def _clock(moment: datetime) -> str:
    moment = timezone.localtime(moment)
    day = "" if moment.date() == timezone.localdate() else f"{moment:%Y-%m-%d} "
    return f"{day}{moment:%H:%M:%S %Z}"
