"""Why a waiting run waits, in a sentence people can act on."""

from datetime import datetime

from django.utils import timezone

from processes.models import Run, Worker, WorkerNode


def explain_wait(run: Run) -> str:
    """Return why nobody executes the waiting `run` yet; times show their zone."""
    if run.reason == Run.Reason.RETRY_PENDING and run.ready_at > timezone.now():
        return (
            f"retry {run.attempt} of {run.retry_count} is due at {_clock(run.ready_at)},"
            f" after the error: {run.message}"
        )
    if run.ready_at > timezone.now():
        return f"it is due at {_clock(run.ready_at)}"
    if not run.process_model.enabled:
        return f"process model {run.process_model.name} is disabled"
    return _explain_worker(run.worker) if run.worker else _explain_any_worker()


def _explain_worker(worker: Worker) -> str:
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
