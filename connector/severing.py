"""Ends the reading of connections that a server of another language holds.

Granian tells the address a request came from, not its port, and no handle of the connection. The
kernel knows both, and since when nothing has been answered on it.
"""

import os
import socket
import struct
from collections.abc import Iterator

OPEN_FILES = "/proc/self/fd"
# tcpi_last_data_sent of struct tcp_info in linux/tcp.h: milliseconds.
LAST_DATA_SENT = struct.Struct("=44xI")


def sever(address: str, port: int, *, silent_for: float) -> int:
    """Shut for reading what came from `address` to our `port` and was not answered for so long.

    That is a request in progress for so many seconds less those after which the server closes an
    idle connection. Whoever reads from it is told that it has ended; an answer can still be sent.
    Return how many; 0 where the kernel is not Linux.
    """
    severed = 0
    for connection in _find_connections(address, port):
        with connection:
            if _seconds_since_answer(connection) >= silent_for:
                connection.shutdown(socket.SHUT_RD)
                severed += 1
    return severed


def _find_connections(address: str, port: int) -> Iterator[socket.socket]:
    """Yield the process's connections between them, as duplicates that are to be closed."""
    for descriptor in _list_descriptors():
        candidate = _duplicate(descriptor)
        if candidate and _joins(candidate, address, port):
            yield candidate
        elif candidate:
            candidate.close()


def _duplicate(descriptor: int) -> socket.socket | None:
    """Return a socket of our own for what may be closed meanwhile; None if it is no socket."""
    try:
        copy = os.dup(descriptor)
    except OSError:
        return None
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        return None


def _list_descriptors() -> list[int]:
    try:
        return [int(name) for name in os.listdir(OPEN_FILES)]
    except OSError:
        return []


def _joins(candidate: socket.socket, address: str, port: int) -> bool:
    try:
        return (
            candidate.getpeername()[0] == address
            and candidate.getsockname()[1] == port
            and candidate.type == socket.SOCK_STREAM
        )
    except (OSError, IndexError):
        return False


def _seconds_since_answer(connection: socket.socket) -> float:
    information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_DATA_SENT.size)
    (milliseconds,) = LAST_DATA_SENT.unpack(information)
    return float(milliseconds) / 1000
