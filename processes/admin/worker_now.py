"""What a worker does at this moment, in words and figures."""

from collections import Counter
from datetime import timedelta

from django.db.models import Count
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import ngettext

from processes.admin.run_filters import MAX_COUNTED, first_id_at
from processes.clock import database_now
from processes.models import Run, Worker
from processes.workforce import Crew, Workforce

MAX_SHOWN = 20


def show_now(worker: Worker) -> SafeString:
    """Return the panel of a worker; it asks for its successor every two seconds."""
    held = Run.objects.running().filter(node__worker=worker)
    shown = held.select_related("process_model", "node").order_by("started_at")
    runs = list(shown.defer("values", "outputs")[: MAX_SHOWN + 1])
    running = len(runs) if len(runs) <= MAX_SHOWN else held.count()
    crew = Workforce().crews.get(worker.pk)
    context = {
        "worker": worker,
        "state": describe_state(worker, crew, running),
        "busy": describe_slots(worker, crew, running),
        "queue": _describe_queue(worker),
        "last_day": _describe_last_day(worker),
        "runs": runs[:MAX_SHOWN],
        "is_cut": len(runs) > MAX_SHOWN,
    }
    return render_to_string("admin/processes/worker/now.html", context)


def describe_state(worker: Worker, crew: Crew | None, running: int) -> str:
    """Return in a sentence whether it takes runs, and what it still finishes if not."""
    if worker.enabled and worker.paused_at is None and not (crew and crew.nodes == crew.drained):
        if crew is None:
            return _now("Offline: no node of it is online.")
        return _now("It takes runs.")
    if not running:
        return _now("Drained: nothing runs, and it takes nothing.")
    text = ngettext(
        "It finishes its %(number)d running run and takes no more.",
        "It finishes its %(number)d running runs and takes no more.",
        running,
    )
    return text % {"number": running}


def describe_slots(worker: Worker, crew: Crew | None, running: int) -> str:
    """Return how many of its slots are busy, and its limit if it has one."""
    figures = {"busy": running, "slots": crew.slots if crew else 0}
    if worker.max_parallel_runs is None:
        return _now("%(busy)d of %(slots)d") % figures
    figures["limit"] = worker.max_parallel_runs
    return _now("%(busy)d of %(slots)d, limit %(limit)d") % figures


def count_queues() -> Counter[int | None]:
    """Return how many runs could begin, by the worker that they are meant for; None is any."""
    rows = Run.objects.startable().order_by().values_list("worker").annotate(count=Count("pk"))
    return Counter(dict(rows))


def _describe_queue(worker: Worker) -> str:
    queues = count_queues()
    own = ngettext("%(number)d run for it", "%(number)d runs for it", queues[worker.pk])
    own %= {"number": queues[worker.pk]}
    return _now("%(own)s, %(shared)d for any worker") % {"own": own, "shared": queues[None]}


def _describe_last_day(worker: Worker) -> str:
    """Count what was asked for in the last 24 hours; the newest 10,000, so that it never takes long."""
    since = first_id_at(database_now() - timedelta(days=1))
    runs = Run.objects.filter(pk__gte=since, node__worker=worker, finished_at__isnull=False)
    newest = list(runs.order_by("-pk").values_list("status", flat=True)[: MAX_COUNTED + 1])
    counts = Counter(newest)
    figures = {
        "succeeded": counts[Run.Status.SUCCEEDED],
        "failed": counts[Run.Status.FAILED],
        "cancelled": counts[Run.Status.CANCELLED],
    }
    if len(newest) > MAX_COUNTED:
        text = _now(
            "of the newest: %(succeeded)d succeeded, %(failed)d failed, %(cancelled)d cancelled"
        )
    else:
        text = _now("%(succeeded)d succeeded, %(failed)d failed, %(cancelled)d cancelled")
    return text % figures
