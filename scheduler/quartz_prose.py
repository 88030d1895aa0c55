"""Quartz expressions in words, for pages.

cron-descriptor finds the words. It reads another dialect than Quartz and drops what it does not
know, so it is never handed an expression as somebody wrote it, but one spelled from its meaning.
"""

# ruff: noqa: RUF001 - Turkish has a letter that looks like another

import re
from collections.abc import Sequence
from functools import lru_cache

from cron_descriptor import Options, get_description

from scheduler.quartz import QuartzExpression
from scheduler.quartz_days import (
    AnyDay,
    DaysOfMonth,
    DaysOfWeek,
    LastDay,
    LastWeekday,
    LastWorkday,
    NearestWorkday,
    NthWeekday,
)
from scheduler.quartz_fields import DAY_OF_MONTH, HOUR, MINUTE, MONTHS, SECOND, WEEKDAYS

ENGLISH, TURKISH = "en_US", "tr_TR"
MAX_LISTED = 12  # values one after the other; more are no sentence
SHORTEST_RANGE = 3
# It leaves the names in English when the process runs in the locale C.
TURKISH_NAMES = {
    "Sunday": "Pazar",
    "Monday": "Pazartesi",
    "Tuesday": "Salı",
    "Wednesday": "Çarşamba",
    "Thursday": "Perşembe",
    "Friday": "Cuma",
    "Saturday": "Cumartesi",
    "January": "Ocak",
    "February": "Şubat",
    "March": "Mart",
    "April": "Nisan",
    "May": "Mayıs",
    "June": "Haziran",
    "July": "Temmuz",
    "August": "Ağustos",
    "September": "Eylül",
    "October": "Ekim",
    "November": "Kasım",
    "December": "Aralık",
}
ENGLISH_NAME = re.compile(rf"\b({'|'.join(TURKISH_NAMES)})\b")


class Unspeakable(Exception):
    """cron-descriptor has no right words for the plan."""


@lru_cache(maxsize=1024)
def describe(plan: QuartzExpression, locale: str) -> str:
    """Return the plan in words, or its canonical text when there are no right words for it.

    `locale` is a language code of Django, such as "tr"; every other than Turkish is answered in
    English.
    """
    language = TURKISH if locale.lower().startswith("tr") else ENGLISH
    try:
        words: str = get_description(_respell(plan, language), _options(language))
    except Unspeakable:
        return plan.canonical
    if language == TURKISH:
        return ENGLISH_NAME.sub(lambda match: TURKISH_NAMES[match[1]], words)
    return words.replace(" 1 days before", " 1 day before")


def _options(language: str) -> Options:
    options = Options()
    options.locale_code = language
    options.day_of_week_start_index_zero = False
    options.use_24hour_time_format = True
    return options


def _respell(plan: QuartzExpression, language: str) -> str:
    """Return an expression that means the same, in the spelling that is put into words rightly."""
    fields = plan.fields
    second = _spell(fields.seconds, SECOND.everything)
    minute = _spell(fields.minutes, MINUTE.everything)
    hour = _spell(fields.hours, HOUR.everything)
    if "-" in hour and (second, minute) == ("0", "0"):
        hour = _list(fields.hours)  # of "0 0 8-18" it says that it fires all the time between
    months = "*" if len(fields.months) == len(MONTHS) else _list_or_range(fields.months)
    day_of_month, day_of_week = _spell_days(plan, language)
    years = _list_or_range(fields.years) if fields.years else ""
    return " ".join((second, minute, hour, day_of_month, months, day_of_week, years)).strip()


def _spell(values: Sequence[int], everything: range) -> str:
    """Return a text for the values: everything, even steps, a range, steps in a range, a list."""
    if len(values) == len(everything):
        return "*"
    step = values[1] - values[0] if len(values) > 1 else 0
    if step > 1 and tuple(values) == tuple(everything[::step]) and len(everything) % step == 0:
        return f"*/{step}"
    if step > 1 and len(values) > MAX_LISTED and _is_regular(values, step):
        return f"{values[0]}-{values[-1]}/{step}"
    return _list_or_range(values)


def _is_regular(values: Sequence[int], step: int) -> bool:
    return list(values) == list(range(values[0], values[-1] + 1, step))


def _list_or_range(values: Sequence[int]) -> str:
    if len(values) >= SHORTEST_RANGE and values[-1] - values[0] == len(values) - 1:
        return f"{values[0]}-{values[-1]}"
    if len(values) > MAX_LISTED:
        raise Unspeakable
    return _list(values)


def _list(values: Sequence[int]) -> str:
    return ",".join(map(str, values))


def _spell_days(plan: QuartzExpression, language: str) -> tuple[str, str]:
    """Return the two day fields."""
    match plan.fields.day:
        case AnyDay():
            return "*", "?"
        case DaysOfMonth(days):
            return _spell(days, DAY_OF_MONTH.everything), "?"
        case DaysOfWeek(days):
            return "?", _spell_weekdays(days)
        case LastDay(0):
            return "L", "?"
        case LastDay(offset) if language == ENGLISH:  # in Turkish it drops the offset
            return f"L-{offset}", "?"
        case LastWorkday(0):
            return "LW", "?"
        case NearestWorkday(day) if language == ENGLISH:  # in Turkish "the first after that day"
            return f"{day}W", "?"
        case NthWeekday(weekday, n):
            return "?", f"{WEEKDAYS[weekday - 1]}#{n}"
        case LastWeekday(weekday):
            return "?", f"{WEEKDAYS[weekday - 1]}L"
        case _:
            raise Unspeakable


def _spell_weekdays(days: Sequence[int]) -> str:
    """Return a range, over the end of the week, too, or a list of names."""
    for first in days:
        run = [(first + further - 1) % 7 + 1 for further in range(len(days))]
        if len(days) >= SHORTEST_RANGE and set(run) == set(days):
            return f"{WEEKDAYS[run[0] - 1]}-{WEEKDAYS[run[-1] - 1]}"
    return ",".join(WEEKDAYS[day - 1] for day in days)
