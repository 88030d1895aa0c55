"""The fire times to come, as people and clients are shown them; the beat computes them alike."""

from dataclasses import dataclass
from datetime import UTC, datetime

from scheduler.fire_times import FireTimes

SHOWN = 10


@dataclass(frozen=True)
class Forecast:
    """A fire time to come, in the plan's zone and in UTC.

    `after_clock_change` is set on the first fire time with another offset than the one before:
    the clocks were changed in between.
    """

    local: datetime
    utc: datetime
    after_clock_change: bool = False


def forecast(fire_times: FireTimes, *, after: datetime, count: int = SHOWN) -> list[Forecast]:
    """Return the next `count` fire times strictly after `after`; fewer when the plan ends."""
    zone = fire_times.expression.zone
    offset = after.astimezone(zone).utcoffset()
    shown = []
    for seconds in fire_times.take(count, after=int(after.timestamp())):
        local = datetime.fromtimestamp(seconds, zone)
        shown.append(Forecast(local, local.astimezone(UTC), local.utcoffset() != offset))
        offset = local.utcoffset()
    return shown
