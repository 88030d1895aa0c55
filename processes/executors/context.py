"""What a process function may know of the run it is called for."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from processes.executors.base import Report


@dataclass(frozen=True)
class RunContext:
    """Given to a function whose first parameter is annotated with it.

    `attempt` starts at 1; with `run_id` it lets a process do its outside work only once.
    """

    run_id: UUID
    attempt: int
    report: Report
    cancelled: Callable[[], bool] = lambda: False

    @property
    def is_cancelled(self) -> bool:
        """Tell whether the attempt has to end: somebody has cancelled it, or its time is over.

        SystemExit is raised in the function then as well; after its grace it is killed.
        """
        return self.cancelled()

    def log(self, text: str) -> None:
        """Add `text` to the run's log."""
        self.report.log(text)

    def progress(self, done: float, total: float | None = None) -> None:
        """Say how far the run is, in any unit; leave `total` out while it is unknown."""
        self.report.progress(done, total)
