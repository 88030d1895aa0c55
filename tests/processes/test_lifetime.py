"""A process ends with its parent, also when the parent is killed without a warning."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
LONG_ENOUGH = 20.0  # for a busy machine; the processes would live for a minute

# Prints its process id once it has asked to die with its parent.
CHILD = """
import os, signal, sys, time
from processes import lifetime
{before}
{call}
print(os.getpid(), flush=True)
time.sleep(60)
"""

# Starts CHILD, says where to find it, and stays.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
time.sleep(60)
"""


def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - a program of this file
        [sys.executable, "-c", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
    )


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ends(pid: int) -> bool:
    deadline = time.monotonic() + LONG_ENOUGH
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def read_pid(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("", id="by the kernel"),
        pytest.param("sys.platform = 'darwin'", id="by looking once a second"),
    ],
)
def test_child_ends_when_its_parent_is_killed(
    before: str, started: list[subprocess.Popen[str]]
) -> None:
    parent = start(PARENT, CHILD.format(before=before, call="lifetime.die_with_parent()"))
    started.append(parent)
    child_pid = read_pid(parent)
    assert is_alive(child_pid)

    parent.kill()

    assert ends(child_pid)


def test_child_gets_the_signal_it_asked_for(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    note = tmp_path / "note"
    handler = f"""
def say_goodbye(number, frame):
    open({str(note)!r}, "w").write(str(number))
    os._exit(0)
signal.signal(signal.SIGUSR1, say_goodbye)
"""
    call = "lifetime.die_with_parent(signal.SIGUSR1)"
    parent = start(PARENT, CHILD.format(before=handler, call=call))
    started.append(parent)
    child_pid = read_pid(parent)

    parent.kill()

    assert ends(child_pid)
    assert note.read_text() == str(int(signal.SIGUSR1))


def test_request_survives_exec(started: list[subprocess.Popen[str]]) -> None:
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    call = (
        f"lifetime.die_with_parent(); os.execv(sys.executable, [sys.executable, '-c', {program!r}])"
    )
    parent = start(PARENT, CHILD.format(before="", call=call))
    started.append(parent)
    child_pid = read_pid(parent)

    parent.kill()

    assert ends(child_pid)


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_child_of_a_parent_that_is_dead_already_ends_at_once(
    platform: str, started: list[subprocess.Popen[str]]
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    call = f"lifetime.die_with_parent(parent_pid={dead.pid})"

    child = start(CHILD.format(before=f"sys.platform = {platform!r}", call=call))
    started.append(child)

    assert child.wait(LONG_ENOUGH) == -signal.SIGKILL


def test_child_of_the_supervisor_ends_with_it(started: list[subprocess.Popen[str]]) -> None:
    set_variable = "os.environ['ARABICA_SUPERVISOR_PID'] = str(os.getppid())"
    parent = start(PARENT, CHILD.format(before=set_variable, call="lifetime.die_with_supervisor()"))
    started.append(parent)
    child_pid = read_pid(parent)
    assert is_alive(child_pid)

    parent.kill()

    assert ends(child_pid)


def test_process_that_no_supervisor_started_lives_on(
    started: list[subprocess.Popen[str]],
) -> None:
    parent = start(PARENT, CHILD.format(before="", call="lifetime.die_with_supervisor()"))
    started.append(parent)
    child = psutil.Process(read_pid(parent))

    parent.kill()
    parent.wait()

    with pytest.raises(psutil.TimeoutExpired):
        child.wait(timeout=0.5)
    child.kill()


def test_programs_started_by_a_child_do_not_take_the_supervisor_for_their_parent(
    started: list[subprocess.Popen[str]],
) -> None:
    call = "lifetime.die_with_supervisor(); print(os.environ.get('ARABICA_SUPERVISOR_PID'))"

    child = start(
        CHILD.format(before="", call=call).replace("time.sleep(60)", ""),
        ARABICA_SUPERVISOR_PID=str(os.getpid()),
    )
    started.append(child)

    output, _ = child.communicate(timeout=LONG_ENOUGH)
    assert output.splitlines() == ["None", str(child.pid)]
