"""The input of a time zone, in the admin's look; it works without a script."""

import zoneinfo
from functools import cache
from typing import Any

from processes.admin.widgets import CodeInput

ZONE_LIST = "time-zones"


class ZoneInput(CodeInput):
    """A text whose letters narrow the page's list of zones."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"list": ZONE_LIST, "class": ""} | (attrs or {}))


@cache
def zone_names() -> list[str]:
    """Return the names of all time zones, as an admin may choose them."""
    return sorted(zoneinfo.available_timezones())
