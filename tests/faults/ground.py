"""An installation for one fault test: its own database, broker, folder and processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import copyfile
from typing import Any
from uuid import uuid4

import psutil
import psycopg
import redis
from django.conf import settings
from django.db import connection, connections
from kombu import Connection

from processes import registry
from processes.models import ProcessModel, Worker
from processes.synchronization import sync_processes
from tests.faults import journaled
from tests.faults.journal import Journal
from tests.services import BROKER, POSTGRESQL
from tests.stack.conftest import clean_environment

PROJECT = Path(__file__).resolve().parents[2]
READY_WITHIN = 60.0
QUEUES = ["shared", *(f"worker-{number}" for number in range(1, 10))]


class Ground:
    """What a fault test stands on. It ends every process that it started, by its id."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.journal = Journal(folder / "journal")
        self.environment = (
            clean_environment()
            | {
                "VAR_DIR": str(folder),
                "PYTHONPATH": str(PROJECT),
                "PROCESS_MODULES": journaled.__name__,
                journaled.JOURNAL_VARIABLE: str(self.journal.path),
                "SECRET_KEY": settings.SECRET_KEY,  # secrets made here are checked there
                "SECRETS_KEY": ",".join(settings.SECRETS_KEYS),
                "LOG_LEVEL": "DEBUG",  # where Celery says that it is ready
            }
            | environment
        )
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def pair(self) -> str:
        """Return the database and the broker in words, for the table."""
        url = self.environment.get("CELERY_BROKER_URL", "embedded:")
        kinds = {"redis": "redis", "amqp": "rabbitmq", "embedded": "embedded"}
        return f"{connection.vendor}, {kinds[url.partition(':')[0]]}"

    def prepare(self) -> ProcessModel:
        """Store worker 1 and the journaled process model; return the latter."""
        registry.load([journaled.__name__])
        sync_processes()
        Worker.objects.create(name="first")
        return ProcessModel.objects.get(name=journaled.NAME)

    def start(self, name: str, *arguments: str, ready: str = "") -> psutil.Process:
        """Start a Python program; return once its output has `ready`."""
        return self.start_program(name, [sys.executable, *arguments], ready=ready)

    def start_program(self, name: str, command: list[str], *, ready: str = "") -> psutil.Process:
        """Start a program; return once its output has `ready`."""
        with self.output_of(name).open("ab") as output:
            before = output.tell()
            process = subprocess.Popen(  # noqa: S603 - our own program, or a server's
                command,
                cwd=PROJECT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._processes[name] = process
        self.wait_until(
            lambda: ready in self.read_output(name, before), f"{name} to be ready", name
        )
        return psutil.Process(process.pid)

    def start_worker(self, *, concurrency: int, name: str = "worker") -> psutil.Process:
        """Start a node of worker 1."""
        arguments = ["manage.py", "worker", "--id", "1", "--concurrency", str(concurrency)]
        return self.start(name, *arguments, ready=" ready.")

    def start_beat(self, name: str = "beat") -> psutil.Process:
        """Start a beat; return once it has looked for the first time."""
        return self.start(name, "manage.py", "beat", ready="beat: Waking up")

    def has_ended(self, name: str) -> bool:
        """Tell whether a process is not there any more."""
        return self._processes[name].poll() is not None

    def get_pid(self, name: str) -> int:
        """Return the process id."""
        return self._processes[name].pid

    def kill(self, name: str) -> None:
        """End a process as kill -9 does; what it has started is left to itself."""
        process = self._processes[name]
        process.kill()
        process.wait()

    def output_of(self, name: str) -> Path:
        """Return the file with what a process printed."""
        return self.folder / f"{name}.output"

    def read_output(self, name: str, since: int = 0) -> str:
        """Return what a process printed so far, after the first `since` bytes."""
        with self.output_of(name).open("rb") as output:
            output.seek(since)
            return output.read().decode(errors="replace")

    def wait_until(
        self,
        is_so: Callable[[], bool],
        what: str,
        name: str = "",
        *,
        seconds: float = READY_WITHIN,
        pause: float = 0.05,
    ) -> float:
        """Return after how many seconds it is so; fail if it takes longer or process `name` ends."""
        began = time.monotonic()
        while not is_so():
            ended = name and self._processes[name].poll() is not None
            if ended or time.monotonic() - began > seconds:
                output = self.read_output(name)[-3000:] if name else ""
                raise AssertionError(f"Waited {seconds} s in vain for {what}.\n{output}")
            time.sleep(pause)
        return time.monotonic() - began

    def stop(self, name: str, seconds: float = 30.0) -> int:
        """Ask a process to end; return its exit code."""
        process = self._processes[name]
        process.terminate()
        return process.wait(seconds)

    def end(self) -> None:
        """Leave no process behind, whatever state it is in."""
        for process in self._processes.values():
            if process.poll() is None:
                with suppress(psutil.NoSuchProcess):
                    for child in psutil.Process(process.pid).children(recursive=True):
                        with suppress(psutil.NoSuchProcess):
                            child.send_signal(signal.SIGKILL)
                process.kill()
            process.wait()


@contextmanager
def make_ground(folder: Path) -> Iterator[Ground]:
    """Give the test a copy of the migrated test database, and an empty broker."""
    migrated = connection.settings_dict["NAME"]
    folder.mkdir()
    copy, environment = _copy_database(migrated, folder)
    ground = Ground(folder, environment)
    connection.settings_dict["NAME"] = copy
    try:
        yield ground
    finally:
        ground.end()
        connections.close_all()
        connection.settings_dict["NAME"] = migrated
        if connection.vendor == "postgresql":
            _tell_server(f'DROP DATABASE "{copy}" WITH (FORCE)')


def _copy_database(migrated: str, folder: Path) -> tuple[str, dict[str, str]]:
    """Return the name of a copy, and the environment that leads other processes to it."""
    connections.close_all()
    if connection.vendor == "sqlite":
        copy = str(folder / "arabica.sqlite3")
        copyfile(migrated, copy)
        return copy, {}
    copy = f"arabica_faults_{os.getpid()}_{uuid4().hex[:8]}"
    _tell_server(f'CREATE DATABASE "{copy}" TEMPLATE "{migrated}"')
    embedded = settings.CELERY_BROKER_URL.startswith("embedded")
    broker = BROKER if embedded else settings.CELERY_BROKER_URL
    empty_broker(broker)
    return copy, {
        "DATABASE_URL": f"{POSTGRESQL.rpartition('/')[0]}/{copy}",
        "CELERY_BROKER_URL": broker,
    }


def empty_broker(url: str) -> None:
    """Leave nothing of an earlier test in a broker."""
    if url.startswith("redis"):
        redis.Redis.from_url(url).flushdb()
        return
    with Connection(url) as server:
        channel: Any = server.channel()  # the types know no AMQP
        for queue in QUEUES:
            channel.queue_delete(queue)


def _tell_server(command: str) -> None:
    server: Any = psycopg.connect(POSTGRESQL.rpartition("/")[0] + "/postgres", autocommit=True)
    with server:
        server.execute(command)
