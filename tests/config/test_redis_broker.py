"""A Redis that dies takes no worker with it, whatever was on its way."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from kombu import Connection

from tests.faults.brokers import Redis
from tests.services import REMEDIES, REQUIRED


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    """Return a Redis of this test alone, started."""
    if shutil.which("redis-server") is None:
        missing = f"There is no redis-server. To run it, {REMEDIES['redis']}."
        pytest.fail(missing) if REQUIRED else pytest.skip(missing)
    server = Redis(tmp_path / "redis")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def consuming(server: Redis) -> Iterator[tuple[Connection, list[Any]]]:
    """Return a connection that has taken a message from its queue, and the message."""
    taken: list[Any] = []
    connection = current_app.connection_for_read(server.url)
    with (
        connection.Producer() as producer,
        connection.Consumer(
            [current_app.amqp.queues["shared"]], on_message=taken.append, auto_declare=True
        ),
    ):
        producer.publish({}, routing_key="shared")
        connection.drain_events(timeout=10)
        yield connection, taken


def test_connection_to_a_dead_redis_is_closed_without_an_error(
    server: Redis, consuming: tuple[Connection, list[Any]]
) -> None:
    connection, taken = consuming
    assert len(taken) == 1

    server.kill()

    # As Celery does, which expects no error of the second.
    connection.collect(socket_timeout=1)
    connection.close()


def test_message_is_in_redis_only_until_it_is_taken(
    server: Redis, consuming: tuple[Connection, list[Any]]
) -> None:
    connection, [message] = consuming
    channel: Any = connection.default_channel  # the types know no Redis

    keys = channel.client.keys("unack*")
    message.ack()

    assert keys == []
    assert message.acknowledged


def test_connection_notices_that_the_other_side_has_vanished(
    consuming: tuple[Connection, list[Any]],
) -> None:
    connection, _ = consuming
    channel: Any = connection.default_channel  # the types know no Redis

    used = channel.client.connection_pool.get_connection()._sock
    options = [
        used.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    ]
    is_kept_alive = used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

    assert is_kept_alive
    assert options == [10, 5, 3]
