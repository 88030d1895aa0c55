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

from processes import lifetime

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


# Starts a child that starts another, which prints both process ids and stays.
TREE = """
import subprocess, sys, time
inner = "import os, time; print(os.getppid(), os.getpid(), flush=True); time.sleep(60)"
outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
subprocess.Popen([sys.executable, "-c", outer])
sys.stdin.readline()
{call}
time.sleep(60)
"""


@pytest.mark.parametrize("by_itself", [False, True])
def test_tree_is_killed_with_all_it_has_started(
    by_itself: bool, started: list[subprocess.Popen[str]]
) -> None:
    call = "from processes import lifetime; lifetime.kill_own_tree()"
    root = subprocess.Popen(  # noqa: S603 - a program of this file
        [sys.executable, "-c", TREE.replace("{call}", call if by_itself else "")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    started.append(root)
    assert root.stdout is not None
    assert root.stdin is not None
    descendants = [int(pid) for pid in root.stdout.readline().split()]
    assert len(descendants) == 2

    if by_itself:
        root.stdin.write("\n")
        root.stdin.flush()
    else:
        lifetime.signal_tree(root.pid)

    assert all(ends(pid) for pid in descendants)
    assert root.wait(LONG_ENOUGH) == -signal.SIGKILL


def test_tree_that_is_gone_is_no_error(started: list[subprocess.Popen[str]]) -> None:
    root = start("pass")
    started.append(root)
    root.wait(LONG_ENOUGH)

    lifetime.signal_tree(root.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="cannot be asked elsewhere")
@pytest.mark.parametrize("number", [signal.SIGKILL, 0])
def test_end_of_a_child_is_seen_before_it_is_reaped(
    number: int, started: list[subprocess.Popen[str]]
) -> None:
    child = start("import time; time.sleep(60)" if number else "raise SystemExit(3)")
    started.append(child)
    if number:
        assert lifetime.look_at_exit(child.pid) is None
        os.kill(child.pid, number)
    assert ends(child.pid)

    assert lifetime.look_at_exit(child.pid) == (-number or 3)

    assert child.wait() == (-number or 3)
    assert lifetime.look_at_exit(child.pid) is None
