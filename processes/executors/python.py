"""Carries out a process model by calling a registered Python function."""

import contextlib
import io
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import FrameType
from typing import Any

from processes import registry
from processes.executors.base import ProcessFailed, Report, Work
from processes.executors.context import RunContext
from processes.lifetime import kill_descendants
from processes.scrubbing import ScrubbedStream, Scrubber
from processes.signatures import OutputSpec, ParameterSpec, Signature
from processes.text import replace_unstorable_in
from processes.value_types import MAX_NESTING, ValueType, WrongType, to_python, to_stored

MAX_LINE = 8192


class PythonExecutor:
    """Calls the function in this operating-system process, one run at a time.

    What the function prints is logged. What it writes past `sys.stdout` is not: programs it
    starts, `sys.stdout.buffer`, file descriptor 1.
    """

    def execute(self, work: Work, report: Report) -> dict[str, Any]:
        """Return the function's outputs. Raise ProcessFailed if it raised or returned others."""
        process = _find_process(work.configuration)
        arguments = _build_arguments(process.signature, work.values, report)
        function = partial(process.function, **arguments)
        if process.signature.takes_context:
            context = RunContext(work.run_id, work.attempt, report, work.is_cancelled)
            function = partial(function, context)
        with _ended_by_term(work):
            result = _call(function, report, work.scrubber)
        return _check_outputs(process.signature, result)


def _find_process(configuration: Mapping[str, Any]) -> registry.RegisteredProcess:
    try:
        return registry.get(configuration.get("process", ""))
    except registry.NotRegistered as error:
        raise ProcessFailed(str(error)) from error


def _build_arguments(
    signature: Signature, values: Mapping[str, Any], report: Report
) -> dict[str, Any]:
    known = {spec.name for spec in signature.parameters}
    for name in values:
        if name not in known:
            report.log(f"The value {name!r} is no parameter of this process and was left out.")
    return {
        spec.name: _build_argument(spec, values.get(spec.name)) for spec in signature.parameters
    }


def _build_argument(spec: ParameterSpec, value: Any) -> Any:
    if value is None:
        value = spec.default
    if value is None:
        if spec.required:
            raise ProcessFailed(f"The value {spec.name!r} is missing.")
        return None
    try:
        # Stored when the run was queued, perhaps for an older form of the function.
        stored = to_stored(spec.value_type, value, choices=spec.choices)
    except WrongType as error:
        raise ProcessFailed(f"The value {spec.name!r} takes {error.expected}.") from error
    return spec.enum_class(stored) if spec.enum_class else to_python(spec.value_type, stored)


@contextlib.contextmanager
def _ended_by_term(work: Work) -> Iterator[None]:
    """Let SIGTERM raise SystemExit in a function that is to end, so that it can clean up.

    Else the signal is for the worker's process, which dies of it with all it has started: raised
    as an exception, it would count as the function's own failure.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return

    def end(number: int, frame: FrameType | None) -> None:
        if work.is_cancelled():
            raise SystemExit(work.describe_end())
        kill_descendants()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _call(function: Callable[[], Any], report: Report, scrubber: Scrubber) -> Any:
    printed = _PrintedLines(report, scrubber)
    try:
        with contextlib.closing(printed), contextlib.redirect_stdout(printed):
            return function()
    except KeyboardInterrupt:
        raise  # somebody stops the worker from its terminal
    except ProcessFailed as error:
        raise ProcessFailed(_describe_error(error)) from error
    except BaseException as error:
        # Whatever the function raises, sys.exit() included, ends its run and never the worker.
        report.log(_format_stack_trace(error), stream="traceback")
        raise ProcessFailed(_describe_error(error)) from error


def _format_stack_trace(error: BaseException) -> str:
    """Return the stack trace from the function on, without the executor's own frame."""
    frames = error.__traceback__ and error.__traceback__.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def _describe_error(error: BaseException) -> str:
    name = type(error).__name__
    if isinstance(error, SystemExit) and not isinstance(error.code, str):
        return f"The process ended itself with exit code {error.code or 0}."
    try:
        text = str(error)
    except Exception:  # the text comes from a class of the function's author
        return name
    if isinstance(error, KeyError):  # its text is nothing but the key
        return f"{name}: {text}"
    return text if text.strip() else name


def _check_outputs(signature: Signature, result: Any) -> dict[str, Any]:
    if result is None:
        result = {}
    if not isinstance(result, Mapping):
        raise ProcessFailed(
            f"The process returned a value of type {type(result).__name__};"
            " it must return a dict of its outputs, or None."
        )
    if signature.outputs_declared:
        return _check_declared(signature.outputs, result)
    return {
        name: _store_output(OutputSpec(name, ValueType.JSON), value)
        for name, value in result.items()
    }


def _check_declared(specs: tuple[OutputSpec, ...], result: Mapping[str, Any]) -> dict[str, Any]:
    undeclared = [name for name in result if name not in {spec.name for spec in specs}]
    if undeclared:
        raise ProcessFailed(f"The process set {undeclared[0]!r}, which is no output of it.")
    missing = [spec.name for spec in specs if spec.required and spec.name not in result]
    if missing:
        raise ProcessFailed(f"The process did not set its output {missing[0]!r}.")
    return {
        spec.name: _store_output(spec, result[spec.name]) for spec in specs if spec.name in result
    }


def _store_output(spec: OutputSpec, value: Any) -> Any:
    if value is None and not spec.required:
        return None
    value = replace_unstorable_in(value, levels=MAX_NESTING)
    try:
        to_stored(ValueType.TEXT, spec.name)
    except WrongType as error:
        raise ProcessFailed(f"The name {spec.name!r} of an output is no usable text.") from error
    try:
        return to_stored(spec.value_type, value, choices=spec.choices)
    except WrongType as error:
        raise ProcessFailed(
            f"The process set its output {spec.name!r} to a value of type"
            f" {type(value).__name__}; expected {error.expected}."
        ) from error


class _PrintedLines(io.TextIOBase):
    """Logs what is printed, line by line; a line without an end is logged in pieces.

    Once closed it drops what it gets: a logging handler that the function has set up keeps it
    beyond the run, and its lines belong to another.
    """

    def __init__(self, report: Report, scrubber: Scrubber) -> None:
        self._report = report
        self._scrubbed = ScrubbedStream(scrubber)
        self._pending = ""
        self._lock = threading.Lock()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with self._lock:
            if not self.closed:
                self._log(self._scrubbed.take(text))
        return len(text)

    def close(self) -> None:
        with self._lock:
            self._log(self._scrubbed.end())
            if self._pending:
                self._log("\n")
        super().close()

    def _log(self, text: str) -> None:
        *lines, self._pending = (self._pending + text).split("\n")
        if len(self._pending) > MAX_LINE:
            lines.append(self._pending)
            self._pending = ""
        for line in lines:
            self._report.log(line, stream="stdout")
