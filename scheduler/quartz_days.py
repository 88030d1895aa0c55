"""On which days of a month a Quartz expression fires.

Weekdays are numbered as Quartz does, 1 for Sunday to 7 for Saturday. A set of days of a month is a
number whose bit n stands for day n, which makes "the next day from here on" a shift.
"""

from dataclasses import dataclass
from functools import lru_cache

SUNDAY, SATURDAY = 1, 7
LONGEST_MONTH = 31
MONTH_LENGTHS = range(28, LONGEST_MONTH + 1)


@dataclass(frozen=True, slots=True)
class AnyDay:
    """Each day: `*`."""

    def mask(self, first: int, length: int) -> int:
        """Return the days of a month that begins on the weekday `first` and has `length` days."""
        return (2 << length) - 2


@dataclass(frozen=True, slots=True)
class DaysOfMonth:
    """Some days of the month: `1,15`."""

    days: tuple[int, ...]

    def mask(self, first: int, length: int) -> int:
        """Return the days that the month has of those."""
        return sum(1 << day for day in self.days if day <= length)


@dataclass(frozen=True, slots=True)
class DaysOfWeek:
    """Some weekdays: `MON-FRI`."""

    days: tuple[int, ...]

    def mask(self, first: int, length: int) -> int:
        """Return each day of the month that is one of those weekdays."""
        return sum(1 << day for day in range(1, length + 1) if weekday_of(day, first) in self.days)


@dataclass(frozen=True, slots=True)
class LastDay:
    """The day `offset` days before the month's last: `L`, `L-3`."""

    offset: int = 0

    def mask(self, first: int, length: int) -> int:
        """Return that day, or none in a month too short for the offset."""
        return 1 << length - self.offset if self.offset < length else 0


@dataclass(frozen=True, slots=True)
class NearestWorkday:
    """The workday nearest to a day of the month: `15W`."""

    day: int

    def mask(self, first: int, length: int) -> int:
        """Return that workday, or none in a month without the day."""
        return 1 << nearest_workday(self.day, first, length) if self.day <= length else 0


@dataclass(frozen=True, slots=True)
class LastWorkday:
    """The workday nearest to the day `offset` days before the month's last: `LW`, `L-3W`."""

    offset: int = 0

    def mask(self, first: int, length: int) -> int:
        """Return that workday, or none in a month too short for the offset."""
        day = length - self.offset
        return 1 << nearest_workday(day, first, length) if day >= 1 else 0


@dataclass(frozen=True, slots=True)
class NthWeekday:
    """The n-th of a weekday in the month: `FRI#2`."""

    weekday: int
    n: int

    def mask(self, first: int, length: int) -> int:
        """Return that day, or none in a month without a fifth."""
        day = 1 + (self.weekday - first) % 7 + 7 * (self.n - 1)
        return 1 << day if day <= length else 0


@dataclass(frozen=True, slots=True)
class LastWeekday:
    """The last of a weekday in the month: `FRIL`."""

    weekday: int

    def mask(self, first: int, length: int) -> int:
        """Return that day."""
        return 1 << length - (weekday_of(length, first) - self.weekday) % 7


DayRule = (
    AnyDay
    | DaysOfMonth
    | DaysOfWeek
    | LastDay
    | NearestWorkday
    | LastWorkday
    | NthWeekday
    | LastWeekday
)


def weekday_of(day: int, first: int) -> int:
    """Return the weekday of a day in a month that begins on the weekday `first`."""
    return (first + day - 2) % 7 + 1


def nearest_workday(day: int, first: int, length: int) -> int:
    """Return the Monday to Friday nearest to `day` without leaving the month.

    Quartz rule: Saturday goes back to Friday, but from the 1st on to Monday the 3rd; Sunday goes on
    to Monday, but from the month's last day back to Friday.
    """
    weekday = weekday_of(day, first)
    if weekday == SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == SUNDAY:
        return day + 1 if day < length else day - 2
    return day


def month_kind(first: int, length: int) -> int:
    """Return which of the 28 kinds of month it is: 7 first weekdays times 4 lengths."""
    return (first - 1) * len(MONTH_LENGTHS) + MONTH_LENGTHS.index(length)


@lru_cache(maxsize=1024)
def masks_by_month_kind(rule: DayRule) -> tuple[int, ...]:
    """Return the days of each kind of month, in the order of `month_kind`."""
    return tuple(
        rule.mask(first, length)
        for first in range(SUNDAY, SATURDAY + 1)
        for length in MONTH_LENGTHS
    )
