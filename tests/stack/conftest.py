"""A whole installation, started as a newcomer starts it."""

import base64
import http.client
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.conftest import START, STATUS
from tests.surroundings import clean_environment as clean_environment
from tests.surroundings import free_port as free_port

if TYPE_CHECKING:
    from tests.stack.worker_process import WorkerProcess

READY_WITHIN = 90.0


class Installation:
    """A running `manage.py serve --prepare` in a folder of its own, on a free port."""

    def __init__(self, project: Path, var_dir: Path, **environment: str) -> None:
        self.project = project
        self.port = free_port()
        self.environment = clean_environment() | {
            "VAR_DIR": str(var_dir),
            "PORT": str(self.port),
            "SHUTDOWN_GRACE": "10",
            **environment,
        }
        self.output = ""
        self.password = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The supervisor."""
        assert self._process is not None
        return self._process

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a management command to its end."""
        return subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "manage.py", *arguments],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=READY_WITHIN,
            check=False,
        )

    def start(self) -> None:
        """Start it and return once it says that it is ready."""
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--prepare"],
            cwd=self.project,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.wait_for_output(r"(?m)^curl .*\n")
        found = re.search(r"API client +demo +password (\S+)", self.output)
        if found:
            self.password = found[1]

    def wait_for_output(self, pattern: str, seconds: float = READY_WITHIN) -> re.Match[str]:
        """Return the match once the output has it; fail with the output otherwise."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.output)):
            readable, _, _ = select.select([self.process.stdout], [], [], 0.2)
            chunk = os.read(self.process.stdout.fileno(), 65_536) if readable else None
            self.output += (chunk or b"").decode()
            if chunk == b"" or time.monotonic() > deadline:  # it has ended, or takes too long
                pytest.fail(f"{pattern!r} is not in:\n{self.output}")
        return found

    def call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        """Make one call as the demo client; return status and parsed body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        credentials = base64.b64encode(f"demo:{self.password}".encode()).decode()
        headers = {
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/json; charset=utf-8",
        }
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text)

    def post(self, body: dict[str, Any], path: str = START) -> str:
        """Start a process and return its robustaSpid."""
        status, answer = self.call("POST", path, json.dumps(body).encode())
        assert (status, answer["message"]) == (200, "Process saved")
        return str(answer["robustaSpid"])

    def wait_for_end(self, robusta_spid: str, seconds: float = 30.0) -> dict[str, Any]:
        """Return the first status answer that is an end."""
        deadline = time.monotonic() + seconds
        while True:
            status, answer = self.call("GET", STATUS + robusta_spid)
            assert status == 200
            if answer["status"] not in {"WAITING", "RUNNING"}:
                return dict(answer)
            assert time.monotonic() < deadline, answer
            time.sleep(0.02)

    def find_processes(self) -> list[psutil.Process]:
        """Return the supervisor and everything below it."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def stop(self) -> int:
        """Stop it in good order and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        # It has to be read, or a full pipe would hold up its last words.
        rest, _ = self.process.communicate(timeout=60)
        self.output += rest.decode()
        return self.process.returncode

    def end(self) -> None:
        """Leave nothing behind, whatever state it is in."""
        if self._process is None:
            return
        with suppress(psutil.NoSuchProcess):
            for process in reversed(self.find_processes()):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Return one running installation, shared by the tests that leave it as it is."""
    installation = Installation(_project(), tmp_path_factory.mktemp("var"))
    try:
        installation.start()
        yield installation
    finally:
        installation.end()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Installation]:
    """Return an installation that is not started yet."""
    installation = Installation(_project(), tmp_path / "var dir")
    yield installation
    installation.end()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a migrated database that knows worker 1 and the processes."""
    from tests.stack.worker_process import prepare  # which takes its environment from here

    folder = tmp_path_factory.mktemp("prepared")
    prepare(_project(), folder)
    return folder


@pytest.fixture
def worker(prepared: Path, tmp_path: Path) -> Iterator["WorkerProcess"]:
    """Return a worker that is not started yet."""
    from tests.stack.worker_process import WorkerProcess

    worker = WorkerProcess(_project(), tmp_path / "var")
    shutil.copytree(prepared, worker.folder)
    yield worker
    worker.end()


def _project() -> Path:
    return Path(__file__).resolve().parents[2]
