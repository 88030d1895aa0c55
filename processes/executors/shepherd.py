"""Watches over one command and all that it starts: a program of its own, started by path.

Every orphan among the command's descendants becomes a child of this process (Linux,
`PR_SET_CHILD_SUBREAPER`), so neither a second fork nor a session of its own lets one escape. It
needs nothing but the standard library, so that it starts within milliseconds.

Standard input brings the order, one line of JSON; after it any byte, or its end, means that the
command is to end. Standard output and error are the command's. Each event is a line of the
descriptor `report`:

    exit N        the command ended with this code
    signal N      a signal ended it
    told          it was told to end while it ran
    failed TEXT   it could not be started
    left PIDS     these processes cannot be killed; they still are being tried
    end           nothing of it is left

Then it waits for the end of its input, and removes the attempt's folder if that is still there:
the worker was killed before it could.

TERM, INT and HUP mean the same as the end of the input. QUIT means: kill, without grace.
"""

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NoReturn

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36  # from <linux/prctl.h>
SECONDS_BETWEEN_KILLS = 0.005
SECONDS_BETWEEN_LATE_KILLS = 1.0
PATIENCE = 10.0  # seconds after which a process that does not die is told of
REAPED_AT_ONCE = 10_000  # so that something that forks without end is killed between
SEARCHES = 10


class Search:
    """Finds the descendants of this process, each at once: some live for less than a millisecond.

    What was found is not looked at again until numbers are given anew: where thousands start and
    end, the dead ones would hide the living.
    """

    def __init__(self) -> None:
        self._last_number = sys.maxsize
        self._others: set[int] = set()
        self._herd: set[int] = set()

    def find(self) -> Iterator[int]:
        """Yield what one look at all processes shows; what is started meanwhile may be missed."""
        number = read_last_number()
        if number < self._last_number:
            self._others, self._herd = {0}, {os.getpid()}
        self._last_number = number
        parents: dict[int, int] = {}
        for name in os.listdir("/proc"):  # it lists parents first, as long as numbers grow
            pid = int(name) if name.isdigit() else 0
            if pid in self._others or pid in self._herd:
                continue
            parents[pid] = parent = read_parent(pid)
            if parent in self._herd:
                self._herd.add(pid)
                yield pid
            elif parent in self._others:
                self._others.add(pid)
        while (
            found := {pid for pid, parent in parents.items() if parent in self._herd} - self._herd
        ):
            self._herd |= found
            yield from found


def read_last_number() -> int:
    """Return the number of the process that was started last; they are given in a circle."""
    with open("/proc/loadavg") as file:
        return int(file.read().split()[-1])


def read_parent(pid: int) -> int:
    """Return the number of a process's parent; -1 for one that is gone."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return -1
    try:
        # "pid (name) state parent ...", and the name may hold anything.
        return int(os.read(descriptor, 4096).rpartition(b")")[2].split()[1])
    except (OSError, IndexError):
        return -1
    finally:
        os.close(descriptor)


class Shepherd:
    """Lives until the command and all its descendants are gone."""

    def __init__(self, order: dict[str, Any], is_told: bool) -> None:
        self._order = order
        self._command = 0
        self._is_alone = False
        self._has_more_to_reap = False
        self._is_told = is_told
        self._kill_at = float("inf")
        self._next_kill = 0.0
        self._search = Search()
        self._have_told = False
        self._have_told_of_left = False
        self._wake_reading, self._wake_writing = os.pipe()
        self._inputs = select.poll()
        self._inputs.register(0, select.POLLIN)
        self._inputs.register(self._wake_reading, select.POLLIN)

    def listen(self) -> None:
        """Take signals from now on; none ends this process."""
        for descriptor in (self._wake_reading, self._wake_writing):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._wake_writing, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._be_told)
        signal.signal(signal.SIGQUIT, self._be_hurried)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def watch(self) -> None:
        """Start the command; return when nothing of it is left."""
        if self._is_told:
            self._say("told")
            return
        try:
            self._command = start(self._order)
        except OSError as error:
            self._say(f"failed {error}")
            return
        # The command's output ends when the last process that writes it ends.
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        while True:
            self._reap()
            if self._is_alone:
                return
            if self._is_told or not self._command:
                self._tell_all()
            if time.monotonic() >= max(self._kill_at, self._next_kill):
                self._kill_all()
            self._wait()

    def clean_up(self) -> None:
        """Let the worker read and remove the attempt's folder; do so when it is gone."""
        self._say("end")
        while os.read(0, 4096):
            pass
        if os.path.isdir(self._order["folder"]):
            import shutil  # only now: a command that ends as usual does not wait for it

            shutil.rmtree(self._order["folder"], ignore_errors=True)

    def _be_told(self, number: int, frame: object) -> None:
        self._is_told = True

    def _be_hurried(self, number: int, frame: object) -> None:
        self._is_told = True
        self._kill_at = 0.0

    def _reap(self) -> None:
        self._has_more_to_reap = False
        for _ in range(REAPED_AT_ONCE):
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._is_alone = True
                return
            if not pid:
                return
            if pid == self._command:
                self._command = 0
                code = os.waitstatus_to_exitcode(status)
                self._say(f"signal {-code}" if code < 0 else f"exit {code}")
        self._has_more_to_reap = True

    def _tell_all(self) -> None:
        """Ask every descendant to end, once; those that come later are killed after the grace."""
        if self._have_told:
            return
        self._have_told = True
        if self._command:
            self._say("told")
        self._kill_at = min(self._kill_at, time.monotonic() + self._order["grace"])
        search = Search()
        for _ in range(SEARCHES):
            if not self._signal_found(search, signal.SIGTERM):
                return

    def _kill_all(self) -> None:
        """Kill every descendant that is found; those that come meanwhile, at the next look."""
        now = time.monotonic()
        self._kill_at = self._kill_at or now
        is_late = now - self._kill_at > PATIENCE
        if is_late:
            self._search = Search()
        found = self._signal_found(self._search, signal.SIGKILL)
        if is_late and found and not self._have_told_of_left:
            self._have_told_of_left = True
            self._say(f"left {' '.join(map(str, found[:20]))}")
        # Those that are found no more are dying, or wait for a disk.
        pause = 0.0 if found else SECONDS_BETWEEN_KILLS
        self._next_kill = now + (SECONDS_BETWEEN_LATE_KILLS if is_late else pause)

    def _signal_found(self, search: Search, number: int) -> list[int]:
        found = []
        for pid in search.find():
            with suppress(ProcessLookupError, PermissionError):  # gone, or another user's by now
                os.kill(pid, number)
            found.append(pid)
        return found

    def _wait(self) -> None:
        left = max(self._kill_at, self._next_kill) - time.monotonic()
        if self._has_more_to_reap:  # their signals have been read
            left = 0.0
        timeout = None if left == float("inf") else max(left, 0) * 1000
        for descriptor, _ in self._inputs.poll(timeout):
            if descriptor:
                with suppress(BlockingIOError):
                    os.read(descriptor, 4096)
                continue
            self._is_told = True
            if not os.read(0, 4096):
                self._inputs.unregister(0)

    def _say(self, line: str) -> None:
        with suppress(OSError):  # nobody is there any more
            os.write(self._order["report"], f"{line}\n".encode())


def start(order: dict[str, Any]) -> int:
    """Start the command; return its process id. Raise OSError with what went wrong."""
    reading, writing = os.pipe()
    shepherd = os.getpid()
    pid = os.fork()
    if not pid:
        try:
            become(order, shepherd)
        except BaseException as error:
            os.write(writing, str(getattr(error, "strerror", None) or error).encode())
        finally:
            os._exit(127)
    os.close(writing)
    fault = os.read(reading, 4096)  # its end is the exec
    os.close(reading)
    if fault:
        os.waitpid(pid, 0)
        raise OSError(fault.decode(errors="replace"))
    return pid


def become(order: dict[str, Any], shepherd: int) -> NoReturn:
    """Turn this process into the command."""
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != shepherd:  # the kernel says nothing of a parent that died before
        os._exit(127)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with suppress(OSError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > 2:
            with suppress(OSError):  # the folder's own is closed by now
                os.set_inheritable(descriptor, False)
    os.umask(0o077)
    os.dup2(os.open(order["input"], os.O_RDONLY), 0)
    os.chdir(order["directory"])
    for name, soft, hard in order["limits"]:
        lower(getattr(resource, name), soft, hard)
    os.execve(order["program"], order["arguments"], order["environment"])  # noqa: S606


def lower(limit: int, soft: int, hard: int) -> None:
    """Set a limit, or leave one that is stricter already."""
    _, allowed = resource.getrlimit(limit)
    if allowed != resource.RLIM_INFINITY:
        soft, hard = min(soft, allowed), min(hard, allowed)
    resource.setrlimit(limit, (soft, hard))


def prctl(option: int, value: int) -> None:
    """Ask the kernel for something about this process."""
    unused = ctypes.c_ulong(0)
    if ctypes.CDLL(None, use_errno=True).prctl(
        option, ctypes.c_ulong(value), unused, unused, unused
    ):
        raise OSError(ctypes.get_errno(), f"prctl({option}): {os.strerror(ctypes.get_errno())}")


def read_order() -> tuple[dict[str, Any], bool]:
    """Return the order, and whether the command is to end already; none: the sender is gone."""
    received = b""
    while b"\n" not in received:
        chunk = os.read(0, 65_536)
        if not chunk:
            sys.exit(0)
        received += chunk
    line, _, rest = received.partition(b"\n")
    return json.loads(line), bool(rest)


def main() -> None:
    """Carry out the order on standard input."""
    prctl(PR_SET_DUMPABLE, 0)  # the command cannot read it, take its descriptors or trace it
    shepherd = Shepherd(*read_order())
    shepherd.listen()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    shepherd.watch()
    shepherd.clean_up()
    os._exit(0)


if __name__ == "__main__":
    main()
