"""Runs a node as a Celery worker: signals of Celery joined to the node's life."""

import os
import signal
import threading
import warnings
from functools import partial
from typing import Any

import billiard
from celery import current_app, signals
from celery.apps.worker import Worker
from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool
from celery.exceptions import SecurityWarning
from celery.platforms import EX_FAILURE
from celery.worker.consumer import Consumer
from celery.worker.control import control_command
from django.conf import settings

from processes import nodes
from processes.ending import ending_attempts
from processes.execution import room_freed, turned_away
from processes.executors.command import WORK_FOLDER
from processes.executors.command_folder import remove_leftovers
from processes.handover import pass_bell_on, ring_for_freed_room
from processes.leases import LeaseKeeper
from processes.lifetime import die_with_parent
from processes.models.workers import SHARED_QUEUE, queue_of
from processes.slots import start_watchdog
from processes.tasks import LISTEN_COMMAND

RECONNECT_SECONDS = 4.0  # at most between two tries to reach the broker
END_WITHIN = 20.0  # seconds after SHUTDOWN_GRACE: then whatever still hangs is killed

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


class _Consumer(Consumer):
    def ensure_connected(self, conn: Any) -> Any:
        """Wait for the broker; Celery would look ever more seldom, in the end every 30 seconds."""
        conn.ensure_connection = partial(
            conn.ensure_connection,
            interval_start=1,
            interval_step=1,
            interval_max=RECONNECT_SECONDS,
        )
        return super().ensure_connected(conn)


class _Worker(Worker):
    def stop(self, in_sighandler: bool = False, exitcode: int | None = None) -> None:
        """Stop; Celery calls this when it gives up, too, and would wait for its pool for ever."""
        if exitcode == EX_FAILURE:
            _stop_claiming(how="Warm")
        super().stop(in_sighandler=in_sighandler, exitcode=exitcode)


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
    with (
        nodes.beating(node, _keeper) as _heartbeat,
        ending_attempts(node, _heartbeat.look_soon),
    ):
        worker = _Worker(
            app=current_app,
            hostname=f"{queue_of(node.worker_id)}-{node.pid}@{node.host}",
            queues=[queue_of(node.worker_id), SHARED_QUEUE],
            concurrency=node.concurrency,
            pool=_TaskPool,
            consumer_cls=_Consumer,
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
    # Here, not in the parent: its children would inherit a connection to the broker.
    room_freed.connect(ring_for_freed_room)
    turned_away.connect(pass_bell_on)
    child: Any = billiard.current_process()  # the types know no index
    start_watchdog(nodes.take_slot(child.index))
    remove_leftovers(settings.VAR_DIR / WORK_FOLDER)  # of the child whose place it takes, too


def _stop_claiming(how: str, **kwargs: Any) -> None:
    nodes.current().stop_claiming()
    if _keeper and how == "Cold":  # SIGQUIT, or Ctrl+C more than once
        _keeper.stop_at_once()
    elif _keeper:
        _keeper.stop_after(settings.SHUTDOWN_GRACE)
    # A node that neither works nor ends would stay online, and nobody would start another.
    limit = threading.Timer(
        settings.SHUTDOWN_GRACE + END_WITHIN, os.kill, (os.getpid(), signal.SIGKILL)
    )
    limit.daemon = True
    limit.start()
