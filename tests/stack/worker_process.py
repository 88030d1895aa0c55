"""`manage.py worker` as an operating-system process with an installation of its own."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.stack.conftest import clean_environment

PATIENCE = 40.0  # seconds, for a busy machine
PROCESSES = '''
    import os, subprocess, time
    from pathlib import Path
    from processes.registry import process


    @process(name="Wait")
    def wait(folder: str, name: str) -> None:
        """Say which process this is, then wait for permission to end."""
        Path(folder, f"{name}.pid").write_text(str(os.getpid()))
        while not Path(folder, f"{name}.end").exists():
            time.sleep(0.02)


    @process(name="Stubborn")
    def be_stubborn(folder: str, name: str) -> None:
        """Do the same, whoever wants it to end."""
        while True:
            try:
                wait(folder, name)
            except SystemExit:
                Path(folder, f"{name}.told").touch()


    @process(name="Nest")
    def nest(folder: str, name: str) -> None:
        """Start a program that outlives whatever does not kill it, then do the same."""
        program = subprocess.Popen(["sleep", "120"])
        Path(folder, f"{name}.program").write_text(str(program.pid))
        wait(folder, name)
        program.kill()
        program.wait()
'''
PREPARE = "from processes.models import Worker; Worker.objects.create(name='first')"
QUEUE = """
from processes.models import ProcessModel, Worker
from processes.queueing import queue_run
worker = Worker.objects.filter(pk={worker_id}).first()
ProcessModel.objects.update(on_worker_lost={on_worker_lost!r})
model = ProcessModel.objects.get(name={process!r})
for name in {names!r}:
    queue_run(model, {{"folder": {folder!r}, "name": name}}, worker=worker)
"""


class WorkerProcess:
    """A node of worker 1 with a folder, a database and a broker of its own.

    Another one in the same folder, under another name, is another node of the installation.
    """

    def __init__(self, project: Path, folder: Path, *, name: str = "output") -> None:
        self.project = project
        self.folder = folder
        self.environment = clean_environment() | {
            "VAR_DIR": str(folder),
            "PYTHONPATH": str(folder),
            "PROCESS_MODULES": "waiting_process",
            "LOG_LEVEL": "DEBUG",  # where Celery says that it is ready
        }
        self._output = folder / name
        self._process: subprocess.Popen[str] | None = None

    @property
    def process(self) -> psutil.Process:
        """The worker's parent process."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a management command to its end."""
        return subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "manage.py", *arguments],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def start(
        self, *, worker_id: int = 1, concurrency: int = 1, quick: bool = False, module: str = ""
    ) -> None:
        """Start it, or the module that takes its place, and return once it is ready.

        With leases of three seconds if `quick`.
        """
        module = "tests.stack.quick_worker" if quick else module
        program = ["-m", module] if module else ["manage.py"]
        options = ["--id", str(worker_id), "--concurrency", str(concurrency)]
        arguments = [*program, "worker", *options]
        with self._output.open("w") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, *arguments],
                cwd=self.project,
                env=self.environment,
                text=True,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.wait_until(lambda: " ready." in self._output.read_text())

    def stop(self) -> str:
        """Return what it printed once it has ended after a SIGTERM."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(PATIENCE)
        output = self._output.read_text()
        assert code == 0, output
        return output

    def wait_for_end(self) -> int:
        """Return its exit code once it has ended."""
        assert self._process is not None
        return self._process.wait(PATIENCE)

    def end(self) -> None:
        """Leave nothing behind."""
        if self._process is None:
            return
        with suppress(psutil.NoSuchProcess):
            for child in self.pool():
                child.kill()
        self._process.kill()
        self._process.wait()
        for file in self.folder.glob("*.program"):
            with suppress(psutil.NoSuchProcess):
                program = psutil.Process(int(file.read_text()))
                if program.name() == "sleep":
                    program.kill()

    def pool(self) -> list[psutil.Process]:
        """Return the living pool children."""
        children = self.process.children(recursive=True)
        return [child for child in children if lives(child)]

    def queue(
        self,
        *names: str,
        process: str = "Wait",
        on_worker_lost: str = "fail",
        worker_id: int | None = None,
    ) -> None:
        """Queue runs that say their process and wait for permission to end."""
        code = QUEUE.format(
            names=names,
            folder=str(self.folder),
            process=process,
            on_worker_lost=on_worker_lost,
            worker_id=worker_id,
        )
        self.shell(code)

    def shell(self, code: str) -> str:
        """Return what lines of Python print in a process of the installation."""
        done = self.manage("shell", "-v0", "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def wait_for_run(self, name: str) -> psutil.Process:
        """Return the process that executes the run, once it does."""
        return self._wait_for_process(f"{name}.pid")

    def wait_for_program(self, name: str) -> psutil.Process:
        """Return the program that the run has started, once it has."""
        return self._wait_for_process(f"{name}.program")

    def _wait_for_process(self, name: str) -> psutil.Process:
        file = self.folder / name
        self.wait_until(lambda: file.exists() and file.read_text() != "")
        return psutil.Process(int(file.read_text()))

    def tell_to_stop(self) -> None:
        """Send SIGTERM and return once the worker has taken note of it."""
        self.process.terminate()
        self.wait_until(lambda: "Warm shutdown" in self._output.read_text())

    def let_end(self, name: str) -> None:
        """Permit the run to end."""
        (self.folder / f"{name}.end").touch()

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the runs, attempts or nodes as they are stored, oldest first."""
        tables = {"run": "run", "attempt": "runattempt", "node": "workernode"}
        table = f"processes_{tables[table]}"
        with closing(
            sqlite3.connect(self.folder / "arabica.sqlite3", timeout=PATIENCE)
        ) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(f"SELECT * FROM {table} ORDER BY 1")]  # noqa: S608

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Return once it is so; fail with the output otherwise."""
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            assert self._process is not None
            if time.monotonic() > deadline or self._process.poll() is not None:
                pytest.fail(self._output.read_text())
            time.sleep(0.02)


def prepare(project: Path, folder: Path) -> None:
    """Migrate a database in `folder`; it knows worker 1 and the processes."""
    (folder / "waiting_process.py").write_text(textwrap.dedent(PROCESSES))
    worker = WorkerProcess(project, folder)
    for command in (["migrate", "-v0"], ["sync_processes"], ["shell", "-v0", "-c", PREPARE]):
        done = worker.manage(*command)
        assert done.returncode == 0, done.stderr


def kill_pool_child(worker: WorkerProcess) -> psutil.Process:
    """Kill the only pool child and return the one that takes its place."""
    [killed] = worker.pool()
    os.kill(killed.pid, signal.SIGKILL)
    worker.wait_until(lambda: any(child != killed for child in worker.pool()))
    [replaced] = (child for child in worker.pool() if child != killed)
    return replaced


def lives(process: psutil.Process) -> bool:
    """Tell whether a process goes on."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end_within(processes: list[psutil.Process], seconds: float) -> bool:
    """Wait until all have ended; return whether they have within so many seconds."""
    deadline = time.monotonic() + seconds
    while any(lives(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def status_of(worker: WorkerProcess) -> str:
    """Return the status of the only run."""
    return str(worker.rows("run")[0]["status"])
