"""Processes that end with the process that started them, however that one ends."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

SUPERVISOR_PID = "ARABICA_SUPERVISOR_PID"
# The program that watches over a command; it ends all that comes from the command, in order.
SHEPHERD = Path(__file__).resolve().with_name("executors") / "shepherd.py"
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # from <linux/prctl.h>
SECONDS_BETWEEN_LOOKS = 1.0


def die_with_parent(signal_number: int = signal.SIGKILL, *, parent_pid: int | None = None) -> None:
    """Have `signal_number` sent to this process when its parent dies, kill -9 included.

    `parent_pid` is the parent as the parent itself named it; when it is dead by the time of this
    call, the signal is sent at once. Without it a parent that died before the call goes unnoticed.

    Danger: on Linux the signal follows threads, not processes. It is sent when the *thread* of the
    parent that forked ends, so fork from the main thread; and it is forgotten when the thread that
    made this call ends, so call it from the main thread. It is not inherited: each forked child
    calls this itself. It survives exec, except of a set-user-ID program.

    Elsewhere than on Linux a thread looks once a second; it is lost by exec.
    """
    parent = os.getppid() if parent_pid is None else parent_pid
    if sys.platform == "linux":
        ask_kernel(PR_SET_PDEATHSIG, signal_number)
    else:
        threading.Thread(
            target=_watch_parent, args=(parent, signal_number), name="watch-parent", daemon=True
        ).start()
    # The kernel says nothing of a parent that died before it was asked.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal_number)


def die_with_supervisor() -> None:
    """End with `manage.py serve` when it started this process; otherwise do nothing.

    The variable is removed, or a program started from here would take the supervisor for its
    own parent, find another one, and end.
    """
    supervisor_pid = os.environ.pop(SUPERVISOR_PID, None)
    if supervisor_pid is not None:
        die_with_parent(parent_pid=int(supervisor_pid))


def signal_tree(
    pid: int, number: int = signal.SIGKILL, *, is_meant: Callable[[], bool] = lambda: True
) -> None:
    """Send a signal to a process and all it has started, the youngest first.

    The process stands still meanwhile: it starts no more, and `is_meant`, asked then, holds. What
    is under a shepherd is left to it, since no look from here finds all of it: TERM has the command
    ended within its grace, KILL at once.
    """
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        root.suspend()
        try:
            if is_meant():
                _signal_descendants(root, number)
                root.send_signal(number)
        finally:
            root.resume()


def look_at_exit(pid: int) -> int | None:
    """Return how a dead child ended, minus the signal's number if one killed it; do not reap it.

    None once it is reaped, and where this cannot be asked.
    """
    if sys.platform != "linux":
        return None
    try:
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def name_signal(number: int) -> str:
    """Return how people know a signal, such as SIGKILL."""
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        return f"signal {number}"


def kill_own_tree() -> None:
    """Kill this process and all it has started, as `signal_tree` does; never returns."""
    kill_descendants()
    os.kill(os.getpid(), signal.SIGKILL)


def kill_descendants() -> None:
    """Kill all that this process has started, the youngest first."""
    _signal_descendants(psutil.Process(), signal.SIGKILL)


@contextmanager
def adopt_orphans() -> Iterator[None]:
    """Make the orphans among this process's descendants its children, for as long as this lasts.

    Elsewhere than on Linux they go to the first process of all, as usual.
    """
    if sys.platform != "linux":
        yield
        return
    ask_kernel(PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        ask_kernel(PR_SET_CHILD_SUBREAPER, 0)


def _signal_descendants(root: psutil.Process, number: int) -> None:
    descendants = root.children(recursive=True)
    shepherds = [child for child in root.children() if _is_shepherd(child)]
    herds = {process for shepherd in shepherds for process in shepherd.children(recursive=True)}
    for process in reversed(descendants):
        if process in herds:
            continue
        with suppress(psutil.NoSuchProcess):
            if process not in shepherds:
                process.send_signal(number)
            else:
                process.send_signal(signal.SIGQUIT if number == signal.SIGKILL else number)
                process.resume()  # the command may have stopped it


def _is_shepherd(process: psutil.Process) -> bool:
    try:
        return str(SHEPHERD) in process.cmdline()
    except psutil.Error:
        return False


def ask_kernel(option: int, value: int) -> None:
    """Set an option of this process (Linux, `prctl`). Raise OSError if it cannot be set."""
    libc = ctypes.CDLL(None, use_errno=True)
    unused = ctypes.c_ulong(0)
    if libc.prctl(option, ctypes.c_ulong(value), unused, unused, unused) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl({option}): {os.strerror(error)}")


def _watch_parent(parent_pid: int, signal_number: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal_number)
