"""`manage.py worker` as an operating-system process: how it stops, and how it is killed."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.stack.conftest import clean_environment

PATIENCE = 40.0  # seconds, for a busy machine
PROCESSES = '''
    import os, time
    from pathlib import Path
    from processes.registry import process


    @process(name="Wait")
    def wait(folder: str, name: str) -> None:
        """Say which process this is, then wait for permission to end."""
        Path(folder, f"{name}.pid").write_text(str(os.getpid()))
        while not Path(folder, f"{name}.end").exists():
            time.sleep(0.02)
'''
PREPARE = "from processes.models import Worker; Worker.objects.create(name='first')"
QUEUE = """
from processes.models import ProcessModel
from processes.queueing import queue_run
model = ProcessModel.objects.get(name="Wait")
for name in {names!r}:
    queue_run(model, {{"folder": {folder!r}, "name": name}})
"""


class WorkerProcess:
    """A node of worker 1 with a folder, a database and a broker of its own."""

    def __init__(self, project: Path, folder: Path) -> None:
        self.project = project
        self.folder = folder
        self.environment = clean_environment() | {
            "VAR_DIR": str(folder),
            "PYTHONPATH": str(folder),
            "PROCESS_MODULES": "waiting_process",
            "LOG_LEVEL": "DEBUG",  # where Celery says that it is ready
        }
        self._output = folder / "output"
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

    def start(self, *, concurrency: int = 1) -> None:
        """Start it and return once it is ready."""
        arguments = ["worker", "--id", "1", "--concurrency", str(concurrency)]
        with self._output.open("w") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "manage.py", *arguments],
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

    def end(self) -> None:
        """Leave nothing behind."""
        if self._process is None:
            return
        with suppress(psutil.NoSuchProcess):
            for child in self.pool():
                child.kill()
        self._process.kill()
        self._process.wait()

    def pool(self) -> list[psutil.Process]:
        """Return the living pool children."""
        children = self.process.children(recursive=True)
        return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]

    def queue(self, *names: str) -> None:
        """Queue runs that say their process and wait for permission to end."""
        done = self.manage("shell", "-v0", "-c", QUEUE.format(names=names, folder=str(self.folder)))
        assert done.returncode == 0, done.stderr

    def wait_for_run(self, name: str) -> psutil.Process:
        """Return the process that executes the run, once it does."""
        file = self.folder / f"{name}.pid"
        self.wait_until(lambda: file.exists() and file.read_text() != "")
        return psutil.Process(int(file.read_text()))

    def let_end(self, name: str) -> None:
        """Permit the run to end."""
        (self.folder / f"{name}.end").touch()

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the runs or the nodes as they are stored, oldest first."""
        table = {"run": "processes_run", "node": "processes_workernode"}[table]
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


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a migrated database that knows worker 1 and the process."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "waiting_process.py").write_text(textwrap.dedent(PROCESSES))
    worker = WorkerProcess(_project(), folder)
    for command in (["migrate", "-v0"], ["sync_processes"], ["shell", "-v0", "-c", PREPARE]):
        done = worker.manage(*command)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def worker(prepared: Path, tmp_path: Path) -> Iterator[WorkerProcess]:
    """Return a worker that is not started yet."""
    worker = WorkerProcess(_project(), tmp_path / "var")
    shutil.copytree(prepared, worker.folder)
    yield worker
    worker.end()


def test_idle_worker_stops_in_good_order(worker: WorkerProcess) -> None:
    worker.start(concurrency=2)
    processes = [worker.process, *worker.pool()]

    output = worker.stop()

    assert "Traceback" not in output
    assert [node["stopped_at"] is not None for node in worker.rows("node")] == [True]
    assert not [process for process in processes if process.is_running()]


def test_stopping_worker_finishes_what_it_runs_and_takes_nothing_more(
    worker: WorkerProcess,
) -> None:
    worker.start()
    worker.queue("first", "second")
    worker.wait_for_run("first")

    worker.process.terminate()
    time.sleep(1)
    worker.let_end("first")
    worker.let_end("second")
    worker.stop()

    assert [run["status"] for run in worker.rows("run")] == ["SUCCEEDED", "WAITING"]
    assert worker.rows("node")[0]["stopped_at"] is not None


def test_killed_worker_leaves_no_pool_child(worker: WorkerProcess) -> None:
    worker.start(concurrency=2)
    worker.queue("first")
    executing = worker.wait_for_run("first")
    children = worker.pool()
    assert executing in children

    worker.process.kill()

    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []
    assert worker.rows("node")[0]["stopped_at"] is None


def test_run_in_a_replaced_pool_child_outlives_the_stop_of_its_worker(
    worker: WorkerProcess,
) -> None:
    worker.start()
    replaced = kill_pool_child(worker)
    worker.queue("first")
    assert worker.wait_for_run("first") == replaced

    worker.process.send_signal(signal.SIGTERM)
    # Long enough for every thread of the worker that ends with its pool.
    time.sleep(3)
    worker.let_end("first")
    worker.stop()

    assert [run["status"] for run in worker.rows("run")] == ["SUCCEEDED"]


def test_replaced_pool_child_ends_when_its_worker_is_killed(worker: WorkerProcess) -> None:
    worker.start()
    replaced = kill_pool_child(worker)
    worker.queue("first")
    assert worker.wait_for_run("first") == replaced

    worker.process.kill()

    _, alive = psutil.wait_procs([replaced], timeout=5)
    assert alive == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--id", "7"], "There is no worker 7; there are: 1 · first."),
        (["--id", "1", "--concurrency", "0"], "--concurrency takes a whole number from 1."),
        (["--id", "first"], "argument --id: invalid int value: 'first'"),
    ],
)
def test_wrong_argument_is_one_sentence(
    worker: WorkerProcess, arguments: list[str], sentence: str
) -> None:
    ended = worker.manage("worker", *arguments)

    assert ended.returncode != 0
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout


def kill_pool_child(worker: WorkerProcess) -> psutil.Process:
    """Kill the only pool child and return the one that takes its place."""
    [killed] = worker.pool()
    os.kill(killed.pid, signal.SIGKILL)
    worker.wait_until(lambda: any(child != killed for child in worker.pool()))
    [replaced] = (child for child in worker.pool() if child != killed)
    return replaced


def _project() -> Path:
    return Path(__file__).resolve().parents[2]
