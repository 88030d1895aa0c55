"""What every kind of executor is given, and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from processes.scrubbing import Scrubber


class ProcessFailed(Exception):
    """The process says in its own words why it failed; its text is shown to people as it is.

    `exit_code` and `signal` (its name) are for a process that was an operating-system process.
    """

    def __init__(self, text: str = "", *, exit_code: int | None = None, signal: str = "") -> None:
        super().__init__(*filter(None, [text]))
        self.exit_code = exit_code
        self.signal = signal


class Report(Protocol):
    """Where an executor sends what happens during a run; it must not print to standard output."""

    def log(self, text: str, stream: str = "log") -> None:
        """Keep `text` under `stream`: log, stdout, stderr or traceback."""

    def progress(self, done: float, total: float | None) -> None:
        """Say how far the run is; `total` is None while nobody knows it."""

    @property
    def is_full(self) -> bool:
        """Tell whether the log has reached its limit: what is logged now is not kept."""


def _never() -> bool:
    return False


def _say_cancelled() -> str:
    return "The run was cancelled."


@dataclass(frozen=True)
class Work:
    """One attempt of a run: `values` in their stored form, `configuration` of the process model.

    `is_cancelled` tells at any moment whether somebody or its time limit wants it to end, and
    `describe_end` which of them; `kill_grace` is what it gets to do so. Its outputs may take
    `max_output_bytes` as JSON. A report masks secrets; where a text is cut into pieces before it is
    reported, `scrubber` masks those that would be cut too.
    """

    run_id: UUID
    attempt: int
    values: Mapping[str, Any] = field(repr=False)  # secrets are in clear in it
    configuration: Mapping[str, Any]
    is_cancelled: Callable[[], bool] = _never
    describe_end: Callable[[], str] = _say_cancelled
    kill_grace: timedelta = timedelta(seconds=10)
    max_output_bytes: int = 1024 * 1024
    scrubber: Scrubber = field(default_factory=Scrubber, repr=False)


class Executor(Protocol):
    """Carries out one kind of process model."""

    def execute(self, work: Work, report: Report) -> dict[str, Any]:
        """Return the outputs in their stored form. Raise ProcessFailed with the reason."""
