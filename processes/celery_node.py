"""Runs a node as a Celery worker: signals of Celery joined to the node's life."""

import warnings
from typing import Any

import billiard
from celery import current_app, signals
from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool
from celery.exceptions import SecurityWarning
from celery.worker.control import control_command
from django.conf import settings

from processes import nodes
from processes.leases import LeaseKeeper
from processes.lifetime import die_with_parent
from processes.models.workers import SHARED_QUEUE, queue_of
from processes.slots import start_watchdog
from processes.tasks import LISTEN_COMMAND

_heartbeat: nodes.Heartbeat | None = None
_keeper: LeaseKeeper | None = None


class _Pool(AsynPool):
    """Celery's pool, which tells how its children end: they are its own to reap."""

    def process_flush_queues(self, worker: Any) -> None:
        """Note the exit code of a dead child; Celery calls this of living ones too."""
        exit_code = worker._popen.returncode if worker._popen else None
        if _keeper and exit_code is not None:
            _keeper.note_exit(worker.pid, exit_code)
        super().process_flush_queues(worker)


class _TaskPool(TaskPool):
    Pool = _Pool


@control_command(name=LISTEN_COMMAND)
def listen(state: Any) -> None:
    """Note that a broadcast of the beat has come through the broker."""
    if _heartbeat:
        _heartbeat.hear_message()


def run_node(node: nodes.Node) -> int:
    """Serve the worker's own queue and the shared one until told to stop; return the exit code."""
    global _heartbeat, _keeper
    # It warns of pickle under root; only JSON is accepted here.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    nodes.become(node)
    nodes.register_node(node)
    signals.worker_process_init.connect(_enter_pool_child, weak=False)
    signals.worker_shutting_down.connect(_stop_claiming, weak=False)
    _keeper = LeaseKeeper(node)
    with nodes.beating(node, _keeper) as _heartbeat:
        worker = current_app.Worker(
            hostname=f"{queue_of(node.worker_id)}-{node.pid}@{node.host}",
            queues=[queue_of(node.worker_id), SHARED_QUEUE],
            concurrency=node.concurrency,
            pool=_TaskPool,
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
    child: Any = billiard.current_process()  # the types know no index
    start_watchdog(nodes.take_slot(child.index))


def _stop_claiming(how: str, **kwargs: Any) -> None:
    nodes.current().stop_claiming()
    if _keeper and how == "Cold":  # SIGQUIT, or Ctrl+C more than once
        _keeper.stop_at_once()
    elif _keeper:
        _keeper.stop_after(settings.SHUTDOWN_GRACE)
