"""The fire times of a plan: a Quartz expression between a start and an end."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from scheduler.quartz import QuartzExpression


@dataclass(frozen=True, slots=True)
class FireTimes:
    """What a plan names, in epoch seconds; start and end are included, as Quartz's CronTrigger."""

    expression: QuartzExpression
    start: int | None = None
    end: int | None = None

    @classmethod
    def of(
        cls, quartz: str, time_zone: str, start: datetime | None = None, end: datetime | None = None
    ) -> Self:
        """Return the fire times of a plan. Raise QuartzError for a wrong expression or zone."""
        return cls(
            QuartzExpression(quartz, time_zone),
            None if start is None else math.ceil(start.timestamp()),
            None if end is None else math.floor(end.timestamp()),
        )

    def next_after(self, seconds: int) -> int | None:
        """Return the first fire time strictly after `seconds`; None when there is none."""
        found = self.expression.next_after_epoch(self._not_before_start(seconds))
        return None if found is None or (self.end is not None and found > self.end) else found

    def take(self, most: int, *, after: int, until: int | None = None) -> list[int]:
        """Return up to `most` fire times strictly after `after` and not after `until`."""
        taken: list[int] = []
        seconds: int | None = after
        while len(taken) < most:
            seconds = self.next_after(seconds)  # type: ignore[arg-type]  # the loop ends at None
            if seconds is None or (until is not None and seconds > until):
                break
            taken.append(seconds)
        return taken

    def count_between(self, after: int, until: int) -> int:
        """Return how many fire times lie strictly after `after` and not after `until`."""
        after, until = self._not_before_start(after), self._not_past_end(until)
        return self.expression.count_between(after, until) if after < until else 0

    def last_between(self, after: int, until: int) -> int | None:
        """Return the latest fire time strictly after `after` and not after `until`."""
        after, until = self._not_before_start(after), self._not_past_end(until)
        return self.expression.last_between(after, until) if after < until else None

    def _not_before_start(self, seconds: int) -> int:
        return seconds if self.start is None else max(seconds, self.start - 1)

    def _not_past_end(self, seconds: int) -> int:
        return seconds if self.end is None else min(seconds, self.end)


def to_datetime(seconds: int) -> datetime:
    """Return the instant of epoch seconds, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
