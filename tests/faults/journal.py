"""What really happened, written down outside the database by those who saw it.

The client writes each robustaSpid it was answered; a process model writes a line at the start and
at the end of each attempt. One `write` to a file opened with O_APPEND is one line, whoever dies.
Times are of the monotonic clock, which all processes of one machine share.
"""

import os
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

SUCCEEDED, FAILED = "succeeded", "failed"


@dataclass
class Attempt:
    """One attempt as its process saw it; `token` is the output it returned."""

    run_id: UUID
    number: int
    starts: list[int] = field(default_factory=list)
    last_seen: int = 0
    outcome: str = ""
    token: str = ""


class Journal:
    """A file of lines that several processes append to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def acknowledge(self, robusta_spid: UUID) -> None:
        """Note that a start was answered with this id."""
        self._append("acknowledged", robusta_spid)

    def begin(self, run_id: UUID, attempt: int) -> None:
        """Note that an attempt starts."""
        self._append("start", run_id, attempt, time.monotonic_ns())

    def go_on(self, run_id: UUID, attempt: int) -> None:
        """Note that an attempt is still alive."""
        self._append("alive", run_id, attempt, time.monotonic_ns())

    def end(self, run_id: UUID, attempt: int, outcome: str, token: str = "") -> None:
        """Note how an attempt ends, just before it returns."""
        self._append("end", run_id, attempt, time.monotonic_ns(), outcome, token)

    def _append(self, *words: object) -> None:
        line = " ".join(map(str, words)) + "\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def read(self) -> "Events":
        """Return everything that was written down."""
        return Events.of(self.path.read_text().splitlines() if self.path.exists() else [])


@dataclass
class Events:
    """What the journal says: what was promised to clients, and what ran."""

    acknowledged: list[UUID] = field(default_factory=list)
    attempts: dict[UUID, dict[int, Attempt]] = field(default_factory=lambda: defaultdict(dict))

    @classmethod
    def of(cls, lines: Iterable[str]) -> "Events":
        """Return what the lines say."""
        events = cls()
        for line in lines:
            event, run_id, *rest = line.split(" ")
            if event == "acknowledged":
                events.acknowledged.append(UUID(run_id))
            else:
                events._note(event, UUID(run_id), *rest)
        return events

    def _note(
        self, event: str, run_id: UUID, number: str, moment: str, outcome: str = "", token: str = ""
    ) -> None:
        attempts = self.attempts[run_id]
        attempt = attempts.setdefault(int(number), Attempt(run_id, int(number)))
        attempt.last_seen = max(attempt.last_seen, int(moment))
        if event == "start":
            attempt.starts.append(int(moment))
        elif event == "end":
            attempt.outcome, attempt.token = outcome, token

    def of_run(self, run_id: UUID) -> list[Attempt]:
        """Return the attempts of a run in order."""
        return [attempt for _, attempt in sorted(self.attempts.get(run_id, {}).items())]
