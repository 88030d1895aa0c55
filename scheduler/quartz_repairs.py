"""What an expression is understood by although Quartz itself refuses it."""

import re

from scheduler.quartz_fields import WEEKDAYS, split

SHORT_DAYS = {day[:2]: day for day in WEEKDAYS}
# Not the beginning of a day's name, but the L of FRL is no part of it.
SHORT_DAY = re.compile(rf"(?<![A-Z])({'|'.join(SHORT_DAYS)})(?![A-KM-Z])")


def find_repairs(text: str) -> dict[str, str]:
    """Return the items with a two-letter day, as given, and what each was read as.

    `text` is an expression that has been read without an error.
    """
    items = split(text)[5].split(",")
    read = {item: _spell_out(item.upper()) for item in items}
    return {item: spelled for item, spelled in read.items() if spelled != item.upper()}


def _spell_out(item: str) -> str:
    return SHORT_DAY.sub(lambda match: SHORT_DAYS[match[0]], item)
