"""What the rows say about the work done: read once, for readiness, metrics and the doctor.

Everything is compared with the database's clock. Each query is served by an index, and none reads
finished runs, so that what is asked every few seconds costs the same after years.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, Max, Min, OuterRef, Q
from django.db.models.functions import Now

from processes.models import Run, RunAttempt, Worker, WorkerNode
from scheduler.clock import database_now
from scheduler.models import Beat, Schedule

NODE_FIELDS = ("worker", "last_seen_at", "last_message_at")


@dataclass(frozen=True)
class Vitals:
    """Ages and counts of one moment; an age is None when there is nothing to be old."""

    beats_online: int
    beats_silent: int
    last_tick_age: timedelta | None
    nodes_online: Counter[int]
    nodes_silent: int
    last_heartbeat_age: timedelta | None
    last_message_age: timedelta | None
    free_slots: Counter[int]
    queue_lag: timedelta | None
    leases_overdue: int
    lease_overdue: timedelta | None
    fire_lateness: timedelta | None


def read_vitals() -> Vitals:
    """Look at the database. Raise django.db.Error when it does not answer."""
    now = database_now()
    beats = Beat.objects.online().aggregate(count=Count("pk"), at=Max("last_tick_at"))
    nodes = list(WorkerNode.objects.online().order_by().values_list(*NODE_FIELDS, named=True))
    heard = [node.last_message_at for node in nodes if node.last_message_at]
    free_slots = WorkerNode.objects.taking_runs().count_free_slots()
    leases_overdue, lease_expired_at = _find_overdue_leases()
    return Vitals(
        beats_online=beats["count"],
        beats_silent=count_silent_beats(),
        last_tick_age=_age(now, beats["at"] or _find_last_tick()),
        nodes_online=Counter(node.worker for node in nodes),
        nodes_silent=count_silent_nodes(),
        last_heartbeat_age=_age(
            now, max((node.last_seen_at for node in nodes), default=None) or _find_last_heartbeat()
        ),
        last_message_age=_age(now, max(heard, default=None)),
        free_slots=free_slots,
        queue_lag=_age(now, find_oldest_claimable(free_slots)),
        leases_overdue=leases_overdue,
        lease_overdue=_age(now, lease_expired_at),
        fire_lateness=_age(now, _find_oldest_due()),
    )


def _find_last_tick() -> datetime | None:
    found: datetime | None = Beat.objects.aggregate(at=Max("last_tick_at"))["at"]
    return found


def _find_last_heartbeat() -> datetime | None:
    found: datetime | None = WorkerNode.objects.aggregate(at=Max("last_seen_at"))["at"]
    return found


def count_silent_beats() -> int:
    """Count the beats that went without a word, and that no later one on their host replaces."""
    later = Beat.objects.filter(
        host=OuterRef("host"),
        started_at__gt=OuterRef("last_tick_at"),
        last_tick_at__gt=OuterRef("last_tick_at"),  # follows from the line before, and has an index
    )
    return Beat.objects.silent().exclude(Exists(later)).count()


def count_silent_nodes() -> int:
    """Count the nodes that went without a word, and that no later one of their worker replaces."""
    later = WorkerNode.objects.filter(
        worker=OuterRef("worker"),
        host=OuterRef("host"),
        started_at__gt=OuterRef("last_seen_at"),
        last_seen_at__gt=OuterRef("last_seen_at"),  # follows from the line before, and has an index
    )
    return WorkerNode.objects.silent().exclude(Exists(later)).count()


def find_oldest_claimable(free_slots: Counter[int]) -> datetime | None:
    """Return since when the oldest run is ready that one of `free_slots` could take.

    What waited for a limit counts from the last claim of all at most: between the end of one run and
    the claim of the next there is room for a moment, and nobody is at fault.
    """
    workers = [worker for worker, slots in free_slots.items() if slots]
    if not workers:
        return None
    runs = Run.objects.startable().within_limits()
    runs = runs.filter(Q(worker=None) | Q(worker__in=workers)).order_by()
    limited = _waits_for_limit(workers)
    found = runs.aggregate(
        at=Min("ready_at", filter=~limited), of_limited=Min("ready_at", filter=limited)
    )
    moments = [found["at"]]
    if found["of_limited"]:
        claims = RunAttempt.objects.order_by("-pk").values_list("started_at", flat=True)
        moments.append(max(found["of_limited"], claims.first() or found["of_limited"]))
    return min(filter(None, moments), default=None)


def _waits_for_limit(workers: list[int]) -> Q:
    """Return what tells runs that a limit may have kept waiting from the others."""
    limits = Worker.objects.filter(pk__in=workers).exclude(max_parallel_runs=None)
    with_limit = list(limits.values_list("pk", flat=True))
    limited = Q(process_model__max_parallel_runs__isnull=False) | Q(worker__in=with_limit)
    return limited | Q(worker=None) if len(with_limit) == len(workers) else limited


def _find_overdue_leases() -> tuple[int, datetime | None]:
    expired = Run.objects.running().filter(lease_expires_at__lt=Now()).order_by()
    found = expired.aggregate(count=Count("pk"), at=Min("lease_expires_at"))
    return found["count"], found["at"]


def _find_oldest_due() -> datetime | None:
    return Schedule.objects.due().values_list("next_fire_time", flat=True).first()


def _age(now: datetime, since: datetime | None) -> timedelta | None:
    """Return how long ago it was; never below zero, since rows change while they are read."""
    return None if since is None else max(now - since, timedelta(0))
