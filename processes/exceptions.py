"""What can go wrong when a process is started or executed, named for whoever can act on it."""

from collections.abc import Mapping
from uuid import UUID


class ProcessesError(Exception):
    """Base of this app's errors; the text is a sentence for people."""


class InvalidValues(ProcessesError):
    """Values do not fit the declared parameters; `errors` holds the texts by value name."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__("; ".join(text for texts in errors.values() for text in texts))
        self.errors = dict(errors)


class LeaseLost(ProcessesError):
    """Another node, or the reconciler, has ended this attempt: its result counts no more."""

    def __init__(self, run_id: UUID) -> None:
        super().__init__(f"The lease on run {run_id} is lost.")
