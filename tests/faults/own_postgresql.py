"""A PostgreSQL server of the test's own, to be stopped, killed, frozen and filled up."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
from django.db import connection, connections

from tests.faults.ground import Ground
from tests.services import BROKER
from tests.stack.conftest import free_port

ROLE = NAME = "arabica"  # no superuser: those have connections kept for them
PATIENCE = "60"  # seconds, for pg_ctl
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "40",
    "fsync": "off",  # the kernel outlives every fault of these tests
}


class OwnPostgresql:
    """A cluster in a temporary folder, on a free port of the loopback interface."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"postgres://{ROLE}@127.0.0.1:{self.port}/{NAME}"
        self._programs = _find_programs()

    def make(self) -> None:
        """Make the cluster and start it."""
        self._run("initdb", "--no-sync", "--auth=trust", "--username=postgres", "-D", self._data)
        self.start()
        self.tell(f"CREATE ROLE {ROLE} LOGIN")
        self.tell(f"CREATE DATABASE {NAME} OWNER {ROLE}")

    def start(self) -> None:
        """Start the server; return once it takes connections."""
        settings = [f"-c {name}='{value}'" for name, value in OPTIONS.items()]
        options = " ".join([f"-p {self.port}", *settings])
        log = str(self.folder / "log")
        self._run(
            "pg_ctl", "start", "-w", "-t", PATIENCE, "-D", self._data, "-l", log, "-o", options
        )

    def stop(self, mode: str) -> None:
        """Stop the server: `fast` ends every connection, `immediate` is a crash."""
        self._run("pg_ctl", "stop", "-w", "-t", PATIENCE, "-D", self._data, "-m", mode)

    def signal(self, number: int) -> None:
        """Send a signal to the server and to all its backends."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        server = psutil.Process(pid)
        for process in [server, *server.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def end(self) -> None:
        """Leave nothing behind, whatever state it is in."""
        with suppress(OSError, psutil.NoSuchProcess):
            self.signal(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def tell(self, command: str, database: str = "postgres") -> list[Any]:
        """Execute one statement as a superuser; return its rows."""
        url = f"postgres://postgres@127.0.0.1:{self.port}/{database}"
        server: Any = psycopg.connect(url, autocommit=True)
        with server:
            cursor = server.execute(command)
            return list(cursor) if cursor.description else []

    def copy_from(self, url: str) -> None:
        """Fill the database with what the one at `url` holds."""
        dump, load = self._programs / "pg_dump", self._programs / "psql"
        source = subprocess.run(  # noqa: S603 - the server's own programs
            [dump, "--no-owner", "--no-acl", url], stdout=subprocess.PIPE, check=True
        )
        subprocess.run(  # noqa: S603
            [load, "-q", "-v", "ON_ERROR_STOP=1", self.url],
            input=source.stdout,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        """Run a program of the server, not as root: the server refuses that."""
        others = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        with (self.folder / "output").open("ab") as output:  # the server would keep a pipe open
            done = subprocess.run(  # noqa: S603 - the server's own programs
                [*(others if os.getuid() == 0 else []), str(self._programs / program), *arguments],
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise AssertionError((self.folder / "output").read_text(errors="replace")[-2000:])


@contextmanager
def own_postgresql(
    ground_folder: Path, **environment: str
) -> Iterator[tuple[OwnPostgresql, Ground]]:
    """Give an installation on a server of its own, with a copy of the migrated test database."""
    folder = Path(tempfile.mkdtemp(prefix="arabica-postgresql-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    server = OwnPostgresql(folder)
    migrated = dict(connection.settings_dict)
    connections.close_all()
    ground_folder.mkdir()
    try:
        server.make()
        server.copy_from(_url_of(migrated))
        connection.settings_dict |= {
            "HOST": "127.0.0.1",
            "PORT": str(server.port),
            "USER": ROLE,
            "PASSWORD": "",
            "NAME": NAME,
        }
        ground = Ground(
            ground_folder,
            {"DATABASE_URL": server.url, "CELERY_BROKER_URL": BROKER, **environment},
        )
        try:
            yield server, ground
        finally:
            ground.end()
    finally:
        connections.close_all()
        connection.settings_dict |= migrated
        server.end()


def _url_of(database: dict[str, Any]) -> str:
    password = f":{database['PASSWORD']}" if database["PASSWORD"] else ""
    user = f"{database['USER'] or 'postgres'}{password}"
    return f"postgres://{user}@{database['HOST']}:{database['PORT'] or 5432}/{database['NAME']}"


def _find_programs() -> Path:
    """Return the folder of the newest server's programs; Debian keeps them out of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    program = shutil.which("initdb")
    if program is None:
        raise AssertionError("initdb is not installed; install postgresql.")
    return Path(program).resolve().parent
