"""Dates and times of a request, which may show a clock on a wall, as instants."""

from bisect import bisect_left
from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def to_instant(moment: datetime, zone: ZoneInfo, *, latest: bool = False) -> datetime:
    """Return the instant, in UTC, that a date and time means; without an offset it is `zone`'s.

    Where the clocks were set back it comes twice: the first is meant, or the `latest`. Where they
    were set forward it never comes: the moment of that change is meant.
    """
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    # PEP 495: of a time that never comes, the two lie around the change, in the other order.
    first, second = (moment.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first > second:
        return _find_change(second, first, zone)
    return second if latest else first


def _find_change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first second after `before` at which the zone has another offset."""
    old = before.astimezone(zone).utcoffset()
    seconds = range(int(before.timestamp()), int(after.timestamp()) + 1)
    changed = bisect_left(
        seconds, True, key=lambda at: datetime.fromtimestamp(at, zone).utcoffset() != old
    )
    return datetime.fromtimestamp(seconds[changed], UTC)
