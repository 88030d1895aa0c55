"""A node hands on what it does not take: room that it freed, and bells that reach it at rest."""

import time
from collections.abc import Collection
from typing import Any

import structlog
from django.db.models import Q

from processes import nodes
from processes.models import ProcessModel, Run, WorkerNode
from processes.models.runs import CLAIM_ORDER
from processes.models.workers import queue_of
from processes.outages import OUTAGES
from processes.queueing import ring

logger = structlog.get_logger(__name__)

SECONDS_BETWEEN_PASSES = 0.2


def ring_for_freed_room(run: Run, **kwargs: Any) -> None:
    """Ring for who may begin a run now that `run`, which a limit counted, has ended.

    A pool child calls this. It looks by itself too, unless its node takes no more; but the next run
    may be meant for another worker. Never raises: the beat rings later for what is left out.
    """
    node = nodes.current()
    try:
        taking = WorkerNode.objects.taking_runs()
        free = taking.count_free_slots()
        if node.is_stopping() or not taking.filter(pk=node.boot_id).exists():
            if free[node.worker_id]:  # of another node, as this one says itself
                ring(queue_of(node.worker_id))
        else:
            free[node.worker_id] -= 1
        if run.process_model.max_parallel_runs:
            able = [worker_id for worker_id, slots in free.items() if slots > 0]
            for worker_id in _find_next_worker(run.process_model, able):
                ring(queue_of(worker_id))
    except OUTAGES as error:
        logger.warning("database away; no bell for freed room", error=str(error))


def pass_bell_on(**kwargs: Any) -> None:
    """Ring for a worker that is free, since this node has a bell and takes nothing.

    A worker's own queue: this node does not hear that of another. At most five times a second, for
    a node beside it that is free may be dead. Never raises.
    """
    if time.monotonic() < _Passing.not_before:
        return
    _Passing.not_before = time.monotonic() + SECONDS_BETWEEN_PASSES
    own = nodes.current().worker_id
    try:
        free = WorkerNode.objects.taking_runs().count_free_slots()
        able = sorted(
            (worker_id for worker_id, slots in free.items() if slots),
            key=lambda worker_id: (worker_id == own, -free[worker_id]),
        )
        runs = Run.objects.startable().within_limits()
        takeable = runs.filter(Q(worker=None) | Q(worker__in=able)).order_by()
        for meant_for in takeable.values_list("worker").first() or () if able else ():
            ring(queue_of(meant_for or able[0]))
    except OUTAGES as error:
        logger.warning("database away; no bell passed on", error=str(error))


class _Passing:
    not_before = float("-inf")


def _find_next_worker(process_model: ProcessModel, able: list[int]) -> Collection[int | None]:
    """Return for whom the best run is that one of the `able` workers may take, if there is one."""
    runs = Run.objects.startable().within_limits().filter(process_model=process_model)
    takeable = runs.filter(Q(worker=None) | Q(worker__in=able)).order_by(*CLAIM_ORDER)
    return takeable.values_list("worker").first() or () if able else ()
