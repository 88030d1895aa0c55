"""What a Prometheus server may scrape: read from the database at that moment.

So any number of web processes give the same answer, and a restart forgets nothing. There are no
totals: counting every run and fire ever would read whole tables, and retention would let such a
counter fall. Runs that have finished are left out, since no index serves a count of the last
minute's; of fires the ledger's last minute is counted.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import Error
from django.db.models import Count, Min, Sum
from django.db.models.functions import Now
from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from processes.models import Run, Worker
from scheduler.clock import database_now
from scheduler.deadline import Unanswered, call_within
from scheduler.health import DATABASE_SECONDS, judge
from scheduler.models import Fire, Schedule
from scheduler.vitals import Vitals, read_vitals

# Longer would read hundreds of thousands of rows where a thousand schedules fire a second.
FIRES_SINCE = timedelta(minutes=1)


def read_metrics() -> bytes:
    """Return the text of a scrape; without a database it says so and nothing else."""
    try:
        families = call_within(DATABASE_SECONDS, lambda: list(collect()))
    except (Error, Unanswered):
        families = [_database(0)]
    return write(families)


def collect() -> Iterator[GaugeMetricFamily]:
    """Measure everything. Raise django.db.Error when the database does not answer."""
    vitals = read_vitals()
    yield _database(1)
    yield _checks(vitals)
    yield from _runs()
    yield from _schedules(vitals)
    yield _fires()
    yield from _parts(vitals)


def write(families: list[GaugeMetricFamily]) -> bytes:
    """Return what was measured in Prometheus' text format."""
    return generate_latest(_Collected(families))


class _Collected(Collector):
    """Families that have been measured: a scrape that fails half-way must not be half an answer."""

    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> list[Any]:
        return self._families


def _database(answers: int) -> GaugeMetricFamily:
    return GaugeMetricFamily("arabica_database_up", "1 if the database answers.", value=answers)


def _checks(vitals: Vitals) -> GaugeMetricFamily:
    text = "1 if the part does its work: the checks of /readyz."
    return _labelled(
        "arabica_check_ok", text, "check", {check.name: check.ok for check in judge(vitals)}
    )


def _runs() -> Iterator[GaugeMetricFamily]:
    now = database_now()
    waiting = Run.objects.waiting().order_by().aggregate(n=Count("pk"), ready_at=Min("ready_at"))
    running = Run.objects.running().order_by().count()
    yield _labelled(
        "arabica_runs",
        "Runs that have not finished, by status.",
        "status",
        {Run.Status.WAITING.value: waiting["n"], Run.Status.RUNNING.value: running},
    )
    age = now - waiting["ready_at"] if waiting["ready_at"] else None
    yield _seconds(
        "arabica_run_oldest_waiting_seconds",
        "How long ago the oldest waiting run became ready, whatever it waits for; 0 without one.",
        max(age or timedelta(0), timedelta(0)),
    )


def _schedules(vitals: Vitals) -> Iterator[GaugeMetricFamily]:
    yield GaugeMetricFamily(
        "arabica_schedules_armed",
        "Schedules that wait for a fire time.",
        value=Schedule.objects.armed().order_by().count(),
    )
    yield _seconds(
        "arabica_schedule_late_seconds",
        "For how long the oldest due schedule has not been claimed; 0 without one.",
        vitals.fire_lateness or timedelta(0),
    )


def _fires() -> GaugeMetricFamily:
    rows = Fire.objects.filter(recorded_at__gt=Now() - FIRES_SINCE).order_by()
    counts = {outcome.value: 0 for outcome in Fire.Outcome}
    counts |= dict(rows.values_list("outcome").annotate(count=Sum("count")))
    return _labelled(
        "arabica_fires_last_minute",
        "Fire times that were settled in the last minute, by what became of them.",
        "outcome",
        counts,
    )


def _parts(vitals: Vitals) -> Iterator[GaugeMetricFamily]:
    workers = list(Worker.objects.order_by("pk").values_list("pk", flat=True))
    yield _by_worker("arabica_nodes_online", "Nodes that are online.", workers, vitals.nodes_online)
    yield _by_worker(
        "arabica_free_slots",
        "Runs that could begin now; none while the worker is paused or disabled.",
        workers,
        vitals.free_slots,
    )
    yield GaugeMetricFamily(
        "arabica_beats_online", "Beats that are online.", value=vitals.beats_online
    )
    yield GaugeMetricFamily(
        "arabica_leases_overdue",
        "Runs whose lease has run out and that nobody has ended.",
        value=vitals.leases_overdue,
    )
    yield _seconds(
        "arabica_lease_overdue_seconds",
        "For how long the oldest of them has been past its lease; 0 without one.",
        vitals.lease_overdue or timedelta(0),
    )
    yield _seconds(
        "arabica_queue_lag_seconds",
        "For how long the oldest run waits that a free slot could take; 0 without one.",
        vitals.queue_lag or timedelta(0),
    )
    yield from _ages(vitals)


def _ages(vitals: Vitals) -> Iterator[GaugeMetricFamily]:
    """Yield the ages that are nothing, not zero, before there was anything."""
    ages = [
        ("arabica_beat_last_tick_age_seconds", "tick of any beat", vitals.last_tick_age),
        (
            "arabica_node_last_heartbeat_age_seconds",
            "heartbeat of any node",
            vitals.last_heartbeat_age,
        ),
        (
            "arabica_broker_last_message_age_seconds",
            "message that reached a node which is online",
            vitals.last_message_age,
        ),
    ]
    for name, what, age in ages:
        if age is not None:
            yield _seconds(name, f"Age of the last {what}.", age)


def _seconds(name: str, text: str, age: timedelta) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=age.total_seconds())


def _by_worker(name: str, text: str, workers: list[int], counts: Counter[int]) -> GaugeMetricFamily:
    return _labelled(name, text, "worker", {str(worker): counts[worker] for worker in workers})


def _labelled(name: str, text: str, label: str, values: dict[str, Any]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], float(value))
    return family
