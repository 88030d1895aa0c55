"""The embedded broker keeps, shares out and gives back messages, between real processes."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import quote

import psutil
import pytest
from kombu import Connection, Consumer, Exchange, Queue
from kombu.exceptions import ChannelError, OperationalError

from config.embedded_broker import register

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE = 30  # seconds until a test gives up on another process
spawn = multiprocessing.get_context("spawn")
bells = Queue("bells")

register()


def connect(file: Path) -> Connection:
    return Connection(f"embedded:///{quote(str(file))}")


def publish(connection: Connection, *bodies: Any, queue: Queue = bells, **options: Any) -> None:
    with connection.Producer() as producer:
        for body in bodies:
            producer.publish(body, routing_key=queue.name, declare=[queue], **options)


def take(channel: Any, count: int, queue: Queue = bells) -> list[Any]:
    """Return the next `count` messages, unacknowledged; None where there is none."""
    return [queue(channel).get() for _ in range(count)]


def payloads(messages: list[Any]) -> list[Any]:
    return [message.payload for message in messages]


def consume(
    connection: Connection,
    until: Callable[[list[Any]], bool],
    *,
    queue: Queue = bells,
    seconds: float = PATIENCE,
) -> list[Any]:
    """Acknowledge what arrives until `until` likes the bodies so far or the time is over."""
    bodies: list[Any] = []

    def receive(body: Any, message: Any) -> None:
        message.ack()
        bodies.append(body)

    deadline = time.monotonic() + seconds
    with Consumer(connection.default_channel, [queue], callbacks=[receive]):
        while not until(bodies) and time.monotonic() < deadline:
            with suppress(TimeoutError):
                connection.drain_events(timeout=0.2)
    return bodies


def stored(connection: Connection, table: str) -> int:
    """Count the rows of `table`."""
    channel: Any = connection.default_channel
    sql = f"SELECT count(*) FROM {table}"  # noqa: S608 - a name from the test
    return int(channel.session.run(sql)[0][0])


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "broker.sqlite3"


@pytest.fixture
def connection(file: Path) -> Iterator[Connection]:
    with connect(file) as connection:
        yield connection


@pytest.fixture
def other(file: Path) -> Iterator[Connection]:
    with connect(file) as connection:
        yield connection


@pytest.fixture
def start() -> Iterator[Callable[..., Any]]:
    """Start a function in a process of its own."""
    processes: list[Any] = []

    def start(target: Callable[..., None], *arguments: Any) -> Any:
        process = spawn.Process(target=target, args=arguments, daemon=True)
        process.start()
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.join()


# Run in other processes.


def produce_numbers(file: Path, numbers: range) -> None:
    with connect(file) as connection:
        publish(connection, *numbers)


def consume_numbers(file: Path, results: Path, stop: Path) -> None:
    with connect(file) as connection:
        numbers = consume(connection, lambda numbers: stop.exists())
    results.write_text(" ".join(map(str, numbers)))


def take_and_hang(file: Path, count: int, ready: Any) -> None:
    with connect(file) as connection:
        take(connection.default_channel, count)
        ready.set()
        time.sleep(PATIENCE)


def listen_and_hang(file: Path, queue: Queue, ready: Any) -> None:
    with connect(file) as connection:
        queue(connection.default_channel).declare()
        ready.set()
        time.sleep(PATIENCE)


def open_together(folder: Path, barrier: Any) -> None:
    connections = [connect(folder / f"{number}.sqlite3") for number in range(100)]
    for connection in connections:
        barrier.wait(PATIENCE)
        connection.transport.establish_connection()  # connect() would try a second time


def fork_with_open_connection(file: Path, report: Any) -> None:
    """Let a forked child take a message over the inherited connection and die with it."""
    with connect(file) as connection:
        publish(connection, "one")
        ready, written = os.pipe()
        child = os.fork()
        if child == 0:
            inherited = [each.path for each in psutil.Process().open_files()]
            [message] = take(connection.default_channel, 1)
            os.write(written, f"{str(file) in inherited} {message.payload}".encode())
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        report.send(os.read(ready, 100).decode())
        report.send(consume(connection, bool))


def test_two_producers_and_two_consumers_lose_nothing_and_double_nothing(
    file: Path, tmp_path: Path, connection: Connection, start: Callable[..., Any]
) -> None:
    stop = tmp_path / "stop"
    results = [tmp_path / "first", tmp_path / "second"]
    consumers = [start(consume_numbers, file, result, stop) for result in results]

    producers = [
        start(produce_numbers, file, numbers) for numbers in (range(3000), range(3000, 6000))
    ]
    for producer in producers:
        producer.join(PATIENCE)
    wait_for(lambda: stored(connection, "message") == 0)
    stop.touch()
    for consumer in consumers:
        consumer.join(PATIENCE)

    numbers = [int(number) for result in results for number in result.read_text().split()]
    assert sorted(numbers) == list(range(6000))


def test_processes_that_open_a_new_file_together_all_succeed(
    tmp_path: Path, start: Callable[..., Any]
) -> None:
    barrier = spawn.Barrier(6)

    processes = [start(open_together, tmp_path, barrier) for _ in range(6)]
    for process in processes:
        process.join(PATIENCE)

    assert [process.exitcode for process in processes] == [0] * 6


def test_what_a_killed_consumer_had_taken_comes_back_first(
    file: Path, connection: Connection, start: Callable[..., Any]
) -> None:
    publish(connection, 1, 2, 3, 4)
    ready = spawn.Event()
    victim = start(take_and_hang, file, 2, ready)
    assert ready.wait(PATIENCE)

    victim.kill()
    victim.join()

    assert consume(connection, lambda bodies: 1 in bodies and 2 in bodies)[-2:] == [1, 2]
    assert stored(connection, "message") <= 2


def test_what_a_live_consumer_has_taken_is_left_alone(
    file: Path, connection: Connection, other: Connection, start: Callable[..., Any]
) -> None:
    publish(connection, 1, 2, 3, 4)
    ready = spawn.Event()
    start(take_and_hang, file, 2, ready)
    assert ready.wait(PATIENCE)
    take(other.default_channel, 1)

    bodies = consume(connection, lambda bodies: False, seconds=2.5)

    assert bodies == [4]


def test_a_queue_is_in_order_and_higher_priorities_come_first(connection: Connection) -> None:
    publish(connection, "low 1", "low 2")
    publish(connection, "high 1", "high 2", priority=9)

    messages = take(connection.default_channel, 5)

    assert payloads(messages[:4]) == ["high 1", "high 2", "low 1", "low 2"]
    assert messages[4] is None


def test_a_requeued_message_takes_its_place_again(connection: Connection) -> None:
    publish(connection, 1, 2, 3)
    first, second = take(connection.default_channel, 2)

    second.requeue()
    first.requeue()

    assert payloads(take(connection.default_channel, 3)) == [1, 2, 3]
    assert stored(connection, "message") == 3


def test_a_rejected_or_acknowledged_message_is_gone(connection: Connection) -> None:
    publish(connection, 1, 2)
    first, second = take(connection.default_channel, 2)

    first.reject()
    second.ack()

    assert stored(connection, "message") == 0


@pytest.mark.parametrize("give_back", ["recover", "close the channel", "close the connection"])
def test_unacknowledged_messages_come_back_once_and_in_order(
    connection: Connection, other: Connection, give_back: str
) -> None:
    publish(connection, 1, 2, 3)
    channel: Any = other.channel()
    take(channel, 2)[0].ack()

    if give_back == "recover":
        channel.basic_recover(requeue=True)
    elif give_back == "close the channel":
        channel.close()
    else:
        other.close()

    assert payloads(take(connection.default_channel, 2)) == [2, 3]
    assert stored(connection, "message") == 2


def test_another_thread_may_acknowledge(connection: Connection) -> None:
    publish(connection, 1)
    [message] = take(connection.default_channel, 1)

    thread = threading.Thread(target=message.ack)
    thread.start()
    thread.join()

    assert stored(connection, "message") == 0


def test_an_acknowledgement_after_the_connection_closed_takes_nothing_from_others(
    connection: Connection, other: Connection
) -> None:
    publish(connection, 1)
    [late] = take(other.default_channel, 1)
    other.close()
    take(connection.default_channel, 1)

    late.ack()

    assert stored(connection, "message") == 1


def test_a_consumer_without_acknowledgements_leaves_nothing(connection: Connection) -> None:
    publish(connection, 1, 2)
    received: list[Any] = []

    with Consumer(connection.default_channel, [bells], no_ack=True, on_message=received.append):
        connection.drain_events(timeout=PATIENCE)
    got = bells(connection.default_channel).get(no_ack=True)

    assert payloads([*received, got]) == [1, 2]
    assert stored(connection, "message") == 0


def test_a_full_prefetch_leaves_the_rest_to_others(
    connection: Connection, other: Connection
) -> None:
    publish(connection, 1, 2)
    received: list[Any] = []
    consumer = Consumer(connection.default_channel, [bells], on_message=received.append)
    consumer.qos(prefetch_count=1)

    with consumer:
        connection.drain_events(timeout=PATIENCE)
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.2)

    assert payloads(received) == [1]
    assert payloads(take(other.default_channel, 1)) == [2]


def test_a_consumer_goes_on_after_acknowledgements_that_the_file_did_not_take(
    connection: Connection,
) -> None:
    publish(connection, 1, 2, 3)
    channel: Any = connection.default_channel
    received: list[Any] = []
    consumer = Consumer(channel, [bells], on_message=received.append)
    consumer.qos(prefetch_count=1)

    with consumer:
        connection.drain_events(timeout=PATIENCE)
        channel.session.run("PRAGMA query_only = ON")  # as little as a full disk takes
        with pytest.raises(sqlite3.OperationalError):
            received[0].ack()
        channel.session.run("PRAGMA query_only = OFF")
        connection.drain_events(timeout=PATIENCE)
    channel.session.sweep()

    assert payloads(received) == [1, 2]
    assert stored(connection, "message") == 2


def test_a_broadcast_reaches_every_consumer_once(connection: Connection, other: Connection) -> None:
    news = Exchange("news", type="fanout")
    radios = [Queue(f"radio {number}", news, exclusive=True) for number in (1, 2)]
    for radio, owner in zip(radios, (connection, other), strict=True):
        radio(owner.default_channel).declare()

    with connection.Producer() as producer:
        producer.publish("hello", exchange=news, declare=[news])

    assert consume(connection, bool, queue=radios[0]) == ["hello"]
    assert consume(other, bool, queue=radios[1]) == ["hello"]
    assert stored(connection, "message") == 0


def test_topics_and_direct_exchanges_reach_the_queues_of_other_connections(
    connection: Connection, other: Connection
) -> None:
    topic, direct = Exchange("topic", type="topic"), Exchange("direct")
    weather = Queue("weather", topic, routing_key="weather.*")
    letters = Queue("letters", direct, routing_key="home")
    for queue in (weather, letters):
        queue(other.default_channel).declare()

    with connection.Producer() as producer:
        for exchange, keys in {topic: ["weather.rain", "sport"], direct: ["home", "away"]}.items():
            for key in keys:
                producer.publish(key, exchange=exchange, routing_key=key, declare=[exchange])

    assert payloads(take(other.default_channel, 1, weather)) == ["weather.rain"]
    assert payloads(take(other.default_channel, 1, letters)) == ["home"]
    assert stored(connection, "message") == 2


def test_an_unbound_queue_receives_no_more(connection: Connection) -> None:
    news = Exchange("news", type="fanout")
    radio = Queue("radio", news)(connection.default_channel)
    radio.declare()

    radio.unbind_from(news)
    with connection.Producer() as producer:
        producer.publish("hello", exchange=news)

    assert radio.get() is None


def test_a_killed_process_leaves_no_temporary_queue_behind(
    file: Path, connection: Connection, start: Callable[..., Any]
) -> None:
    news = Exchange("news", type="fanout")
    ready = spawn.Event()
    victim = start(listen_and_hang, file, Queue("radio", news, exclusive=True), ready)
    assert ready.wait(PATIENCE)
    victim.kill()
    victim.join()
    with connection.Producer() as producer:
        producer.publish("hello", exchange=news, declare=[news])
    assert stored(connection, "message") == 1

    consume(connection, lambda bodies: stored(connection, "queue") == 1)

    assert [stored(connection, table) for table in ("queue", "binding", "message")] == [1, 0, 0]


def test_the_successor_of_a_killed_process_gets_a_fresh_queue_of_the_same_name(
    file: Path, connection: Connection, start: Callable[..., Any]
) -> None:
    radio = Queue("radio", Exchange("news", type="fanout"), exclusive=True)
    ready = spawn.Event()
    victim = start(listen_and_hang, file, radio, ready)
    assert ready.wait(PATIENCE)
    victim.kill()
    victim.join()

    radio(connection.default_channel).declare()
    consume(connection, lambda bodies: False, seconds=1.5)

    assert stored(connection, "binding") == 1


def test_a_closed_connection_leaves_no_temporary_queue_behind(
    connection: Connection, other: Connection
) -> None:
    Queue("reply", Exchange("replies"), auto_delete=True)(other.default_channel).declare()

    other.close()

    assert [stored(connection, table) for table in ("queue", "binding")] == [0, 0]


def test_a_forked_child_neither_shares_the_connection_nor_the_ownership(
    file: Path, start: Callable[..., Any]
) -> None:
    report, sender = spawn.Pipe(duplex=False)

    start(fork_with_open_connection, file, sender)

    assert report.poll(PATIENCE)
    assert report.recv() == "False one"
    assert report.poll(PATIENCE)
    assert report.recv() == ["one"]


def test_a_queue_is_declared_counted_purged_and_deleted(connection: Connection) -> None:
    queue: Any = bells(connection.default_channel)
    with pytest.raises(ChannelError, match="no queue 'bells'"):
        queue.queue_declare(passive=True)

    publish(connection, 1, 2, 3)
    take(connection.default_channel, 1)

    assert queue.queue_declare(passive=True).message_count == 2
    assert queue.purge() == 2
    assert stored(connection, "message") == 1
    queue.delete()
    assert [stored(connection, table) for table in ("queue", "message")] == [0, 0]


def test_a_large_body_arrives_whole(connection: Connection) -> None:
    body = "ä" * 5_000_000

    publish(connection, body)

    assert take(connection.default_channel, 1)[0].payload == body


@pytest.mark.parametrize("name", ["two words.sqlite3", "50% #1; a?b=c&d+e ü.sqlite3"])
def test_a_path_may_hold_any_character(tmp_path: Path, name: str) -> None:
    with connect(tmp_path / name) as connection:
        publish(connection, 1)

    with connect(tmp_path / name) as again:
        assert payloads(take(again.default_channel, 1)) == [1]
    assert (tmp_path / name).is_file()


def test_a_blank_need_not_be_quoted(tmp_path: Path) -> None:
    file = tmp_path / "two words.sqlite3"

    with Connection(f"embedded:///{file}") as connection:
        publish(connection, 1)

    assert file.is_file()


@pytest.mark.parametrize("name", ["missing/broker.sqlite3", "folder"])
def test_an_unusable_path_is_a_connection_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()

    with pytest.raises(OperationalError):
        connect(tmp_path / name).ensure_connection(max_retries=1, interval_start=0)


def test_deleted_files_are_an_error_once_and_then_there_are_others(
    connection: Connection, file: Path
) -> None:
    publish(connection, "lost")
    for deleted in file.parent.iterdir():
        deleted.unlink()

    with pytest.raises(sqlite3.OperationalError):
        publish(connection, "told")
    with connect(file) as later:
        publish(later, "kept")
        publish(connection, "kept too")
        taken = take(later.default_channel, 2)
        still_owned = stored(connection, "message WHERE owner IS NOT NULL")
        channel: Any = connection.default_channel
        channel.session.sweep()

        assert payloads(taken) == ["kept", "kept too"]
        assert stored(connection, "message WHERE owner IS NOT NULL") == still_owned == 2


def test_a_relative_path_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'var/broker\.sqlite3' is not an absolute path"):
        Connection("embedded:///var/broker.sqlite3").connect()


@pytest.fixture
def celery_app(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A Celery application in a module that a worker can import too."""
    (tmp_path / "small_app.py").write_text(
        dedent(f"""
        import pathlib
        from celery import Celery
        from config.embedded_broker import register

        register()
        app = Celery("small_app", broker="embedded:///{file}")

        @app.task(ignore_result=True)
        def touch(path):
            pathlib.Path(path).touch()
        """)
    )
    monkeypatch.setenv("PYTHONPATH", f"{PROJECT}{os.pathsep}{tmp_path}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "small_app", raising=False)
    import small_app  # type: ignore[import-not-found]  # made by the test

    yield small_app
    small_app.app.close()


@pytest.fixture
def worker(celery_app: Any, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "small_app",
        "worker",
        "-c",
        "2",
        "-n",
        "one@host",
    ]
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)  # noqa: S603
    yield worker
    worker.kill()
    worker.wait()


def test_a_celery_worker_runs_tasks_answers_pings_and_stops(
    celery_app: Any, worker: subprocess.Popen[bytes], tmp_path: Path, connection: Connection
) -> None:
    marks = [tmp_path / f"mark {number}" for number in range(20)]

    for mark in marks:
        celery_app.touch.delay(str(mark))
    wait_for(lambda: all(mark.exists() for mark in marks))
    answers = celery_app.app.control.ping(timeout=PATIENCE, limit=1)
    stats = celery_app.app.control.inspect(timeout=PATIENCE, limit=1).stats()
    worker.terminate()

    assert answers == [{"one@host": {"ok": "pong"}}]
    assert stats["one@host"]["total"] == {"small_app.touch": 20}
    assert worker.wait(PATIENCE) == 0
    assert stored(connection, "message") == 0
    wait_for(lambda: stored(connection, "queue WHERE owner IS NOT NULL") == 0)
