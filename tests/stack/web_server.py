"""The web server alone, on the test's own database."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from django.conf import settings
from django.db import connection

from tests.services import POSTGRESQL
from tests.stack.conftest import clean_environment, free_port

PROJECT = Path(__file__).resolve().parents[2]
READY_WITHIN = 60.0


class WebServer:
    """A running `manage.py web` that takes this machine for a proxy."""

    def __init__(self, folder: Path, database: str) -> None:
        self.port = free_port()
        self.output = folder / "output"
        environment = clean_environment() | {
            "VAR_DIR": str(folder),
            "DATABASE_URL": database,
            "SECRET_KEY": settings.SECRET_KEY,  # secrets made here are checked there
            "TRUSTED_PROXIES": "127.0.0.1",
        }
        with self.output.open("ab") as output:
            self.process = psutil.Popen(
                [sys.executable, "manage.py", "web", "--port", str(self.port)],
                cwd=PROJECT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        """Return once it takes connections; fail with its output when it has ended."""
        deadline = time.monotonic() + READY_WITHIN
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5):
                return
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.05)

    def measure_memory(self) -> int:
        """Return the bytes that it and its processes hold in memory."""
        processes = [self.process, *self.process.children(recursive=True)]
        return sum(process.memory_info().rss for process in processes)

    def exchange(self, sent: bytes, *, close: bool = False, seconds: float = 30.0) -> bytes:
        """Send bytes as they are; return all that comes back until the server closes.

        `close` ends the sending, as a client does that breaks off.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as client:
            with suppress(BrokenPipeError, ConnectionResetError):  # it has answered already
                client.sendall(sent)
                if close:
                    client.shutdown(socket.SHUT_WR)
            return _read_to_end(client)

    def end(self) -> None:
        """Leave no process behind."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except psutil.TimeoutExpired:
            for child in self.process.children(recursive=True):
                child.kill()
            self.process.kill()
            self.process.wait()


def _read_to_end(client: socket.socket) -> bytes:
    received = b""
    with suppress(ConnectionResetError):
        while piece := client.recv(65536):
            received += piece
    return received


@contextmanager
def web_server(folder: Path, database: str = "") -> Iterator[WebServer]:
    """Give a running web server, on the test's database unless another one is named."""
    (folder / "static").mkdir(parents=True, exist_ok=True)
    server = WebServer(folder, database or _find_database())
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.end()


def _find_database() -> str:
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{os.path.abspath(name)}"
    return f"{POSTGRESQL.rpartition('/')[0]}/{name}"
