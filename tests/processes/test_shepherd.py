"""Nothing of a command outlives its run, its cancel or its worker, whatever it does."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from processes import lifetime
from processes.executors.base import ProcessFailed
from tests.families import MARK, find_family, kill_family
from tests.processes.conftest import RunScript
from tests.processes.recorder import Recorder

ROOT = Path(__file__).resolve().parents[2]
LONG_ENOUGH = 20.0  # for a busy machine; the processes would live for minutes
# Each ignores TERM; one is a grandchild in a session of its own, whose parents have ended.
ESCAPING = """
trap '' TERM
(setsid sh -c 'trap "" TERM; : > escaped; while :; do sleep 60; done' &)
while ! [ -e escaped ]; do sleep 0.01; done
"""
# Lines of processes that each start the next and end: no look finds all of them.
FLEEING = f"""#!{sys.executable} -IS
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for line in range(8):
    if not os.fork():
        os.setsid()
        while True:
            if os.fork():
                os._exit(0)
open(os.environ["READY"], "w").close()
time.sleep(60)
"""


@pytest.fixture
def family() -> Iterator[str]:
    mark = uuid.uuid4().hex
    yield mark
    kill_family(mark)


@pytest.fixture
def cancel(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Return options of an attempt that is cancelled once the file `ready` is there."""
    ready, given_up = tmp_path / "ready", threading.Event()

    def send() -> None:
        while not ready.exists() and not given_up.wait(0.01):
            pass
        for _ in range(2):  # as when somebody signals the whole group as well
            if not given_up.is_set():
                os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda *_: None)  # it may come after the end
    thread = threading.Thread(target=send)
    thread.start()
    yield {"is_cancelled": lambda: True}
    given_up.set()
    thread.join()
    signal.signal(signal.SIGTERM, before)


def comes_true(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + LONG_ENOUGH
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_so()


def variables(family: str, tmp_path: Path) -> dict[str, str]:
    return {MARK: family, "READY": str(tmp_path / "ready")}


def test_what_a_command_leaves_ends_with_it(
    run_script: RunScript, family: str, tmp_path: Path
) -> None:
    script = ESCAPING + """echo '{"x": 1}' > "$ARABICA_OUTPUTS" """

    outputs = run_script(script, environment=variables(family, tmp_path))

    assert outputs == {"x": 1}
    assert find_family(family) == []


def test_what_a_command_leaves_may_clean_up(run_script: RunScript, tmp_path: Path) -> None:
    script = f"""
    (trap 'echo cleaned > {tmp_path}/note; exit' TERM; : > set; while :; do sleep 0.01; done) &
    while ! [ -e set ]; do sleep 0.01; done
    """

    run_script(script, options={"kill_grace": timedelta(seconds=LONG_ENOUGH)})

    assert (tmp_path / "note").read_text() == "cleaned\n"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(ESCAPING + ': > "$READY"; while :; do sleep 60; done', id="ignores TERM"),
        pytest.param(FLEEING, id="starts others without end"),
        pytest.param('kill -STOP $PPID; : > "$READY"; sleep 60', id="stops the shepherd"),
        pytest.param(': > "$READY"; kill -STOP $$', id="stops itself"),
    ],
)
def test_cancelled_command_ends_with_all_it_has_started(
    run_script: RunScript, family: str, tmp_path: Path, cancel: dict[str, Any], script: str
) -> None:
    with pytest.raises(ProcessFailed, match="told to end"):
        run_script(script, environment=variables(family, tmp_path), options=cancel)

    assert find_family(family) == []


def test_cancelled_command_is_told_once_and_may_clean_up(
    run_script: RunScript, family: str, tmp_path: Path, cancel: dict[str, Any], report: Recorder
) -> None:
    script = """
    trap 'told="$told TERM"; sleep 0.2; echo $told; exit 0' TERM
    : > "$READY"
    while :; do sleep 0.01; done
    """
    options = cancel | {"kill_grace": timedelta(seconds=LONG_ENOUGH)}

    # It has not come to its own end, whatever exit code it gives itself.
    with pytest.raises(ProcessFailed, match="told to end") as failure:
        run_script(script, environment=variables(family, tmp_path), options=options)

    assert failure.value.exit_code == 0
    assert report.lines("stdout") == ["TERM"]


def test_command_that_signals_its_group_harms_nobody_else(run_script: RunScript) -> None:
    with pytest.raises(ProcessFailed, match="killed by SIGINT") as failure:
        run_script("kill -INT 0; sleep 60")

    assert failure.value.signal == "SIGINT"


def test_command_that_kills_its_shepherd_is_killed_and_fails(
    run_script: RunScript, family: str, tmp_path: Path
) -> None:
    script = ESCAPING + "kill -KILL $PPID; sleep 60"

    with pytest.raises(ProcessFailed, match="process that watches over it was"):
        run_script(script, environment=variables(family, tmp_path))

    assert find_family(family) == []


# Executes the program "program" below the folder that is named, as a pool child does.
POOL_CHILD = """
import signal, sys, uuid
from datetime import timedelta
from pathlib import Path
from processes.executors.base import Work
from processes.executors.command import CommandExecutor
from tests.processes.recorder import Recorder

folder, grace, mark = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
configuration = {
    "argv": ["program"],
    "environment": {"FAMILY": mark, "READY": str(folder / "ready")},
}
end = {"is_cancelled": lambda: True, "kill_grace": timedelta(seconds=grace)}
work = Work(uuid.uuid4(), 1, {}, configuration, **end)
CommandExecutor(folder, folder / "var").execute(work, Recorder())
"""


@pytest.fixture
def start_child(tmp_path: Path, family: str) -> Iterator[Callable[[float], int]]:
    """Return a function that starts a process that executes a script; it returns its id."""
    started: list[subprocess.Popen[bytes]] = []

    def start(grace: float) -> int:
        program = tmp_path / "program"
        program.write_text(f'#!/bin/sh\n{ESCAPING}: > "$READY"; while :; do sleep 60; done')
        program.chmod(0o755)
        child = subprocess.Popen(  # noqa: S603 - a program of this file
            [sys.executable, "-c", POOL_CHILD, str(tmp_path), str(grace), family],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.DEVNULL,
        )
        started.append(child)
        assert comes_true((tmp_path / "ready").exists)
        assert len(find_family(family)) >= 2
        return child.pid

    yield start
    for child in started:
        child.kill()
        child.wait()


def test_killed_worker_leaves_nothing_after_the_grace(
    start_child: Callable[[float], int], family: str, tmp_path: Path
) -> None:
    pid = start_child(1.0)

    os.kill(pid, signal.SIGKILL)

    time.sleep(0.3)
    assert find_family(family) != []
    assert comes_true(lambda: find_family(family) == [])
    assert comes_true(lambda: list((tmp_path / "var" / "commands").iterdir()) == [])


def test_tree_that_is_killed_takes_commands_with_it_at_once(
    start_child: Callable[[float], int], family: str
) -> None:
    pid = start_child(600.0)

    lifetime.signal_tree(pid)

    assert comes_true(lambda: find_family(family) == [])


def test_tree_that_is_told_to_end_leaves_the_command_its_grace(
    start_child: Callable[[float], int], family: str
) -> None:
    pid = start_child(1.0)

    lifetime.signal_tree(pid, signal.SIGTERM)

    time.sleep(0.3)
    assert find_family(family) != []
    assert comes_true(lambda: find_family(family) == [])
