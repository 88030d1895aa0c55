"""Read the text of a Quartz expression: six or seven fields become sorted values and a day rule.

The rules are those of Quartz 2.3.2 as its answers show them. Where Quartz ignores characters it
does not understand, a plan would mean something else than it says, so they are refused here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from scheduler.quartz_days import (
    LONGEST_MONTH,
    SATURDAY,
    AnyDay,
    DayRule,
    DaysOfMonth,
    DaysOfWeek,
    LastDay,
    LastWeekday,
    LastWorkday,
    NearestWorkday,
    NthWeekday,
)

MAX_LENGTH = 1000
MAX_SHOWN = 40
FIRST_YEAR, LAST_YEAR = 1970, 2199
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

BLANKS = re.compile(r"[ \t]+")
VALUE = r"([0-9]+|[A-Z]+)"
ITEM = re.compile(rf"(?:\*|{VALUE}(?:-{VALUE})?)?(?:/([0-9]+))?")
LAST_DAY = re.compile(r"L(?:-([0-9]+))?(W)?")
NEAREST_WORKDAY = re.compile(r"([0-9]+)W")
LAST_WEEKDAY = re.compile(rf"{VALUE}L")
NTH_WEEKDAY = re.compile(rf"{VALUE}#([0-9]+)")


class QuartzError(ValueError):
    """The text is no Quartz expression, or the zone no zone. The message says what is allowed.

    `field` is the name of the field at fault, "time zone" for the zone, None for the whole text.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Fields:
    """What an expression means: the values that match, sorted; `years` is None for every year."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: tuple[int, ...]
    years: tuple[int, ...] | None
    day: DayRule


@dataclass(frozen=True, slots=True)
class FieldKind:
    """One of the seven fields: its name, its values, and what may stand in it."""

    name: str
    low: int
    high: int
    max_step: int | None  # of a step without an end: */n, /n and a/n
    allowed: str
    names: Mapping[str, int] = field(default_factory=dict)
    wraps: bool = True

    def refuse(self, item: str, problem: str) -> QuartzError:
        """Return the error that says what is wrong with an item of this field."""
        return QuartzError(f"{self.name}: {show(item)} {problem}; {self.allowed}.", self.name)

    def read(self, text: str) -> tuple[tuple[int, ...], str]:
        """Return the values of a list of items, sorted, and its canonical text."""
        everything = self.everything
        values: set[int] = set()
        canonical = []
        for item in text.split(","):
            item_values, item_text = self._read_item(item)
            values.update(item_values)
            canonical.append(item_text)
        if "*" in canonical:
            return tuple(everything), "*"
        return tuple(sorted(values)), ",".join(canonical)

    @property
    def everything(self) -> range:
        """Return every value of the field."""
        return range(self.low, self.high + 1)

    def read_value(self, text: str, item: str) -> int:
        """Return the number of a value that is written as a number or a name."""
        if text.isdecimal():
            value = int(text)
            if not self.low <= value <= self.high:
                raise self.refuse(item, "is out of range")
            return value
        if text not in self.names:
            raise self.refuse(item, "is not understood")
        return self.names[text]

    def write_value(self, text: str, value: int) -> str:
        """Return the canonical text of a value: no leading zeros, names of three letters."""
        return str(value) if text.isdecimal() else NAMES_WRITTEN[self.name][value - self.low]

    def _read_item(self, item: str) -> tuple[range | list[int], str]:
        match = ITEM.fullmatch(item)
        if not item:
            raise self.refuse(item, "is an empty item")
        if not match:
            raise self.refuse(item, "does not belong here" if item == "?" else "is not understood")
        first, last, step_text = match.groups()
        step = None if step_text is None else int(step_text)
        if last is None:
            self._check_step(item, step)
        if first is None:
            return self._read_everything(step)
        self._check_names(item, first, last, step)
        return self._read_values(item, first, last, step)

    def _check_step(self, item: str, step: int | None) -> None:
        if step is not None and self.max_step is not None and step > self.max_step:
            raise self.refuse(item, f"has a step above {self.max_step}")

    def _read_everything(self, step: int | None) -> tuple[range, str]:
        if not step or step == 1:
            return self.everything, "*"
        return self.everything[::step], f"*/{step}"

    def _check_names(self, item: str, first: str, last: str | None, step: int | None) -> None:
        named = not first.isdecimal()
        if last is not None and last.isdecimal() is named:
            raise self.refuse(item, "mixes a name and a number in one range")
        if named and step is not None:
            raise self.refuse(item, "has a step after a name, where numbers are needed")

    def _read_values(
        self, item: str, first: str, last: str | None, step: int | None
    ) -> tuple[range | list[int], str]:
        """Return the values of `a`, `a-b`, `a/n` or `a-b/n`.

        Quartz rule: a step of 0 is no step and leaves `a` alone; a/n runs to the field's top; a
        range whose end lies before its start runs on over the top, its steps with it.
        """
        low = self.read_value(first, item)
        text = self.write_value(first, low)
        high = low if last is None else self.read_value(last, item)
        if step == 0 or (last is None and step is None):
            return [low], text
        if last is None:
            return range(low, self.high + 1, step or 1), f"{text}/{step}"
        text += f"-{self.write_value(last, high)}" + (f"/{step}" if step else "")
        if low <= high:
            return range(low, high + 1, step or 1), text
        if not self.wraps:
            raise self.refuse(item, "ends before it begins")
        size = self.high - self.low + 1
        steps = range(low, high + size + 1, step or 1)
        return [(value - self.low) % size + self.low for value in steps], text


TIME_ITEMS = "lists (1,5), ranges (1-5) and steps (*/5)"
SECOND = FieldKind("second", 0, 59, 59, f"it takes 0 to 59, *, {TIME_ITEMS}")
MINUTE = FieldKind("minute", 0, 59, 59, f"it takes 0 to 59, *, {TIME_ITEMS}")
HOUR = FieldKind("hour", 0, 23, 23, f"it takes 0 to 23, *, {TIME_ITEMS}")
DAY_OF_MONTH = FieldKind(
    "day-of-month",
    1,
    31,
    31,
    f"it takes 1 to 31, *, ?, {TIME_ITEMS}, or one of L, L-3, LW, L-3W and 15W alone",
)
MONTH = FieldKind(
    "month",
    1,
    12,
    12,
    f"it takes 1 to 12 or JAN to DEC, *, {TIME_ITEMS}",
    {name: number for number, name in enumerate(MONTHS, 1)},
)
DAY_OF_WEEK = FieldKind(
    "day-of-week",
    1,
    7,
    7,
    f"it takes 1 (SUN) to 7 (SAT) or SUN to SAT, *, ?, {TIME_ITEMS},"
    " or one of L, FRIL and FRI#2 alone",
    {
        short: number
        for number, name in enumerate(WEEKDAYS, 1)
        for short in (name, name[:2])  # people write FR, too; Quartz itself refuses it
    },
)
YEAR = FieldKind(
    "year",
    FIRST_YEAR,
    LAST_YEAR,
    None,
    f"it takes {FIRST_YEAR} to {LAST_YEAR}, *, lists (2026,2028), ranges (2026-2030)"
    " and steps (2026/2)",
    wraps=False,
)
NAMES_WRITTEN = {MONTH.name: MONTHS, DAY_OF_WEEK.name: WEEKDAYS}


def show(item: str) -> str:
    """Return an item as it is shown in a message, cut to a bearable length."""
    return repr(item if len(item) <= MAX_SHOWN else item[: MAX_SHOWN - 1] + "…")


def parse(text: str) -> tuple[Fields, str]:
    """Return what the expression means, and its canonical text. Raise QuartzError."""
    texts = split(text)
    second, minute, hour, day_of_month, month, day_of_week = texts[:6]
    seconds, second = SECOND.read(_upper(SECOND, second))
    minutes, minute = MINUTE.read(_upper(MINUTE, minute))
    hours, hour = HOUR.read(_upper(HOUR, hour))
    months, month = MONTH.read(_upper(MONTH, month))
    day, day_of_month, day_of_week = _read_days(
        _upper(DAY_OF_MONTH, day_of_month), _upper(DAY_OF_WEEK, day_of_week), texts
    )
    years, year = YEAR.read(_upper(YEAR, texts[6])) if len(texts) == 7 else ((), "*")
    canonical = [second, minute, hour, day_of_month, month, day_of_week]
    if year != "*":
        canonical.append(year)
    fields = Fields(seconds, minutes, hours, months, None if year == "*" else years, day)
    return fields, " ".join(canonical)


def split(text: str) -> list[str]:
    """Return the six or seven fields, which blanks and tabs separate."""
    if len(text) > MAX_LENGTH:
        raise QuartzError(
            f"The expression has {len(text):,} characters; at most {MAX_LENGTH:,} are allowed."
        )
    stripped = text.strip(" \t\r\n")
    texts = BLANKS.split(stripped) if stripped else []
    if len(texts) not in (6, 7):
        raise QuartzError(_count_problem(texts))
    return texts


def _count_problem(texts: list[str]) -> str:
    fields = "second minute hour day-of-month month day-of-week [year]"
    if not texts:
        return f"The expression is empty; a Quartz expression has 6 or 7 fields: {fields}."
    number = f"{len(texts)} field" + ("s" if len(texts) > 1 else "")
    offer = ""
    if len(texts) == 5:
        from scheduler.quartz_offers import offer_for_crontab  # which parses what it offers

        offer = offer_for_crontab(texts)
    return f"The expression has {number}; a Quartz expression has 6 or 7: {fields}.{offer}"


def _upper(kind: FieldKind, text: str) -> str:
    """Return the field in capitals; those of other scripts may become ASCII by it, and are refused."""
    if not text.isascii():
        raise kind.refuse(text, "has characters that are not ASCII")
    return text.upper()


def _read_days(day_of_month: str, day_of_week: str, texts: list[str]) -> tuple[DayRule, str, str]:
    """Return the day rule and the canonical texts of both fields.

    Quartz rule: exactly one of the two is `?`.
    """
    if (day_of_month == "?") == (day_of_week == "?"):
        from scheduler.quartz_offers import offer_one_day  # which parses what it offers

        raise QuartzError(
            f"day-of-week: {show(day_of_week)} and the day-of-month {show(day_of_month)} do not go"
            f" together; exactly one of the two has to be '?'.{offer_one_day(texts)}",
            DAY_OF_WEEK.name,
        )
    if day_of_week == "?":
        day, text = _read_day_of_month(day_of_month)
        return day, text, "?"
    day, text = _read_day_of_week(day_of_week)
    return day, "?", text


def _read_day_of_month(text: str) -> tuple[DayRule, str]:
    kind = DAY_OF_MONTH
    if match := LAST_DAY.fullmatch(text):
        offset = int(match[1] or 0)
        if offset >= LONGEST_MONTH:
            raise kind.refuse(text, f"goes back more than {LONGEST_MONTH - 1} days")
        written = f"L-{offset}" if offset else "L"
        if match[2]:
            return LastWorkday(offset), f"{written}W"
        return LastDay(offset), written
    if match := NEAREST_WORKDAY.fullmatch(text):
        day = kind.read_value(match[1], text)
        return NearestWorkday(day), f"{day}W"
    values, written = kind.read(text)
    if len(values) == len(kind.everything):
        return AnyDay(), written
    return DaysOfMonth(values), written


def _read_day_of_week(text: str) -> tuple[DayRule, str]:
    kind = DAY_OF_WEEK
    if text == "L":  # Quartz rule: alone it is 7, each Saturday
        return DaysOfWeek((SATURDAY,)), "SAT"
    if match := LAST_WEEKDAY.fullmatch(text):
        weekday = kind.read_value(match[1], text)
        return LastWeekday(weekday), f"{kind.write_value(match[1], weekday)}L"
    if match := NTH_WEEKDAY.fullmatch(text):
        weekday, n = kind.read_value(match[1], text), int(match[2])
        if not 1 <= n <= 5:
            raise kind.refuse(text, "has no number from 1 to 5 after the #")
        return NthWeekday(weekday, n), f"{kind.write_value(match[1], weekday)}#{n}"
    values, written = kind.read(text)
    if len(values) == len(kind.everything):
        return AnyDay(), written
    return DaysOfWeek(values), written
