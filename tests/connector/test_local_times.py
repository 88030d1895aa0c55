"""Dates and times without an offset, where the clocks are changed."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from connector.local_times import to_instant

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("local", "zone", "first", "latest"),
    [
        ("2026-07-01 12:00:00", "Europe/Berlin", "2026-07-01 10:00:00", "2026-07-01 10:00:00"),
        ("2026-10-25 01:59:59", "Europe/Berlin", "2026-10-24 23:59:59", "2026-10-24 23:59:59"),
        ("2026-10-25 02:30:00", "Europe/Berlin", "2026-10-25 00:30:00", "2026-10-25 01:30:00"),
        ("2026-10-25 03:00:00", "Europe/Berlin", "2026-10-25 02:00:00", "2026-10-25 02:00:00"),
        ("2026-03-29 01:59:59", "Europe/Berlin", "2026-03-29 00:59:59", "2026-03-29 00:59:59"),
        ("2026-03-29 02:00:00", "Europe/Berlin", "2026-03-29 01:00:00", "2026-03-29 01:00:00"),
        ("2026-03-29 02:30:00", "Europe/Berlin", "2026-03-29 01:00:00", "2026-03-29 01:00:00"),
        ("2026-03-29 03:00:00", "Europe/Berlin", "2026-03-29 01:00:00", "2026-03-29 01:00:00"),
        ("2026-10-04 02:10:00", "Australia/Lord_Howe", "2026-10-03 15:30:00", None),
        ("2011-12-30 12:00:00", "Pacific/Apia", "2011-12-30 10:00:00", None),
        ("2150-03-29 02:30:00", "Europe/Berlin", "2150-03-29 01:00:00", None),
    ],
    ids=[
        "ordinary",
        "before the clocks go back",
        "comes twice",
        "after the clocks went back",
        "before the clocks go forward",
        "first of those skipped",
        "skipped",
        "first after those skipped",
        "skipped by half an hour",
        "skipped by a day",
        "skipped in a distant year",
    ],
)
def test_local_time_is_an_instant(local: str, zone: str, first: str, latest: str | None) -> None:
    moment = datetime.fromisoformat(local)

    assert to_instant(moment, ZoneInfo(zone)) == _utc(first)
    assert to_instant(moment, ZoneInfo(zone), latest=True) == _utc(latest or first)


def test_offset_wins_over_the_zone() -> None:
    moment = datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=5)))

    instant = to_instant(moment, BERLIN)

    assert instant == _utc("2026-10-24 21:30:00")
    assert instant.tzinfo is UTC


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
