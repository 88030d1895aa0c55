"""Runs a node as a Celery worker: signals of Celery joined to the node's life."""

import warnings
from typing import Any

from celery import current_app, signals
from celery.exceptions import SecurityWarning
from celery.worker.control import control_command

from processes import nodes
from processes.execution import extend_leases
from processes.lifetime import die_with_parent
from processes.models.workers import SHARED_QUEUE, queue_of
from processes.tasks import LISTEN_COMMAND

_heartbeat: nodes.Heartbeat | None = None


@control_command(name=LISTEN_COMMAND)
def listen(state: Any) -> None:
    """Note that a broadcast of the beat has come through the broker."""
    if _heartbeat:
        _heartbeat.hear_message()


def run_node(node: nodes.Node) -> int:
    """Serve the worker's own queue and the shared one until told to stop; return the exit code."""
    global _heartbeat
    # It warns of pickle under root; only JSON is accepted here.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    nodes.become(node)
    nodes.register_node(node)
    signals.worker_process_init.connect(_enter_pool_child, weak=False)
    signals.worker_shutting_down.connect(_stop_claiming, weak=False)
    with nodes.beating(node, extend_leases) as _heartbeat:
        worker = current_app.Worker(
            hostname=f"{queue_of(node.worker_id)}-{node.pid}@{node.host}",
            queues=[queue_of(node.worker_id), SHARED_QUEUE],
            concurrency=node.concurrency,
            pool="prefork",
            loglevel="INFO",
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            optimization="fair",
        )
        worker.start()
        return int(worker.exitcode or 0)


def _enter_pool_child(**kwargs: Any) -> None:
    # Otherwise the child of a killed worker would go on beside the retry. Celery's event loop forks
    # all children from the main thread, also those that take the place of a dead one.
    die_with_parent(parent_pid=nodes.current().pid)


def _stop_claiming(**kwargs: Any) -> None:
    nodes.current().stop_claiming()
