"""Brokers that a test may kill, stop and empty: servers of its own, on ports of its own."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import redis
from kombu import Connection

from tests.faults.ground import QUEUES
from tests.services import RABBITMQ_SERVER
from tests.stack.conftest import free_port

READY_WITHIN = 60.0


class Broker(ABC):
    """A server on the loopback interface; it ends with the test."""

    url: str

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; return once it takes connections."""
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the server's own program
                self._command(),
                cwd=self._folder,
                env=dict(os.environ) | self._environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + READY_WITHIN
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "output").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as kill -9 does."""
        if self._process is None:
            return
        for process in reversed(self._find_processes()):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """Let it stand still: connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on after a stop."""
        self._signal(signal.SIGCONT)

    @abstractmethod
    def empty(self) -> None:
        """Lose every message, as its administrator can."""

    @abstractmethod
    def wipe(self) -> None:
        """Lose all it has on disk; to be called while it is down."""

    @abstractmethod
    def _command(self) -> list[str]: ...

    def _environment(self) -> dict[str, str]:
        return {}

    def _answers(self) -> bool:
        try:
            with Connection(self.url, connect_timeout=3) as server:
                server.connect()
        except Exception:  # each client has exceptions of its own
            return False
        return True

    def _signal(self, number: int) -> None:
        for process in self._find_processes():
            process.send_signal(number)

    def _find_processes(self) -> list[psutil.Process]:
        assert self._process is not None
        parent = psutil.Process(self._process.pid)
        return [parent, *parent.children(recursive=True)]


class Redis(Broker):
    """A Redis that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def empty(self) -> None:
        redis.Redis.from_url(self.url).flushall()

    def wipe(self) -> None:
        pass

    def _command(self) -> list[str]:
        options = {"port": str(self._port), "bind": "127.0.0.1", "save": "", "appendonly": "no"}
        return [
            "redis-server",
            *(word for name in options for word in (f"--{name}", options[name])),
        ]


class Embedded(Broker):
    """The embedded broker's file; there is no server that could be away."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._file = folder / "broker.sqlite3"
        self.url = f"embedded:///{self._file}"

    def start(self) -> None:
        pass

    def kill(self) -> None:
        pass

    def empty(self) -> None:
        with closing(sqlite3.connect(self._file, timeout=READY_WITHIN)) as database, database:
            database.execute("DELETE FROM message")

    def wipe(self) -> None:
        for file in self._file.parent.iterdir():
            file.unlink()

    def _command(self) -> list[str]:
        return []


class RabbitMQ(Broker):
    """A RabbitMQ node without plugins."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}//"
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.local = 127.0.0.1:{self._port}\n")
        (folder / "plugins").write_text("[].\n")
        self._names = {
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"arabica_{self._port}@localhost",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        }

    def empty(self) -> None:
        with Connection(self.url) as server:
            channel: Any = server.channel()  # the types know no AMQP
            for queue in QUEUES:
                with suppress(channel.connection.channel_errors):
                    channel.queue_purge(queue)
                    continue
                channel = server.channel()  # a queue that is not there has closed the other one

    def wipe(self) -> None:
        shutil.rmtree(self._folder / "data")

    def raise_alarm(self) -> None:
        """Have it run out of memory, as it thinks: it takes connections and reads no message."""
        self._control("set_vm_memory_high_watermark", "0.000001")

    def end_alarm(self) -> None:
        """Have it read messages again."""
        self._control("set_vm_memory_high_watermark", "0.4")

    def _control(self, *command: str) -> None:
        program = Path(RABBITMQ_SERVER).with_name("rabbitmqctl")
        subprocess.run(  # noqa: S603 - the server's own program
            [str(program), "-q", *command],
            env=dict(os.environ) | self._names,
            capture_output=True,
            check=True,
            timeout=READY_WITHIN,
        )

    def _command(self) -> list[str]:
        return [RABBITMQ_SERVER]

    def _environment(self) -> dict[str, str]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            distribution = str(probe.getsockname()[1])
        return self._names | {
            "RABBITMQ_DIST_PORT": distribution,
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_FLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
