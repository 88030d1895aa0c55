"""The supervisor behind `manage.py serve`: it runs web, worker and beat as one.

Every child is started from the main thread with its own process id in ARABICA_SUPERVISOR_PID. The
commands `web`, `worker` and `beat` call `processes.lifetime.die_with_supervisor()` before anything
else, so that kill -9 of the supervisor ends them. That is cleaner than `preexec_fn`, which runs
Python between fork and exec of a process with threads.

What the children start themselves (granian's workers, Celery's pool) calls
`processes.lifetime.die_with_parent()` in turn: the kernel's promise reaches one generation. While
the supervisor lives it needs no such help: when a child ends or is killed, the rest of its session
and all descendants of that rest are killed. Only a process that left the session *and* whose parent
is gone escapes; programs that do so belong under a subreaper.
"""

import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from config.visible import make_visible
from processes.lifetime import SUPERVISOR_PID

OWN_NAME = "serve"
COLOURS = (36, 33, 35, 32, 34)
LONGEST_LINE = 4096  # characters; longer lines are printed in pieces
LINES_IN_MEMORY = 256

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
SETTLED_AFTER = 60.0

# `timeout` and `make` hand one signal on twice; a person does not press Ctrl-C twice as fast.
SAME_SIGNAL_WITHIN = 0.2
KILL_WITHIN = 5.0
STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
KILL_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})  # a closed terminal may hang up twice


@dataclass(frozen=True)
class Child:
    """A program to keep running; `env` replaces the supervisor's environment, None inherits it."""

    name: str
    argv: list[str]
    env: dict[str, str] | None = None


class Supervisor:
    """Keep `children` running until a signal says stop."""

    def __init__(
        self,
        children: Sequence[Child],
        *,
        grace: float,
        on_started: Callable[[], None] | None = None,
    ) -> None:
        """Give children `grace` seconds between TERM and KILL.

        `on_started` runs in a daemon thread of its own once all children were started, which is
        before they are ready; it may call `announce`. What it raises is printed, nothing more.
        """
        self._grace = grace
        self._on_started = on_started
        self._printer = Printer([OWN_NAME, *(child.name for child in children)])
        self._keepers = [Keeper(child, self._printer) for child in children]

    def run(self) -> int:
        """Block until TERM, INT or HUP and return the exit code; call from the main thread.

        0 when a signal asked for the end, EX_CONFIG (78) when a child ended with that code: its
        settings are wrong, so starting it again cannot help.
        """
        with self._printer, caught_signals() as inbox:
            try:
                self._start_due_children()
                if self._on_started:
                    threading.Thread(
                        target=self._run_hook, args=(self._on_started,), daemon=True
                    ).start()
                return self._watch(inbox)
            finally:
                self._stop(inbox)

    def announce(self, text: str) -> None:
        """Print `text` among the children's lines, each of its lines whole; safe in any thread.

        Without a prefix: a person copies from it.
        """
        for line in text.splitlines():
            self._printer.print_soon("", line)

    def _say(self, text: str) -> None:
        self._printer.print_soon(OWN_NAME, text)

    def _watch(self, inbox: socket.socket) -> int:
        while True:
            if wait_for_signals(inbox, self._seconds_to_next_start()) & STOP_SIGNALS:
                return 0
            for keeper in self._keepers:
                exit_code = keeper.collect_end()
                if exit_code == os.EX_CONFIG:
                    self._say(f"{keeper.name} ended with exit code {exit_code}: wrong settings")
                    return os.EX_CONFIG
                if exit_code is not None:
                    self._plan_restart(keeper, describe_end(exit_code))
            self._start_due_children()

    def _start_due_children(self) -> None:
        for keeper in self._keepers:
            if keeper.start_time is None or keeper.start_time > time.monotonic():
                continue
            try:
                keeper.start()
            except OSError as error:  # no such program, or no memory for another process
                self._plan_restart(keeper, f"cannot be started ({error})")

    def _plan_restart(self, keeper: "Keeper", reason: str) -> None:
        delay = keeper.plan_restart()
        self._say(f"{keeper.name} {reason}; it is started again in {delay:g} s")

    def _seconds_to_next_start(self) -> float | None:
        planned = [keeper.start_time for keeper in self._keepers if keeper.start_time is not None]
        return max(0.0, min(planned) - time.monotonic()) if planned else None

    def _stop(self, inbox: socket.socket) -> None:
        running = self._find_running()
        if not running:
            return
        for keeper in running:
            keeper.terminate()
        self._say(f"stopping {join_names(running)} ...")
        for keeper in self._wait_for_ends(inbox):
            keeper.kill()
            self._say(f"{keeper.name} was killed")

    def _wait_for_ends(self, inbox: socket.socket) -> list["Keeper"]:
        """Return the children that outlived the grace, or the second signal."""
        asked_at = time.monotonic()
        deadline = asked_at + self._grace
        while (running := self._find_running()) and (left := deadline - time.monotonic()) > 0:
            received = wait_for_signals(inbox, left)
            if received & KILL_SIGNALS and time.monotonic() > asked_at + SAME_SIGNAL_WITHIN:
                self._say(f"killing {join_names(running)} at once")
                return running
        if running:
            self._say(f"{join_names(running)} did not stop within {self._grace:g} s")
        return running

    def _find_running(self) -> list["Keeper"]:
        """Return the children that run; collect those that have ended meanwhile."""
        for keeper in self._keepers:
            exit_code = keeper.collect_end()
            if exit_code is not None:
                self._say(f"{keeper.name} {describe_end(exit_code)}")
        return [keeper for keeper in self._keepers if keeper.is_running]

    def _run_hook(self, hook: Callable[[], None]) -> None:
        try:
            hook()
        except Exception as error:  # the children are more important than whatever the hook does
            self._say(" ".join(f"after the start: {type(error).__name__}: {error}".split()))


class Keeper:
    """One child over its lives: at any time it runs, or has a `start_time`, or is stopped."""

    def __init__(self, child: Child, printer: "Printer") -> None:
        self.name = child.name
        self.start_time: float | None = 0.0
        self._child = child
        self._printer = printer
        self._back_off = BackOff()
        self._process: subprocess.Popen[str] | None = None
        self._pump: threading.Thread | None = None
        self._started_at = 0.0

    @property
    def is_running(self) -> bool:
        """Whether a process was started whose end has not been collected."""
        return self._process is not None

    def start(self) -> None:
        """Start the process in a session of its own; raise OSError when it cannot be started."""
        self._started_at = time.monotonic()
        environment = os.environ if self._child.env is None else self._child.env
        self._process = subprocess.Popen(  # noqa: S603 - the caller's own commands, no shell
            self._child.argv,
            env={**environment, SUPERVISOR_PID: str(os.getpid()), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches the supervisor alone
        )
        self.start_time = None
        self._pump = threading.Thread(
            target=self._print_output, args=(self._process,), name=f"pump-{self.name}", daemon=True
        )
        self._pump.start()

    def collect_end(self) -> int | None:
        """Return the exit code (minus the signal) of a process that has ended, once; else None.

        Whatever it left behind is killed, or it would hold the port or the work of the next one.
        """
        if self._process is None or self._process.poll() is None:
            return None
        return self._clear_away(self._process)

    def plan_restart(self) -> float:
        """Set `start_time` and return how many seconds away it is."""
        delay = self._back_off.next_delay(time.monotonic() - self._started_at)
        self.start_time = time.monotonic() + delay
        return delay

    def terminate(self) -> None:
        """Ask the process to stop; it alone, since it knows in which order its own children stop."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """Kill the process with all that it started."""
        if self._process is not None:
            self._clear_away(self._process)

    def _clear_away(self, process: subprocess.Popen[str]) -> int | None:
        kill_session(process.pid)
        with suppress(subprocess.TimeoutExpired):  # stuck in the kernel: nothing more can be done
            process.wait(timeout=KILL_WITHIN)
        if self._pump is not None:
            self._pump.join(timeout=1.0)  # its last words come before the line on its end
        self._process = None
        return process.returncode

    def _print_output(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101 - for the type checker
        with process.stdout as output:
            while piece := output.readline(LONGEST_LINE):
                self._printer.print(self.name, piece.rstrip("\n"))


class BackOff:
    """Delays before restarts: doubling, and short again after a long life."""

    def __init__(self) -> None:
        self._next = FIRST_DELAY

    def next_delay(self, lived: float) -> float:
        """Return the seconds to wait after a life of `lived` seconds."""
        delay = FIRST_DELAY if lived >= SETTLED_AFTER else self._next
        self._next = min(2 * delay, LONGEST_DELAY)
        return delay


class Printer:
    """Print lines of several sources on standard output, whole, each behind its source's name.

    One thread writes, so a frozen terminal or a full pipe holds up the children that print, never
    the main thread; lines that nobody can read any more are dropped.
    """

    def __init__(self, names: Sequence[str]) -> None:
        colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
        width = max(map(len, names))
        self._prefixes = {name: f"{name:<{width}} | " for name in names}
        if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
            for name, prefix in self._prefixes.items():
                self._prefixes[name] = f"\033[{colours[name]}m{prefix}\033[0m"
        self._prefixes[""] = ""
        self._lines: queue.Queue[str | None] = queue.Queue(LINES_IN_MEMORY)
        self._writer = threading.Thread(target=self._write_lines, name="printer", daemon=True)

    def __enter__(self) -> "Printer":
        sys.stdout.flush()
        self._writer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(queue.Full):
            self._lines.put(None, timeout=1.0)
        self._writer.join(timeout=1.0)

    def print(self, name: str, text: str) -> None:
        """Print one line, after waiting for room if need be."""
        self._lines.put(self._make_line(name, text))

    def print_soon(self, name: str, text: str) -> None:
        """Print one line, or drop it when there is no room for a while."""
        with suppress(queue.Full):
            self._lines.put(self._make_line(name, text), timeout=0.2)

    def _make_line(self, name: str, text: str) -> str:
        return f"{self._prefixes[name]}{make_visible(text)}\n"

    def _write_lines(self) -> None:
        while (line := self._lines.get()) is not None:
            rest = line.encode(sys.stdout.encoding, "replace")
            # Past Python's buffer: a thread stuck inside it aborts the interpreter's shutdown.
            with suppress(OSError):  # the terminal was closed; the children are still to be drained
                while rest:
                    rest = rest[os.write(sys.stdout.fileno(), rest) :]


@contextmanager
def caught_signals() -> Iterator[socket.socket]:
    """Yield a socket on which each signal arrives as one byte, so that none is missed in between.

    An ignored HUP stays ignored: it is how `nohup` asks to go on without a terminal.
    """
    numbers = {*STOP_SIGNALS, signal.SIGCHLD}
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        numbers.remove(signal.SIGHUP)
    inbox, outbox = socket.socketpair()
    with inbox, outbox:
        outbox.setblocking(False)
        previous_fd = signal.set_wakeup_fd(outbox.fileno(), warn_on_full_buffer=False)
        previous = {number: signal.signal(number, lambda *_: None) for number in numbers}
        try:
            yield inbox
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(previous_fd)


def wait_for_signals(inbox: socket.socket, seconds: float | None) -> set[int]:
    """Return the signals received, empty after `seconds` without one; None waits for ever."""
    readable, _, _ = select.select([inbox], [], [], seconds)
    return set(inbox.recv(4096)) if readable else set()


def kill_session(leader: int) -> None:
    """Kill all processes of the session of `leader`, and their descendants wherever they are."""
    deadline = time.monotonic() + KILL_WITHIN
    while (found := find_session(leader)) and time.monotonic() < deadline:
        with suppress(OSError):
            os.killpg(leader, signal.SIGKILL)  # in one stroke: its members cannot fork meanwhile
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(0.02)


def find_session(leader: int) -> set[psutil.Process]:
    """Return the living processes of the session of `leader`, and all their descendants."""
    found = {process for process in psutil.process_iter() if get_session(process.pid) == leader}
    for process in list(found):
        with suppress(psutil.Error):
            found.update(process.children(recursive=True))
    return {process for process in found if is_alive(process)}


def get_session(pid: int) -> int | None:
    """Return the session of a process, None when it is gone or not ours to ask."""
    try:
        return os.getsid(pid)
    except OSError:
        return None


def is_alive(process: psutil.Process) -> bool:
    """Whether a process exists and is more than an exit code that nobody has fetched."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def describe_end(exit_code: int) -> str:
    """Return how a process ended, as the end of a sentence that starts with its name."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        return f"was killed by {signal.Signals(-exit_code).name}"
    except ValueError:  # real-time signals have no names of their own
        return f"was killed by signal {-exit_code}"


def join_names(keepers: Sequence[Keeper]) -> str:
    """Return the children's names for a sentence."""
    return ", ".join(keeper.name for keeper in keepers)
