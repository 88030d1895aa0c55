"""The fire times before and after an edit, side by side."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from scheduler.admin.wording import describe_plan
from scheduler.clock import database_now
from scheduler.drafts import ScheduleDraft
from scheduler.exceptions import InvalidPlan
from scheduler.fire_times import FireTimes
from scheduler.forecast import SHOWN, Forecast, forecast
from scheduler.models import Schedule


@dataclass(frozen=True)
class Row:
    """A fire time of one side; `is_alone` when the other side does not name it."""

    fire_time: Forecast
    is_alone: bool


@dataclass(frozen=True)
class Side:
    """A plan before or after the edit. Without rows it fires never, or not while disabled."""

    draft: ScheduleDraft
    words: str
    rows: list[Row]
    error: str = ""


@dataclass(frozen=True)
class Comparison:
    """What an edit makes of the fire times to come."""

    before: Side
    after: Side

    @classmethod
    def of(cls, schedule: Schedule, changes: Mapping[str, Any]) -> "Comparison | None":
        """Return both sides; None when the edit leaves the fire times alone."""
        stored = ScheduleDraft.of(schedule)
        wanted = replace(stored, **changes)
        if wanted.fires_as(stored):
            return None
        now = database_now()
        return cls(_describe(stored, wanted, now), _describe(wanted, stored, now))


def _describe(draft: ScheduleDraft, other: ScheduleDraft, now: datetime) -> Side:
    try:
        fire_times = draft.fire_times()
    except InvalidPlan as error:
        return Side(draft, "", [], str(error))
    rows = [Row(each, is_alone=not _names(other, each)) for each in _list(draft, fire_times, now)]
    return Side(draft, describe_plan(fire_times.expression), rows)


def _list(draft: ScheduleDraft, fire_times: FireTimes, now: datetime) -> list[Forecast]:
    if not draft.enabled:
        return []
    return forecast(fire_times, after=now, count=1 if draft.run_once else SHOWN)


def _names(draft: ScheduleDraft, fire_time: Forecast) -> bool:
    """Tell whether a plan names a fire time, however far ahead it is."""
    if not draft.enabled:
        return False
    seconds = int(fire_time.utc.timestamp())
    try:
        return draft.fire_times().next_after(seconds - 1) == seconds
    except InvalidPlan:
        return False
