"""Starts a command under its shepherd, and follows it to the end."""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psutil

from processes.executors.command_folder import CommandFolder
from processes.executors.output_lines import OutputLines
from processes.lifetime import SHEPHERD, adopt_orphans

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_TO_END = 12.0  # a shepherd tells after ten of what it cannot kill
SECONDS_BETWEEN_KILLS = 0.1
TURNS_AT_FULL_SPEED = 100
SECONDS_BETWEEN_TURNS = 0.01
READS_AFTER_THE_END = 64
REPORT_BYTES = 65_536


@dataclass
class End:
    """How a command ended; `told` when it was told to while it ran.

    Without an exit code, a signal's number and a failure, it never began, or nobody knows.
    """

    exit_code: int | None = None
    signal: int | None = None
    told: bool = False
    failure: str = ""
    left: str = ""
    is_over: bool = False

    def note(self, line: str) -> None:
        """Take an event that the shepherd tells."""
        event, _, rest = line.partition(" ")
        if event == "exit":
            self.exit_code = int(rest)
        elif event == "signal":
            self.signal = int(rest)
        elif event == "told":
            self.told = True
        elif event == "failed":
            self.failure = rest
        elif event == "left":
            self.left = rest
        elif event == "end":
            self.is_over = True


@contextmanager
def shepherded(order: dict[str, Any], folder: CommandFolder) -> Iterator["Shepherded"]:
    """Start a command under a shepherd of its own; nothing of it is left after the block.

    The shepherd ends the command when this process ends. If the shepherd is itself killed, this
    process, which adopts the orphans meanwhile, kills what the command has left. One of them
    removes `folder`.
    """
    others = {child.pid for child in psutil.Process().children()}
    events, reporting = os.pipe()
    with adopt_orphans(), open(events, "rb", buffering=0) as reports:
        try:
            # A session of its own: no signal for the worker's group or terminal reaches it.
            process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-I", "-S", str(SHEPHERD)],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(reporting, folder.lock),
                start_new_session=True,
                cwd="/",
                env={"LC_ALL": "C.UTF-8"},
            )
        finally:
            os.close(reporting)
        command = Shepherded(process, reports.fileno())
        try:
            command.send(json.dumps(order | {"report": reporting}).encode() + b"\n")
            yield command
        finally:
            command.end()
            folder.remove()
            command.let_go()
            if process.returncode:  # the shepherd did not come to its own end
                _kill_orphans(others)


class Shepherded:
    """A command that runs under its shepherd."""

    def __init__(self, process: subprocess.Popen[bytes], events: int) -> None:
        self._process = process
        self._events = events
        self._unread = b""
        self._end = End()
        self._has_ended = False

    @property
    def outputs(self) -> tuple[int, int]:
        """Return the descriptors of the command's standard output and standard error."""
        stdout, stderr = self._process.stdout, self._process.stderr
        if stdout is None or stderr is None:  # for the types: both were asked for
            raise ValueError("The outputs are not read here.")
        return stdout.fileno(), stderr.fileno()

    def tell_to_end(self) -> None:
        """Have the command ended; may be called from a signal's handler, and again."""
        self.send(b"T")
        self._process.send_signal(signal.SIGCONT)  # the command may have stopped it

    def follow(self, lines: Iterable[OutputLines], look: Callable[[], None]) -> End:
        """Log what the command prints until nothing of it is left, and `look` twice a second."""
        outputs = {output.descriptor: output for output in lines}
        turns, next_look = 0, 0.0
        with selectors.DefaultSelector() as selector:
            for descriptor in (self._events, *outputs):
                selector.register(descriptor, selectors.EVENT_READ)
            while not self._end.left:
                ready = [key.fd for key, _ in selector.select(SECONDS_BETWEEN_LOOKS)]
                for descriptor in ready:
                    if descriptor in outputs and outputs[descriptor].take() == 0:
                        selector.unregister(descriptor)
                if self._events in ready and not self._read_events():
                    break
                if time.monotonic() >= next_look:
                    look()
                    next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS
                turns += 1
                if turns > TURNS_AT_FULL_SPEED and any(o.is_kept for o in outputs.values()):
                    time.sleep(SECONDS_BETWEEN_TURNS)  # several lines make one chunk of the log
        for output in outputs.values():
            for _ in range(READS_AFTER_THE_END):  # who is left may write for ever
                if output.take() <= 0:
                    break
            output.end()
        look()
        return self._end

    def end(self) -> None:
        """Kill what is left of the command, unless it cannot be."""
        if self._has_ended or self._end.left:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(signal.SIGQUIT)
        with selectors.DefaultSelector() as selector:
            selector.register(self._events, selectors.EVENT_READ)
            while not self._end.left and selector.select(SECONDS_TO_END) and self._read_events():
                pass

    def let_go(self) -> None:
        """Let the shepherd end."""
        process = self._process
        if process.stdin:
            process.stdin.close()
        # One that cannot kill what is left goes on trying, and nobody waits for it.
        with suppress(subprocess.TimeoutExpired):
            process.wait(0 if self._end.left else SECONDS_TO_END)
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()

    def send(self, message: bytes) -> None:
        """Tell the shepherd something; it may have been killed."""
        if self._process.stdin and not self._process.stdin.closed:
            with suppress(BrokenPipeError):
                self._process.stdin.write(message)

    def _read_events(self) -> bool:
        """Note what the shepherd tells; return False when nothing more will come."""
        chunk = os.read(self._events, REPORT_BYTES)
        *lines, self._unread = (self._unread + chunk).split(b"\n")
        for line in lines:
            self._end.note(line.decode(errors="replace"))
        self._has_ended = self._end.is_over or not chunk
        return not self._has_ended


def _kill_orphans(others: set[int]) -> None:
    """Kill the children of this process that are none of `others`, with all they have started."""
    deadline = time.monotonic() + SECONDS_TO_END
    while time.monotonic() < deadline:
        orphans = [child for child in psutil.Process().children() if child.pid not in others]
        if not orphans:
            return
        for orphan in orphans:
            with suppress(psutil.Error):
                for process in (*orphan.children(recursive=True), orphan):
                    process.kill()
        psutil.wait_procs(orphans, timeout=SECONDS_BETWEEN_KILLS)
