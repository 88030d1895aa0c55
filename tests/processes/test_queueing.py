"""A run is stored first; the bell rings after COMMIT and never holds anybody up."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery.worker.control import Panel
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from kombu import Connection, Exchange, Queue

import processes.celery_node  # noqa: F401 - registers the commands of a node
from processes import handover, nodes, queueing
from processes.execution import turned_away, work_until_idle
from processes.handover import pass_bell_on, ring_for_freed_room
from processes.leases import LeaseKeeper
from processes.models import Run, Worker, WorkerNode
from processes.queueing import (
    ask_nodes_to_listen,
    queue_run,
    ring_for_ready_runs,
    ring_for_runs,
)
from tests.factories import ProcessModelFactory, RunFactory, WorkerFactory, WorkerNodeFactory

LONG_AGO = Now() - timedelta(minutes=1)


class Bell:
    """The messages that reach the queues of an embedded broker of the test's own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def listen(self, *names: str) -> None:
        """Declare queues: a message for one that nobody declared goes nowhere."""
        for name in names:
            Queue(name, exchange=name, routing_key=name)(self._connection).declare()

    def overhear_broadcasts(self) -> None:
        """Listen beside the nodes."""
        nodes = Exchange("celery.pidbox", type="fanout")
        Queue("ear", exchange=nodes)(self._connection).declare()

    def broadcasts(self) -> list[Any]:
        """Return the broadcasts since."""
        with closing(self._connection.SimpleQueue("ear")) as queue:
            return [queue.get_nowait().payload for _ in range(queue.qsize())]

    def heard(self, name: str) -> list[str | None]:
        """Return the hints of the messages that waited in the queue."""
        hints = []
        with closing(self._connection.SimpleQueue(name)) as queue:
            while queue.qsize():
                message = queue.get_nowait()
                message.ack()
                hints.append(message.payload[0][0])
        return hints


@pytest.fixture
def use_broker(settings: Any) -> Iterator[Any]:
    """Return a function that leads publishing to another broker."""

    def use(url: str) -> None:
        settings.CELERY_BROKER_URL = url
        queueing._publishing_connection.cache_clear()
        queueing.doorbell = queueing.Doorbell()

    yield use
    queueing._publishing_connection.cache_clear()


@pytest.fixture
def bell(use_broker: Any, tmp_path: Path) -> Iterator[Bell]:
    """Return the ears at a broker that works."""
    url = f"embedded:///{tmp_path / 'broker.sqlite3'}"
    use_broker(url)
    with Connection(url) as connection:
        bell = Bell(connection)
        bell.listen("shared")
        yield bell


@pytest.fixture(params=["redis://127.0.0.1:{}/0", "amqp://127.0.0.1:{}//"], ids=["redis", "amqp"])
def silent_broker(request: pytest.FixtureRequest) -> Iterator[tuple[str, socket.socket]]:
    """Return the address of a broker that refuses connections, and its socket to listen with."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        yield request.param.format(server.getsockname()[1]), server


@pytest.mark.django_db(transaction=True)
def test_bell_rings_after_commit_for_the_queue_of_the_run(bell: Bell) -> None:
    worker = WorkerFactory.create()
    bell.listen(worker.queue)
    process_model = ProcessModelFactory.create()

    with transaction.atomic():
        shared = queue_run(process_model, {})
        own = queue_run(process_model, {}, worker=worker)
        assert bell.heard("shared") == []

    assert bell.heard("shared") == [str(shared.pk)]
    assert bell.heard(worker.queue) == [str(own.pk)]


@pytest.mark.django_db(transaction=True)
def test_rolled_back_run_rings_no_bell(bell: Bell) -> None:
    process_model = ProcessModelFactory.create()

    with transaction.atomic():
        queue_run(process_model, {})
        transaction.set_rollback(True)

    assert bell.heard("shared") == []
    assert not Run.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_postponed_run_rings_no_bell_yet(bell: Bell) -> None:
    queue_run(ProcessModelFactory.create(), {}, ready_at=timezone.now() + timedelta(hours=1))

    assert bell.heard("shared") == []


@pytest.mark.django_db
def test_what_a_start_leaves_out_comes_from_the_process_model(worker: Worker) -> None:
    process_model = ProcessModelFactory.create(
        default_worker=worker, default_retry_count=3, default_retry_delay=timedelta(minutes=5)
    )

    run = queue_run(process_model, {"x": 1})
    other = queue_run(process_model, {}, retry_count=0, retry_delay=timedelta(0), priority=99)

    run.refresh_from_db()
    assert (run.status, run.values, run.priority) == ("WAITING", {"x": 1}, 50)
    assert (run.worker, run.retry_count, run.retry_delay) == (worker, 3, timedelta(minutes=5))
    assert (other.retry_count, other.retry_delay, other.priority) == (0, timedelta(0), 99)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_listening", [False, True], ids=["down", "frozen"])
def test_broker_that_does_not_answer_delays_no_start(
    silent_broker: tuple[str, socket.socket], use_broker: Any, *, is_listening: bool
) -> None:
    url, server = silent_broker
    if is_listening:
        server.listen()
    use_broker(url)
    process_model = ProcessModelFactory.create()
    began = time.monotonic()

    for _ in range(20):
        queue_run(process_model, {})

    # One try without time-outs would last for ever, and kombu's second one comes after 2 seconds.
    assert time.monotonic() - began < 1.9
    assert Run.objects.waiting().count() == 20
    assert queueing.doorbell.is_silent


@pytest.mark.parametrize("is_listening", [False, True], ids=["down", "frozen"])
def test_broker_that_does_not_answer_holds_up_no_beat(
    silent_broker: tuple[str, socket.socket], use_broker: Any, *, is_listening: bool
) -> None:
    url, server = silent_broker
    if is_listening:
        server.listen()
    use_broker(url)

    assert ask_nodes_to_listen() is False


def test_failed_bell_is_silent_for_two_seconds(use_broker: Any, bell: Bell, tmp_path: Path) -> None:
    now = 100.0
    use_broker("redis://127.0.0.1:1/0")
    doorbell = queueing.Doorbell(lambda: now)
    queueing.doorbell = doorbell
    assert queueing.ring("shared") is False
    use_broker(f"embedded:///{tmp_path / 'broker.sqlite3'}")
    queueing.doorbell = doorbell

    now = 101.9
    early = queueing.ring("shared")
    now = 102.1
    late = queueing.ring("shared")

    assert (early, late) == (False, True)
    assert bell.heard("shared") == [None]


def test_after_a_failure_one_thread_at_a_time_tries() -> None:
    now = 100.0
    doorbell = queueing.Doorbell(lambda: now)
    at_first = [doorbell.take_turn(), doorbell.take_turn()]
    doorbell.be_silent()

    now = 102.1
    after_a_failure = [doorbell.take_turn(), doorbell.take_turn()]
    doorbell.be_loud()
    after_an_answer = [doorbell.take_turn(), doorbell.take_turn()]

    assert at_first == [True, True]
    assert after_a_failure == [True, False]
    assert after_an_answer == [True, True]


def test_thread_that_never_tells_how_its_try_ended_keeps_the_bell_silent_for_two_seconds() -> None:
    now = 100.0
    doorbell = queueing.Doorbell(lambda: now)
    doorbell.be_silent()
    now = 102.1
    doorbell.take_turn()

    now = 104.2

    assert doorbell.take_turn()


def test_nodes_are_asked_by_a_broadcast_of_a_command_they_know(bell: Bell) -> None:
    bell.overhear_broadcasts()

    assert ask_nodes_to_listen() is True

    [message] = bell.broadcasts()
    assert message["method"] in Panel.data


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("waiting", "slots", "rings"),
    [(1, 4, 1), (9, 4, 4), (3, 0, 0), (0, 4, 0)],
    ids=["fewer runs than slots", "a backlog", "no slot", "no run"],
)
def test_bell_rings_at_most_as_often_as_slots_are_free(
    bell: Bell, waiting: int, slots: int, rings: int
) -> None:
    if slots:
        WorkerNodeFactory.create(concurrency=slots)
    RunFactory.create_batch(waiting, ready_at=LONG_AGO)

    assert ring_for_ready_runs(just_ready=False) == rings
    assert bell.heard("shared") == [None] * rings


@pytest.mark.django_db
@pytest.mark.parametrize(
    "node",
    [
        {"offline": True},
        {"stopped_at": Now()},
        {"worker__enabled": False},
        {"worker__paused_at": Now()},
    ],
    ids=["offline", "stopped", "disabled", "paused"],
)
def test_bell_does_not_ring_for_slots_that_take_nothing(bell: Bell, node: dict[str, Any]) -> None:
    WorkerNodeFactory.create(**node)
    RunFactory.create(ready_at=LONG_AGO)

    assert ring_for_ready_runs(just_ready=False) == 0


@pytest.mark.django_db
def test_busy_slots_are_not_counted(bell: Bell) -> None:
    full = WorkerNodeFactory.create(concurrency=2)
    RunFactory.create_batch(2, running=True, node=full)
    half = WorkerNodeFactory.create(concurrency=2)
    RunFactory.create(running=True, node=half)
    # More runs than slots, as after a restart with a smaller concurrency.
    overfull = WorkerNodeFactory.create(concurrency=1)
    RunFactory.create_batch(3, running=True, node=overfull)
    RunFactory.create_batch(5, ready_at=LONG_AGO)

    assert ring_for_ready_runs(just_ready=False) == 1


@pytest.mark.django_db
def test_run_for_one_worker_rings_that_worker_alone(bell: Bell) -> None:
    called, other = WorkerNodeFactory.create_batch(2)
    bell.listen(called.worker.queue, other.worker.queue)
    RunFactory.create(worker=called.worker, ready_at=LONG_AGO)

    assert ring_for_ready_runs(just_ready=False) == 1
    assert bell.heard(called.worker.queue) == [None]
    assert bell.heard(other.worker.queue) == bell.heard("shared") == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("created_at", "ready_at", "rings"),
    [
        (LONG_AGO, Now() - timedelta(seconds=1), 1),
        (LONG_AGO, Now() - timedelta(seconds=30), 0),
        (LONG_AGO, Now() + timedelta(seconds=30), 0),
        (Now(), Now(), 0),
    ],
    ids=["postponed and due", "due long ago", "not due yet", "rung for when it was queued"],
)
def test_every_tick_rings_for_postponed_runs_that_have_come_due(
    bell: Bell, created_at: Any, ready_at: Any, rings: int
) -> None:
    WorkerNodeFactory.create()
    RunFactory.create(created_at=created_at, ready_at=ready_at)

    assert ring_for_ready_runs(just_ready=True) == rings


@pytest.mark.django_db
def test_run_of_a_disabled_process_model_rings_no_bell(bell: Bell) -> None:
    WorkerNodeFactory.create()
    RunFactory.create(process_model__enabled=False, ready_at=LONG_AGO)

    assert ring_for_ready_runs(just_ready=False) == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("limit", "running", "rings"), [(1, 1, 0), (3, 1, 2), (9, 1, 3)], ids=["full", "room", "slots"]
)
@pytest.mark.parametrize("limited", ["process model", "worker"])
def test_bell_rings_no_more_often_than_a_limit_has_room(
    bell: Bell, limited: str, limit: int, running: int, rings: int
) -> None:
    node = WorkerNodeFactory.create(concurrency=4)
    process_model = ProcessModelFactory.create()
    RunFactory.create_batch(running, running=True, process_model=process_model, node=node)
    RunFactory.create_batch(5, process_model=process_model, ready_at=LONG_AGO)
    row = process_model if limited == "process model" else node.worker
    row.max_parallel_runs = limit
    row.save()

    assert ring_for_ready_runs(just_ready=False) == rings


@pytest.mark.django_db
def test_many_runs_stored_together_ring_once_where_their_limit_is_reached(bell: Bell) -> None:
    node = WorkerNodeFactory.create(concurrency=9)
    full = ProcessModelFactory.create(max_parallel_runs=1)
    RunFactory.create(running=True, process_model=full, node=node)

    assert ring_for_runs(RunFactory.create_batch(5, process_model=full)) == 1
    assert ring_for_runs(RunFactory.create_batch(5)) == 5


@pytest.mark.django_db
def test_run_for_another_worker_is_rung_for_when_its_room_is_freed(
    bell: Bell, become_node: nodes.Node
) -> None:
    other = WorkerNodeFactory.create()
    bell.listen(other.worker.queue)
    limited = ProcessModelFactory.create(max_parallel_runs=1)
    ended = RunFactory.create(succeeded=True, process_model=limited)
    RunFactory.create(process_model=limited, worker=other.worker)
    RunFactory.create(process_model=limited)

    ring_for_freed_room(ended)

    assert bell.heard(other.worker.queue) == [None]
    assert bell.heard("shared") == []


@pytest.mark.django_db
@pytest.mark.parametrize("is_stopping", [False, True], ids=["goes on", "stops"])
def test_node_that_frees_room_rings_for_its_own_worker_only_when_it_stops(
    bell: Bell, become_node: nodes.Node, worker: Worker, *, is_stopping: bool
) -> None:
    worker.max_parallel_runs = 1
    worker.save()
    WorkerNodeFactory.create(worker=worker)
    bell.listen(worker.queue)
    if is_stopping:
        become_node.stop_claiming()

    ring_for_freed_room(RunFactory.create(succeeded=True))

    assert bell.heard(worker.queue) == [None] * is_stopping


@pytest.mark.django_db
def test_freed_room_that_nobody_else_can_use_rings_no_bell(
    bell: Bell, become_node: nodes.Node
) -> None:
    limited = ProcessModelFactory.create(max_parallel_runs=1)
    WorkerNodeFactory.create(offline=True)
    RunFactory.create(process_model=limited)

    ring_for_freed_room(RunFactory.create(succeeded=True, process_model=limited))

    assert bell.heard("shared") == []


@pytest.mark.django_db
@pytest.mark.parametrize("is_anybody_free", [True, False])
def test_bell_that_reaches_a_resting_node_is_passed_on_to_who_is_free(
    bell: Bell,
    become_node: nodes.Node,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_anybody_free: bool,
) -> None:
    WorkerNode.objects.update(drain_requested_at=Now())
    free = WorkerNodeFactory.create(offline=not is_anybody_free)
    bell.listen(free.worker.queue)
    RunFactory.create(ready_at=LONG_AGO)
    monkeypatch.setattr(handover._Passing, "not_before", float("-inf"))

    for _ in range(3):
        pass_bell_on()

    assert bell.heard(free.worker.queue) == [None] * is_anybody_free
    assert bell.heard("shared") == []


def test_resting_node_says_that_a_bell_reached_it_in_vain(become_node: nodes.Node) -> None:
    heard = []

    def hear(**kwargs: Any) -> None:
        heard.append(kwargs)

    turned_away.connect(hear)
    work_until_idle()
    become_node.resting.value = 1
    work_until_idle()

    assert len(heard) == 1


@pytest.mark.django_db
def test_heartbeat_tells_a_node_whether_it_rests(node: nodes.Node) -> None:
    heartbeat = nodes.Heartbeat(node, LeaseKeeper(node))

    rests = []
    for drained_at in (None, Now(), None):
        WorkerNode.objects.update(drain_requested_at=drained_at)
        heartbeat._beat()
        rests.append(node.is_resting())

    assert rests == [False, True, False]
