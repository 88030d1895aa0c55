"""What somebody probably meant who wrote an expression that Quartz refuses for its days or length."""

import re

from scheduler.quartz_days import SATURDAY
from scheduler.quartz_fields import WEEKDAYS, QuartzError, parse

MAX_OFFERED = 100  # characters; whoever wrote more does not expect to be corrected
ANY_DAY = ("*", "?")
CRONTAB_DAYS = re.compile(r"(?:\*|([0-7]|[A-Z]{3})(?:-([0-7]|[A-Z]{3}))?)(?:/([1-7]))?")


def offer_for_crontab(texts: list[str]) -> str:
    """Return a sentence with the Quartz form of a five-field crontab line, empty if it has none."""
    minute, hour, day_of_month, month, day_of_week = (text.upper() for text in texts)
    try:
        if day_of_week not in ANY_DAY:
            day_of_week = ",".join(_translate_days(item) for item in day_of_week.split(","))
    except ValueError:
        return ""
    return offer_one_day(["0", minute, hour, day_of_month, month, day_of_week])


def offer_one_day(texts: list[str]) -> str:
    """Return a sentence with the expression that leaves one of the two day fields open.

    It is empty if both name days: Quartz cannot say that.
    """
    *time, day_of_month, month, day_of_week = texts[:6]
    if day_of_week in ANY_DAY:
        days = ["*" if day_of_month == "?" else day_of_month, month, "?"]
    elif day_of_month in ANY_DAY:
        days = ["?", month, day_of_week]
    else:
        return ""
    offer = " ".join([*time, *days, *texts[6:]])
    return f" Did you mean {offer!r}?" if len(offer) <= MAX_OFFERED and _is_sound(offer) else ""


def _is_sound(text: str) -> bool:
    try:
        parse(text)
    except QuartzError:
        return False
    return True


def _translate_days(item: str) -> str:
    """Return an item of a crontab's day-of-week, where 0 and 7 are Sunday, in Quartz's names."""
    match = CRONTAB_DAYS.fullmatch(item)
    if not match:
        raise ValueError(item)
    first = _crontab_day(match[1] or "0")
    last = _crontab_day(match[2]) if match[2] else first if match[1] else SATURDAY - 1
    if match[3]:
        last = SATURDAY - 1 if match[1] and not match[2] else last
        return ",".join(WEEKDAYS[day % 7] for day in range(first, last + 1, int(match[3])))
    if not match[1]:
        return "*"
    return "-".join(WEEKDAYS[day % 7] for day in ((first, last) if match[2] else (first,)))


def _crontab_day(text: str) -> int:
    return int(text) if text.isdecimal() else WEEKDAYS.index(text)
