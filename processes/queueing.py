"""Runs are queued here, and workers told to look: the only module that sends Celery messages.

The row is the truth and the message a doorbell. A bell that could not be rung is rung by the
reconciler in the beat, so publishing never fails or delays whoever starts a run.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import Count, F
from django.db.models.functions import Now
from kombu import Producer
from kombu.pools import producers

from processes.execution import LEASE, lose_attempt
from processes.models import ProcessModel, Run, Worker, WorkerNode
from processes.models.runs import DEFAULT_PRIORITY
from processes.models.workers import queue_of
from processes.moments import describe_cancel, format_moment
from processes.tasks import LISTEN_COMMAND, look

logger = structlog.get_logger(__name__)

PUBLISH_TIMEOUT = 0.2
SILENT_AFTER_FAILURE = 2.0
JUST_READY = timedelta(seconds=2)
MAX_ENDED_AT_ONCE = 1_000  # so that a tick of the beat stays short after a great loss


def queue_run(
    process_model: ProcessModel,
    values: Mapping[str, Any],
    *,
    worker: Worker | None = None,
    ready_at: datetime | None = None,
    retry_count: int | None = None,
    retry_delay: timedelta | None = None,
    priority: int = DEFAULT_PRIORITY,
    owner: str = "",
    requested_by: str = "",
    schedule_id: UUID | None = None,
    run_id: UUID | None = None,
) -> Run:
    """Store a WAITING run and ring for it after COMMIT.

    `values` must have been checked. What is None comes from the process model; `ready_at` None
    means now. The run is stored when this returns, whether or not the broker was reached. Raise
    IntegrityError when there is a run `run_id`, which a caller gives that may call twice.
    """
    run = Run(
        process_model=process_model,
        values=dict(values),
        worker=worker or process_model.default_worker,
        retry_count=process_model.default_retry_count if retry_count is None else retry_count,
        retry_delay=process_model.default_retry_delay if retry_delay is None else retry_delay,
        priority=priority,
        owner=owner,
        requested_by=requested_by,
        schedule_id=schedule_id,
        **({"ready_at": ready_at} if ready_at else {}),
        **({"id": run_id} if run_id else {}),
    )
    run.save(force_insert=True)
    if ready_at is None:
        transaction.on_commit(lambda: _ring_for(run.worker_id, run.pk))
    return run


def _ring_for(worker_id: int | None, run_id: UUID) -> None:
    ring(queue_of(worker_id), hint=run_id)


def cancel_run(run_id: UUID, *, requested_by: str) -> bool:
    """Cancel a run; return whether there was something to cancel. Raise Run.DoesNotExist.

    A waiting run is CANCELLED at once. A running one is told to end by its node within a second
    or two; if it succeeds before, it stays SUCCEEDED. A finished one never changes.
    """
    with transaction.atomic():
        locked = Run.objects.select_for_update().filter(pk=run_id)
        status, now = locked.values_list("status", Now()).get()
        request = {"cancel_requested_at": now, "cancel_requested_by": requested_by}
        if status == Run.Status.WAITING:
            ended = {
                "status": Run.Status.CANCELLED,
                "message": describe_cancel(now, requested_by),
                "reason": Run.Reason.CANCELLED,
                "finished_at": Now(),
            }
            return bool(Run.objects.waiting().filter(pk=run_id).update(**request, **ended))
        running = Run.objects.running().filter(pk=run_id, cancel_requested_at=None)
        return bool(running.update(**request))


class Doorbell:
    """Remember, for this process, whether the broker answered lately."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent_until = float("-inf")
        self.has_failed = False  # and the broker has not answered since
        self._lock = threading.Lock()

    @property
    def is_silent(self) -> bool:
        """Tell whether the last publish failed or was slow less than two seconds ago."""
        return self._clock() < self._silent_until

    def take_turn(self) -> bool:
        """Tell whether to try a publish; after a failure only one thread at a time may."""
        with self._lock:
            if self.is_silent:
                return False
            if self.has_failed:
                self._silent_until = self._clock() + SILENT_AFTER_FAILURE
            return True

    def be_silent(self) -> None:
        """Try no publish for two seconds."""
        with self._lock:
            self.has_failed = True
            self._silent_until = self._clock() + SILENT_AFTER_FAILURE

    def be_loud(self) -> None:
        """Let every thread publish again: the broker has answered."""
        with self._lock:
            self.has_failed = False
            self._silent_until = float("-inf")


doorbell = Doorbell()


def ring(queue: str, *, hint: UUID | None = None, times: int = 1) -> bool:
    """Tell the nodes of `queue` to look for runs; `times` wakes so many slots.

    Return whether the broker took the messages. Never raises, and blocks for a fraction of a
    second at most: after a failed or slow publish this process stays silent for two seconds.
    """

    def send(producer: Producer) -> None:
        args = (str(hint) if hint else None,)
        for _ in range(times):
            look.apply_async(args=args, queue=queue, producer=producer, retry=False)

    return _publish(send, patience=PUBLISH_TIMEOUT * times)


def send_task(name: str, args: Any, kwargs: Any, **options: Any) -> bool:
    """Send a housekeeping task; return whether the broker took it. Never raises, as `ring`."""

    def send(producer: Producer) -> None:
        current_app.send_task(name, args, kwargs, producer=producer, retry=False, **options)

    return _publish(send, patience=PUBLISH_TIMEOUT)


def ask_nodes_to_listen() -> bool:
    """Send every node a message, so that each can tell when the broker last delivered to it.

    Return whether the broker took it. Never raises, and blocks as little as `ring` does: Celery's
    own broadcast waits for the broker as long as it is away.
    """

    def send(producer: Producer) -> None:
        control: Any = current_app.control  # celery-types knows no mailbox
        exchange = control.mailbox.exchange
        message = {"method": LISTEN_COMMAND, "arguments": None, "destination": None}
        producer.publish(message, exchange=exchange.name, declare=[exchange], retry=False)

    return _publish(send, patience=PUBLISH_TIMEOUT)


def _publish(send: Callable[[Producer], None], *, patience: float) -> bool:
    if not doorbell.take_turn():
        return False
    began = time.monotonic()
    try:
        with producers[_publishing_connection()].acquire(
            block=True, timeout=PUBLISH_TIMEOUT
        ) as producer:
            send(producer)
    except Exception as error:  # whatever the broker's client raises, the run is stored already
        doorbell.be_silent()
        logger.warning("broker unreachable; the beat rings instead", error=str(error))
        return False
    if time.monotonic() - began > patience:
        doorbell.be_silent()
    else:
        doorbell.be_loud()
    return True


@cache
def _publishing_connection() -> Any:
    """Return this process's connection for publishing, with time-outs that suit a web request."""
    return current_app.connection_for_write(
        settings.CELERY_BROKER_URL,
        connect_timeout=PUBLISH_TIMEOUT,
        transport_options=_transport_options(settings.CELERY_BROKER_URL.partition(":")[0]),
    )


def _transport_options(scheme: str) -> dict[str, Any]:
    connect_once = {"max_retries": 0}  # kombu would try again two seconds after a refusal
    if scheme.startswith("redis"):
        timeouts = {"socket_timeout": PUBLISH_TIMEOUT, "socket_connect_timeout": PUBLISH_TIMEOUT}
        return connect_once | timeouts
    if scheme in {"amqp", "amqps", "pyamqp"}:
        timeouts = {"read_timeout": PUBLISH_TIMEOUT, "write_timeout": PUBLISH_TIMEOUT}
        return connect_once | timeouts
    return {}


def ring_for_runs(runs: Collection[Run]) -> int:
    """Ring for runs that have just been stored together; return how often.

    Once for each queue, and again for each further free slot that could take one of them.
    """
    if len(runs) < 2:
        return sum(ring(queue_of(run.worker_id), hint=run.pk) for run in runs)
    counts = _fit_into_limits(Counter((run.worker_id, run.process_model_id) for run in runs))
    free = WorkerNode.objects.taking_runs().count_free_slots()
    rings = 0
    for worker_id, count in counts.items():
        slots = free.total() if worker_id is None else free[worker_id]
        times = max(min(count, slots), 1)
        if ring(queue_of(worker_id), times=times):
            rings += times
    return rings


def ring_for_ready_runs(*, just_ready: bool) -> int:
    """Ring again for ready runs that nobody has claimed; return how often.

    With `just_ready` only for postponed runs whose time has come in the last two seconds (every
    tick), otherwise for all (lost messages). Never more often than slots are free, so a backlog
    makes no flood.
    """
    waiting = _count_ready_runs(just_ready=just_ready)
    if not waiting:
        return 0
    free = WorkerNode.objects.taking_runs().count_free_slots()
    rings = 0
    for worker_id, count in waiting.items():
        slots = free.total() if worker_id is None else free[worker_id]
        times = min(count, slots)
        if times and ring(queue_of(worker_id), times=times):
            rings += times
    return rings


def _count_ready_runs(*, just_ready: bool) -> Counter[int | None]:
    """Count the ready runs by worker, no more of a process model than its limit leaves."""
    runs = Run.objects.startable().within_limits()
    if just_ready:
        runs = runs.filter(ready_at__gt=Now() - JUST_READY).filter(ready_at__gt=F("created_at"))
    counts = runs.order_by().values_list("worker", "process_model").annotate(count=Count("pk"))
    return _fit_into_limits({(worker, model): count for worker, model, count in counts})


def _fit_into_limits(counts: Mapping[tuple[int | None, int], int]) -> Counter[int | None]:
    """Return the counts by worker, without what its process model's limit leaves no room for."""
    models = ProcessModel.objects.filter(pk__in={model_id for _, model_id in counts})
    rooms = models.count_room() if counts else {}
    fitting: Counter[int | None] = Counter()
    for (worker_id, model_id), count in counts.items():
        fitting[worker_id] += min(count, rooms.get(model_id, count))
    return fitting


def end_abandoned_runs(*, is_sure: Callable[[], bool] = lambda: True) -> int:
    """End the attempts whose lease ran out, longest ago first; return how many.

    Their process models say what follows. Several beats may do this at once: PostgreSQL skips
    the rows another one has locked, and a lease that was extended meanwhile is left alone. With
    `is_sure` the caller is asked once they are found: had the database stood still before it
    answered, no node could have extended its leases.
    """
    abandoned = Run.objects.abandoned().order_by("lease_expires_at")
    ids = list(abandoned.values_list("pk", flat=True)[:MAX_ENDED_AT_ONCE])
    if not is_sure():
        return 0
    return sum(_end_abandoned_run(run_id) for run_id in ids)


def _end_abandoned_run(run_id: UUID) -> bool:
    with transaction.atomic():
        run = (
            Run.objects.abandoned()
            .filter(pk=run_id)
            .select_related("process_model")
            .select_for_update(skip_locked=True, of=("self",))
            .first()
        )
        if run is None or run.lease_expires_at is None:
            return False
        lose_attempt(run, error=_describe_loss(run, heard_at=run.lease_expires_at - LEASE))
    return True


def _describe_loss(run: Run, *, heard_at: datetime) -> str:
    names = run.attempts.filter(number=run.attempt).values_list("node_name", flat=True)
    return (
        f"The worker was lost: node {names.first() or run.node_id}"
        f" gives no sign since {format_moment(heard_at)}."
    )
