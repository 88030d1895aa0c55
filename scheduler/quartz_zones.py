"""When a zone's UTC offset changes, as whole numbers: periods in which wall clock and UTC run alike.

zoneinfo does not tell when a zone's clocks change, so the changes are searched for, once per zone
and year. All times are seconds since 1970, either UTC or as the zone's wall clock shows them.
"""

from bisect import bisect_left
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

STRIDE = 5 * 24 * 3600  # two changes are at least 6.9 days apart (Recife 2000, Gaza 2040)
CHUNK_BITS = 25  # 388 days: what is searched and kept at once


class Period(NamedTuple):
    """A time in which the UTC offset stays the same: from `start` until before `end`.

    From `quiet` on, its wall times come again after the change. Quartz rule: a wall time that
    occurs twice fires the second time only, so nothing fires between `quiet` and `end`.
    """

    start: int
    quiet: int
    end: int
    offset: int


class WallClock:
    """The wall clock of a zone. `last` is the period asked for most recently.

    Threads may share it: what they store is complete, and the same whoever stores it.
    """

    __slots__ = ("_chunks", "last", "zone")

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self.last = Period(0, 0, 0, 0)
        self._chunks: dict[int, tuple[Period, ...]] = {}

    def period_at(self, seconds: int) -> Period:
        """Return the period in which an instant lies."""
        chunk = seconds >> CHUNK_BITS
        periods = self._chunks.get(chunk)
        if periods is None:
            periods = self._chunks[chunk] = tuple(self._find_periods(chunk))
        for period in periods[:-1]:
            if seconds < period.end:
                return period
        return periods[-1]

    def period_showing(self, local: int) -> Period:
        """Return the period in which a wall time fires; for one in a gap, the period after it."""
        period = self.period_at(local - 2 * 24 * 3600)
        while local >= period.quiet + period.offset:
            period = self.period_at(period.end)
        return period

    def _find_periods(self, chunk: int) -> list[Period]:
        start, stop = chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS
        periods = []
        while start < stop:
            offset = self._offset_at(start)
            # A change shortly after the chunk's end makes the end of the chunk quiet.
            change = self._find_change(start, stop + STRIDE)
            quiet = change - max(0, offset - self._offset_at(change))
            end = min(change, stop)
            periods.append(Period(start, min(quiet, end), end, offset))
            start = end
        return periods

    def _find_change(self, start: int, stop: int) -> int:
        """Return the first instant after `start` with another offset, `stop` or later if none."""
        offset = self._offset_at(start)
        probe = start
        while probe < stop:
            if self._offset_at(probe + STRIDE) != offset:
                seconds = range(probe, probe + STRIDE + 1)
                return seconds[
                    bisect_left(seconds, True, key=lambda at: self._offset_at(at) != offset)
                ]
            probe += STRIDE
        return probe

    def _offset_at(self, seconds: int) -> int:
        offset = datetime.fromtimestamp(seconds, self.zone).utcoffset()
        assert offset is not None  # noqa: S101 - a ZoneInfo always has one
        return offset.days * 86_400 + offset.seconds


@lru_cache(maxsize=1024)
def wall_clock(name: str) -> WallClock:
    """Return the wall clock of a zone, one for all plans. Raise as ZoneInfo does."""
    return WallClock(ZoneInfo(name))
