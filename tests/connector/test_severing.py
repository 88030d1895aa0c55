"""Connections on which nothing has been answered are shut for reading, and no other ones."""

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from connector.severing import sever

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="It asks the kernel of Linux.")
LONG = 0.3  # seconds


class Server:
    """A listening socket and what it has accepted."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port: int = self._listener.getsockname()[1]

    def connect(self, address: str = "127.0.0.1") -> tuple[socket.socket, socket.socket]:
        """Return both ends of a new connection from `address`."""
        client = socket.create_connection(("127.0.0.1", self.port), 10, (address, 0))
        accepted, _ = self._listener.accept()
        accepted.settimeout(0.05)
        return self._stack.enter_context(client), self._stack.enter_context(accepted)


@pytest.fixture
def server() -> Iterator[Server]:
    with ExitStack() as stack:
        yield Server(stack)


def is_shut(accepted: socket.socket) -> bool:
    """Tell whether a read ends at once, without data."""
    try:
        return accepted.recv(1) == b""
    except TimeoutError:
        return False


def test_read_of_a_silent_sender_ends_and_it_can_still_be_answered(server: Server) -> None:
    client, accepted = server.connect()
    client.sendall(b"x")
    assert accepted.recv(1) == b"x"
    time.sleep(LONG)

    assert sever("127.0.0.1", server.port, silent_for=LONG) == 1

    assert is_shut(accepted)
    accepted.sendall(b"too slow")
    assert client.recv(20) == b"too slow"


def test_read_of_a_sender_of_single_bytes_ends_too(server: Server) -> None:
    client, accepted = server.connect()
    time.sleep(LONG)
    client.sendall(b"x")
    assert accepted.recv(1) == b"x"

    assert sever("127.0.0.1", server.port, silent_for=LONG) == 1

    assert is_shut(accepted)


def test_other_connections_are_left_alone(server: Server) -> None:
    with ExitStack() as stack:
        other_server = Server(stack)
        answered = server.connect()
        elsewhere = server.connect("127.0.0.2")
        other_port = other_server.connect()
        time.sleep(LONG)
        answered[1].sendall(b"progress")

        assert sever("127.0.0.1", server.port, silent_for=LONG) == 0

        assert not any(is_shut(end) for _, end in (answered, elsewhere, other_port))


def test_own_connections_to_a_server_are_left_alone(server: Server) -> None:
    client, _ = server.connect()  # such as one to the database on the same machine
    time.sleep(LONG)

    sever("127.0.0.1", client.getsockname()[1] + 1, silent_for=0)

    client.settimeout(0.05)
    assert not is_shut(client)


def test_locks_of_files_are_kept(server: Server, tmp_path: Path) -> None:
    try_to_lock = (
        "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    )
    with (tmp_path / "database").open("w") as database:
        fcntl.lockf(database, fcntl.LOCK_EX)

        sever("127.0.0.1", server.port, silent_for=60)

        other = subprocess.run(  # noqa: S603 - this interpreter
            [sys.executable, "-c", try_to_lock, database.name], capture_output=True, check=False
        )
    assert b"BlockingIOError" in other.stderr


def test_no_descriptor_is_left_open(server: Server) -> None:
    server.connect()
    reading, writing = os.pipe()
    before = len(os.listdir("/proc/self/fd"))

    for _ in range(10):
        sever("127.0.0.1", server.port, silent_for=60)

    assert len(os.listdir("/proc/self/fd")) == before
    os.close(reading)
    os.close(writing)
