"""Carries out a process model by starting a program of the folder COMMANDS_DIR."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from processes.executors.base import ProcessFailed, Report, Work
from processes.executors.command_configuration import (
    Command,
    WrongConfiguration,
    read_configuration,
)
from processes.executors.command_folder import CommandFolder, make_folder
from processes.executors.output_lines import OutputLines
from processes.executors.shepherding import End, Shepherded, shepherded
from processes.lifetime import name_signal

WORK_FOLDER = "commands"  # in VAR_DIR
HINTS = {
    signal.SIGKILL: "the system does so when memory runs out",
    signal.SIGXCPU: "it used up its limit cpu_seconds",
    signal.SIGXFSZ: "a file grew beyond its limit file_mb",
}


class CommandExecutor:
    """Runs a program under a shepherd: values in, log while it runs, outputs at the end.

    The program gets nothing of the worker's environment but PATH and TZ, and a working directory
    of its own that is gone afterwards. It runs as the worker's user: what that user may read and
    signal, the program may too.
    """

    def __init__(self, programs: Path, var: Path) -> None:
        self._programs = programs
        self._parent = var / WORK_FOLDER

    def execute(self, work: Work, report: Report) -> dict[str, Any]:
        """Return the outputs that the program wrote. Raise ProcessFailed unless it ended with 0."""
        if sys.platform != "linux":
            raise ProcessFailed("Commands can be run on Linux only.")
        try:
            command = read_configuration(work.configuration, self._programs)
        except WrongConfiguration as error:
            raise ProcessFailed(f"The configuration is wrong: {error}") from error
        with make_folder(self._parent, work) as folder:
            return _run(command, folder, work, report)


def _run(command: Command, folder: CommandFolder, work: Work, report: Report) -> dict[str, Any]:
    order = {
        "program": str(command.program),
        "arguments": command.arguments,
        "environment": _make_environment(command, folder, work),
        "limits": command.limits,
        "folder": str(folder.path),
        "directory": str(folder.directory),
        "input": str(folder.values),
        "grace": work.kill_grace.total_seconds(),
    }
    with shepherded(order, folder) as running, _ended_by_term(running, work.is_cancelled):
        stdout, stderr = running.outputs
        printed = OutputLines(stdout, "stdout", report, work.scrubber)
        complained = OutputLines(stderr, "stderr", report, work.scrubber)
        end = running.follow((printed, complained), _Progress(folder, report).look)
        if end.left:
            report.log(f"These processes of the command cannot be killed: {end.left}.")
        _check_end(end, complained.last_line)
        return folder.read_outputs(work.max_output_bytes)


def _make_environment(command: Command, folder: CommandFolder, work: Work) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "TZ": os.environ.get("TZ", "UTC"),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        **command.environment,
        "HOME": str(folder.directory),
        "TMPDIR": str(folder.directory),
        "ARABICA_RUN_ID": str(work.run_id),
        "ARABICA_ATTEMPT": str(work.attempt),
        "ARABICA_VALUES": str(folder.values),
        "ARABICA_OUTPUTS": str(folder.outputs),
        "ARABICA_PROGRESS": str(folder.progress),
    }


class _Progress:
    """Passes on what the command writes of its progress, each time it is another."""

    def __init__(self, folder: CommandFolder, report: Report) -> None:
        self._folder = folder
        self._report = report
        self._last: tuple[float, float | None] | None = None

    def look(self) -> None:
        progress = self._folder.read_progress()
        if progress and progress != self._last:
            self._report.progress(*progress)
            self._last = progress


def _check_end(end: End, last_line: str) -> None:
    """Raise ProcessFailed unless the command ended by itself, with exit code 0."""
    if end.exit_code == 0 and not end.told:
        return
    said = f" The last it said: {last_line}" if last_line else ""
    name = name_signal(end.signal) if end.signal else ""
    if end.failure:
        text = f"The program could not be started: {end.failure}."
    elif end.told:
        text = "The command was told to end."
    elif end.signal:
        hint = HINTS.get(end.signal)  # type: ignore[call-overload]  # signals are numbers
        text = f"The command was killed by {name}{f': {hint}' if hint else ''}."
    elif end.exit_code is None:
        text = "The command was killed, because the process that watches over it was."
    else:
        text = f"The command ended with exit code {end.exit_code}."
    raise ProcessFailed(text + said, exit_code=end.exit_code, signal=name)


@contextlib.contextmanager
def _ended_by_term(running: Shepherded, is_cancelled: Callable[[], bool]) -> Iterator[None]:
    """Let SIGTERM have the command ended where it is cancelled; its end is waited for.

    Else the signal is for the worker's process, which dies of it, and the shepherd ends the rest:
    raised as an exception, it would count as the command's own failure.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return

    def end(number: int, frame: FrameType | None) -> None:
        if is_cancelled():
            running.tell_to_end()
        else:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
