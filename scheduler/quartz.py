"""Quartz expressions: when a plan fires, in its zone's wall-clock time.

    plan = QuartzExpression("0 6 6 ? * FRI", tz="Europe/Istanbul")
    plan.next_after(datetime.now(UTC))

The module reads no clock and no settings. The search works on whole numbers: seconds since 1970 in
UTC ("seconds") or as the zone's wall clock shows them ("local"), days since 1970, and months since
January 1970.
"""

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from typing import NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scheduler.quartz_days import AnyDay, masks_by_month_kind, month_kind
from scheduler.quartz_fields import FIRST_YEAR, LAST_YEAR, Fields, QuartzError, parse, show
from scheduler.quartz_zones import WallClock, wall_clock

__all__ = ["Fields", "QuartzError", "QuartzExpression"]

ZONE = "time zone"  # what QuartzError.field says of a zone
DAY = 24 * 3600
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = 1 << 62  # a local time after all others

_FIRSTS = [
    date(year, month, 1) for year in range(FIRST_YEAR, LAST_YEAR + 1) for month in range(1, 13)
]
# The day before each month's first, so that a day less this is its number in the month.
_BEFORE_MONTH = tuple(first.toordinal() - date(1970, 1, 1).toordinal() - 1 for first in _FIRSTS)
_LAST_DAY = _BEFORE_MONTH[-1] + 31  # a December
_MONTH_KINDS = tuple(
    month_kind((before + 5) % 7 + 1, after - before)
    for before, after in zip(_BEFORE_MONTH, (*_BEFORE_MONTH[1:], _LAST_DAY), strict=True)
)
# Instants at which every zone's wall clock shows a time before the first year, and after the last.
_FIRST_SECOND, _LAST_SECOND = -2 * DAY, (_LAST_DAY + 3) * DAY


class QuartzExpression:
    """A Quartz expression in a zone. Immutable, and equal to any with the same canonical text.

    Wall-clock rules of Quartz: a wall time that a clock change skips does not fire that day; one
    that occurs twice fires once, the second time, so that the first pass is silent.

    `canonical` is the text in its plainest spelling, `tz` the zone's name, `fields` the meaning.
    """

    __slots__ = (
        "_clock",
        "_daily",
        "_first_time",
        "_masks",
        "_months",
        "_next_hour",
        "_next_minute",
        "_next_second",
        "_years",
        "canonical",
        "fields",
        "tz",
    )

    canonical: str
    fields: Fields
    tz: str
    _clock: WallClock
    _daily: bool
    _first_time: int
    _masks: tuple[int, ...]
    _months: tuple[bool, ...]
    _next_hour: tuple[int, ...]
    _next_minute: tuple[int, ...]
    _next_second: tuple[int, ...]
    _years: frozenset[int] | None

    def __new__(cls, text: str, tz: str) -> "QuartzExpression":
        """Return the plan for a text and the name of a zone. Raise QuartzError."""
        return _compile(text, tz)

    def _prepare(self, text: str, tz: str) -> None:
        prepare = partial(object.__setattr__, self)
        fields, canonical = parse(text)
        prepare("fields", fields)
        prepare("canonical", canonical)
        prepare("tz", tz)
        prepare("_clock", _find_clock(tz))
        prepare("_next_second", _next_values(fields.seconds, 60))
        prepare("_next_minute", _next_values(fields.minutes, 60))
        prepare("_next_hour", _next_values(fields.hours, 24))
        prepare("_first_time", fields.hours[0] * 3600 + fields.minutes[0] * 60 + fields.seconds[0])
        prepare("_masks", masks_by_month_kind(fields.day))
        prepare("_months", tuple(month in fields.months for month in range(1, 13)))
        prepare(
            "_years",
            None if fields.years is None else frozenset(year - FIRST_YEAR for year in fields.years),
        )
        prepare("_daily", isinstance(fields.day, AnyDay) and all(self._months) and not fields.years)

    @property
    def zone(self) -> ZoneInfo:
        """Return the zone."""
        return self._clock.zone

    def next_after(self, when: datetime) -> datetime | None:
        """Return the first fire time later than `when`, in the plan's zone; None if there is none.

        `when` is aware; its fraction of a second is dropped first, as Quartz does.
        """
        if when.utcoffset() is None:
            raise ValueError("A fire time is searched from an aware datetime, not a naive one.")
        fire = self.next_after_epoch((when - EPOCH) // timedelta(seconds=1))
        return None if fire is None else datetime.fromtimestamp(fire, self.zone)

    def next_after_epoch(self, seconds: int) -> int | None:
        """Return the first fire time later than `seconds`, both in seconds since 1970, or None."""
        start, quiet, _, offset = self._clock.last
        if start <= seconds < quiet:
            local = self._next_local(seconds + offset)
            if local < quiet + offset:
                return local - offset
        return self._search(seconds)

    def count_between(self, after: int, until: int) -> int:
        """Return how many fire times are later than `after` and not later than `until`.

        These are the ones that `next_after_epoch` finds one after the other. It takes a few steps a
        month of the range, however often the plan fires.
        """
        return self._count(self._after_first_pass(after), until)

    def last_between(self, after: int, until: int) -> int | None:
        """Return the latest fire time later than `after` and not later than `until`, or None."""
        after, until = self._after_first_pass(after), min(until, _LAST_SECOND)
        if not self._count(after, until):
            return None
        while until - after > 1:
            middle = (after + until) // 2
            if self._count(middle, until):
                after = middle
            else:
                until = middle
        return until

    def describe(self, locale: str = "en") -> str:
        """Return the plan in words, in English or Turkish ("tr"); if that fails, `canonical`."""
        from scheduler.quartz_prose import describe  # only pages need it

        return describe(self, locale)

    def _search(self, seconds: int) -> int | None:
        """Search across clock changes.

        Quartz rule: the search begins a second later, and when that second is in the first pass
        of a wall time that occurs twice, from the same wall time in the second pass.
        """
        if seconds >= _LAST_SECOND:
            return None
        seconds = max(seconds, _FIRST_SECOND)
        period = self._clock.last = self._clock.period_at(seconds + 1)
        local = self._next_local(seconds + period.offset)
        while local < NEVER:
            period = self._clock.period_showing(local)
            if local >= period.start + period.offset:
                return local - period.offset
            local = self._next_local(period.start + period.offset - 1)  # the clocks skip it
        return None

    def _after_first_pass(self, after: int) -> int:
        """Return `after`, moved to the second pass when the search from it begins in a first one."""
        after = min(max(after, _FIRST_SECOND), _LAST_SECOND)
        period = self._clock.period_at(after + 1)
        if after + 1 < period.quiet:
            return after
        local = after + 1 + period.offset
        return local - self._clock.period_showing(local).offset - 1

    def _count(self, after: int, until: int) -> int:
        until = min(until, _LAST_SECOND)
        count = 0
        while after < until:
            _, quiet, end, offset = self._clock.period_at(after + 1)
            stop = min(until, quiet - 1)
            if after < stop:
                count += self._count_local(after + offset, stop + offset)
            after = end - 1
        return count

    def _next_local(self, local: int) -> int:
        """Return the first wall time later than `local` that matches, NEVER if there is none."""
        local = local + 1 if local >= 0 else 0
        day = local // DAY
        second = local - day * DAY
        matching = day if self._daily else self._next_day(day)
        if matching == day:
            time = self._next_time(second)
            if time < DAY:
                return day * DAY + time
            matching = day + 1 if self._daily else self._next_day(day + 1)
        if matching > _LAST_DAY:
            return NEVER
        return matching * DAY + self._first_time

    def _next_time(self, time: int) -> int:
        """Return the first time of day that matches from `time` on, in seconds; DAY if none."""
        hour = time // 3600
        minute = time // 60 % 60
        matching_hour = self._next_hour[hour]
        if matching_hour == hour:
            matching_minute = self._next_minute[minute]
            if matching_minute == minute:
                second = self._next_second[time % 60]
                if second < 60:
                    return time - time % 60 + second
                matching_minute = self._next_minute[minute + 1]
            if matching_minute < 60:
                return hour * 3600 + matching_minute * 60 + self.fields.seconds[0]
            matching_hour = self._next_hour[hour + 1]
        if matching_hour < 24:
            return matching_hour * 3600 + self._first_time % 3600
        return DAY

    def _next_day(self, day: int) -> int:
        """Return the first day that matches from `day` on, NEVER if there is none."""
        if day > _LAST_DAY:
            return NEVER
        month = bisect_left(_BEFORE_MONTH, day) - 1
        days = self._days_of(month) >> day - _BEFORE_MONTH[month]
        if days:
            return day + (days & -days).bit_length() - 1
        for later in range(month + 1, len(_BEFORE_MONTH)):
            if days := self._days_of(later):
                return _BEFORE_MONTH[later] + (days & -days).bit_length() - 1
        return NEVER

    def _days_of(self, month: int) -> int:
        """Return the matching days of a month, as a mask."""
        if not self._months[month % 12]:
            return 0
        if self._years is not None and month // 12 not in self._years:
            return 0
        return self._masks[_MONTH_KINDS[month]]

    def _count_local(self, after: int, until: int) -> int:
        """Return how many wall times after `after` and until `until` match."""
        first_day, first_time = divmod(max(after + 1, 0), DAY)
        stop_day, stop_time = divmod(min(max(until + 1, 0), (_LAST_DAY + 1) * DAY), DAY)
        count = self._count_days(first_day, stop_day) * self._times_before(DAY)
        if self._next_day(first_day) == first_day:
            count -= self._times_before(first_time)
        if self._next_day(stop_day) == stop_day:
            count += self._times_before(stop_time)
        return count

    def _count_days(self, first: int, stop: int) -> int:
        """Return how many days from `first` until before `stop` match."""
        count = 0
        month = bisect_left(_BEFORE_MONTH, first) - 1
        while month < len(_BEFORE_MONTH) and (before := _BEFORE_MONTH[month]) + 1 < stop:
            days = self._days_of(month)
            if first > before:
                days = days >> first - before << first - before
            days &= (1 << max(0, stop - before)) - 1
            count += days.bit_count()
            month += 1
        return count

    def _times_before(self, time: int) -> int:
        """Return how many times of a day match before `time`, which may be the end of the day."""
        hour, minute, second = time // 3600, time // 60 % 60, time % 60
        fields = self.fields
        minutes = bisect_left(fields.hours, hour) * len(fields.minutes)
        if self._next_hour[hour] != hour or hour == 24:
            return minutes * len(fields.seconds)
        minutes += bisect_left(fields.minutes, minute)
        if self._next_minute[minute] != minute:
            return minutes * len(fields.seconds)
        return minutes * len(fields.seconds) + bisect_left(fields.seconds, second)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QuartzExpression):
            return NotImplemented
        return (self.canonical, self.tz) == (other.canonical, other.tz)

    def __hash__(self) -> int:
        return hash((self.canonical, self.tz))

    def __repr__(self) -> str:
        return f"QuartzExpression({self.canonical!r}, tz={self.tz!r})"

    def __reduce__(self) -> tuple[type["QuartzExpression"], tuple[str, str]]:
        return QuartzExpression, (self.canonical, self.tz)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("A Quartz expression does not change.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("A Quartz expression does not change.")


@lru_cache(maxsize=4096)
def _compile(text: str, tz: str) -> QuartzExpression:
    plan = object.__new__(QuartzExpression)
    plan._prepare(text, tz)
    return plan


def _find_clock(tz: str) -> WallClock:
    try:
        return wall_clock(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise QuartzError(
            f"{show(tz)} is no time zone; it takes an IANA name such as Europe/Istanbul.",
            ZONE,
        ) from error


@lru_cache(maxsize=1024)
def _next_values(values: tuple[int, ...], size: int) -> tuple[int, ...]:
    """Return for each number up to `size` the first of the values from it on, else `size`."""
    return tuple(
        next((value for value in values if value >= number), size) for number in range(size + 1)
    )
