"""The broker killed, wiped, emptied, stopped, and down at start-up: starts go on, nothing is lost."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.db.models import Min
from django.utils import timezone

from processes.models import Run, RunAttempt, WorkerNode
from tests.faults.brokers import Broker, Embedded, RabbitMQ, Redis
from tests.faults.callers import Caller, percentile_95
from tests.faults.checker import check_runs
from tests.faults.conftest import SIZE, pick
from tests.faults.ground import Ground
from tests.faults.results import Result

KINDS: dict[str, Callable[[Path], Broker]] = {
    "redis": Redis,
    "amqp": RabbitMQ,
    "embedded": Embedded,
}
SCHEME = settings.CELERY_BROKER_URL.partition(":")[0]
STARTS = pick(short=100, long=200)
BEFORE = pick(short=30, long=60)  # starts
AWAY = pick(short=4.0, long=12.0)  # seconds
# In seconds; the embedded broker is never away, so there it is SQLite's matter.
START_P95 = 10.0 if SCHEME == "embedded" else pick(short=1.0, long=0.3)
SENT_WITHIN = 15.0  # seconds after the broker is back
SETTLED_WITHIN = 90.0
FAULTS_OF = {
    "redis": ["stopped", "killed", "wiped", "emptied", "down at start"],
    "amqp": ["killed", "stopped", "wiped", "emptied", "alarmed", "down at start"],
    "embedded": ["wiped", "emptied"],  # its file deleted under everybody
}
FAULTS = FAULTS_OF[SCHEME] if SIZE == "long" else FAULTS_OF[SCHEME][:1]
LONG_AWAY = 75.0  # seconds that it is killed for: Celery by itself would look every 20 by then


@pytest.fixture
def broker(ground: Ground, tmp_path: Path) -> Iterator[Broker]:
    """Return a broker of this test alone, not started yet."""
    broker = KINDS[SCHEME](tmp_path / "broker")
    ground.environment["CELERY_BROKER_URL"] = broker.url
    yield broker
    broker.kill()


@pytest.mark.parametrize("fault", FAULTS)
def test_starts_go_on_while_the_broker_is_away_and_are_sent_once_it_is_back(
    ground: Ground, broker: Broker, seed: int, fault: str
) -> None:
    ground.prepare()
    caller = Caller(ground)
    if fault != "down at start":
        broker.start()
    caller.start_web()
    ground.start("worker", "manage.py", "worker", "--id", "1", "--concurrency", "2")
    ground.start_beat()
    quiet = 0.0
    if fault != "down at start":
        quiet = caller.start_many(BEFORE, lasting=AWAY / 2)
        ground.wait_until(_is_quiet, "the first runs", "worker", seconds=SETTLED_WITHIN)

    _begin(fault, broker)
    away = LONG_AWAY if fault == "killed" and SIZE == "long" else AWAY
    for _ in range(4):
        caller.start_many(STARTS // 4, lasting=away / 4)
        if fault == "emptied":
            broker.empty()
    meanwhile = caller.taken[-STARTS:]
    p95, slowest_start = percentile_95(meanwhile), max(meanwhile)
    began = time.monotonic()
    _end(fault, broker)
    down_for = time.monotonic() - began  # a server takes a while to start
    back_at = timezone.now()
    ended = ground.wait_until(_is_quiet, "the runs of the outage", seconds=SETTLED_WITHIN)
    resumed = _find_first_start(back_at)
    settled_at = timezone.now()
    before = len(caller.started)
    caller.start_many(40, threads=1, lasting=4.0)
    ground.wait_until(_is_quiet, "the runs after the outage", seconds=SETTLED_WITHIN)

    # What the beat sends to every node goes another way than what is sent to one.
    ground.wait_until(lambda: _hears_since(settled_at), "the beat to be heard", seconds=SENT_WITHIN)

    ids = set(Run.objects.values_list("pk", flat=True))
    findings = check_runs(ground.journal.read(), ids)
    after = percentile_95(_waits(caller, before))
    note = (
        f"{STARTS} starts meanwhile: p95 {p95 * 1000:.0f} ms (before {quiet * 1000:.0f}),"
        f" slowest {slowest_start * 1000:.0f};"
        f" back after {down_for:.1f} s; first start {resumed:.1f} s after that; later on start to"
        f" the process's own p95 {after * 1000:.0f} ms; slowest: all ended once it was back"
    )
    Result.of(
        f"7 broker {fault} ({ground.pair})",
        findings,
        trials=len(caller.started),
        seed=seed,
        slowest=ended,
        note=note,
    ).keep()
    assert not findings, str(findings)
    assert not caller.wrong
    assert not caller.unanswered
    assert set(Run.objects.values_list("status", flat=True)) == {Run.Status.SUCCEEDED}
    assert p95 <= max(START_P95, 2 * quiet)  # what other load takes is not the broker's doing
    assert resumed <= SENT_WITHIN  # how long all of them take is the machine's matter
    assert after <= SENT_WITHIN
    assert not any(ground.has_ended(name) for name in ("web", "worker", "beat"))


def _begin(fault: str, broker: Broker) -> None:
    if fault in {"killed", "wiped"}:
        broker.kill()
    elif fault == "emptied":
        broker.empty()
    elif fault == "stopped":
        broker.stop()
    elif isinstance(broker, RabbitMQ) and fault == "alarmed":
        broker.raise_alarm()


def _end(fault: str, broker: Broker) -> None:
    if fault == "wiped":
        broker.wipe()
    if fault == "stopped":
        broker.go_on()
    elif isinstance(broker, RabbitMQ) and fault == "alarmed":
        broker.end_alarm()
    elif fault != "emptied":
        broker.start()


def _find_first_start(moment: datetime) -> float:
    """Return how many seconds after `moment` a waiting run was started; 0 if none waited."""
    attempts = RunAttempt.objects.filter(started_at__gt=moment, run__created_at__lt=moment)
    first = attempts.aggregate(first=Min("started_at"))["first"]
    return (first - moment).total_seconds() if first else 0.0


def _hears_since(moment: datetime) -> bool:
    return WorkerNode.objects.filter(last_message_at__gt=moment).exists()


def _is_quiet() -> bool:
    return not Run.objects.unfinished().exists()


def _waits(caller: Caller, since: int) -> list[float]:
    runs = Run.objects.filter(pk__in=caller.started[since:])
    times = runs.values_list("started_at", "created_at")
    return [(started - created).total_seconds() for started, created in times if started]
