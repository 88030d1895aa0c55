"""Ends the reading of connections that a server of another language holds.

Granian tells the address a request came from, not its port, and no handle of the connection. The
kernel knows both, and since when nothing has been answered on it.
"""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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
    for descriptor in _list_descriptors():
        with suppress(OSError), _borrow(descriptor) as connection:  # no socket, or closed meanwhile
            if (
                _joins(connection, address, port)
                and _seconds_since_answer(connection) >= silent_for
            ):
                connection.shutdown(socket.SHUT_RD)
                severed += 1
    return severed


@contextmanager
def _borrow(descriptor: int) -> Iterator[socket.socket]:
    """Use a descriptor of the server's as a socket. Raise OSError if it is none.

    It is never duplicated and closed: a close of any descriptor of SQLite's file gives up every
    lock that this process has on it, and the database is damaged.
    """
    connection = socket.socket(fileno=descriptor)
    try:
        yield connection
    finally:
        connection.detach()


def _list_descriptors() -> list[int]:
    try:
        return [int(name) for name in os.listdir(OPEN_FILES)]
    except OSError:
        return []


def _joins(connection: socket.socket, address: str, port: int) -> bool:
    return (
        connection.family in {socket.AF_INET, socket.AF_INET6}
        and connection.type == socket.SOCK_STREAM
        and connection.getsockname()[1] == port
        and connection.getpeername()[0] == address
    )


def _seconds_since_answer(connection: socket.socket) -> float:
    information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_DATA_SENT.size)
    (milliseconds,) = LAST_DATA_SENT.unpack(information)
    return float(milliseconds) / 1000
