"""When a start call makes its runs: once now, once later, or by a plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from connector.exceptions import InvalidRequest
from connector.fields import shorten
from connector.local_times import to_instant
from scheduler.clock import database_now
from scheduler.fire_times import FireTimes
from scheduler.forecast import SHOWN, forecast
from scheduler.quartz import QuartzError
from scheduler.quartz_repairs import find_repairs

PLAN_FIELDS = ("quartzDef", "startDate", "endDate")


@dataclass(frozen=True)
class OneRun:
    """A single run, at `ready_at` or now."""

    zone: ZoneInfo
    ready_at: datetime | None = None

    def describe(self) -> str:
        """Return what happens, in a sentence."""
        if self.ready_at is None:
            return "One run now."
        return f"One run at {_show(self.ready_at, self.zone)} ({self.zone})."

    def fire_times(self) -> list[datetime]:
        """Return the one instant, in the zone of the call."""
        moment = self.ready_at or timezone.now().replace(microsecond=0)
        return [moment.astimezone(self.zone)]


@dataclass(frozen=True)
class Plan:
    """Runs by a Quartz expression, between two instants that are included.

    `now` is the moment of the call by the database's clock; fire times up to it do not exist.
    """

    quartz: str
    times: FireTimes
    start: datetime | None
    end: datetime | None
    run_once: bool
    run_immediately: bool
    now: datetime

    @property
    def zone(self) -> ZoneInfo:
        """Return the zone whose wall clock the expression follows."""
        return self.times.expression.zone

    def describe(self) -> str:
        """Return what happens, in a sentence; the fire times follow the wall clock of the zone."""
        runs = "one run at the first" if self.run_once else "a run at every"
        if self.run_immediately:
            runs = f"one run now, and {runs}"
        sentence = f"{runs} fire time of {self._words()} in the time zone {self.zone}{self._span()}"
        return f"{sentence[0].upper()}{sentence[1:]}."

    def fire_times(self) -> list[datetime]:
        """Return the next fire times, in the plan's zone; one that runs once has one at most."""
        count = 1 if self.run_once else SHOWN
        return [shown.local for shown in forecast(self.times, after=self.now, count=count)]

    def warn(self) -> list[str]:
        """Return what was repaired in the plan, and what its author may not expect of it."""
        warnings = [
            f"'quartzDef': {shorten(item)} was read as {shorten(read)}."
            for item, read in find_repairs(self.quartz).items()
        ]
        if self.start and self.start <= self.now:
            warnings.append("'startDate' is in the past: fire times up to now do not count.")
        if self.times.next_after(int(self.now.timestamp())) is None:
            warnings.append(
                "The plan of 'quartzDef' never fires: none of its fire times"
                f"{self._span()} is still to come."
            )
        return warnings

    def _words(self) -> str:
        expression = self.times.expression
        words = expression.describe()
        if words == expression.canonical:
            return words
        return f"{expression.canonical} ({words[0].lower()}{words[1:]})"

    def _span(self) -> str:
        start = f" from {_show(self.start, self.zone)}" if self.start else ""
        end = f" until {_show(self.end, self.zone)}" if self.end else ""
        return start + end


def read_timing(fields: Mapping[str, Any], warnings: list[str]) -> OneRun | Plan:
    """Return what the plan fields and flags of a start call ask for, and add to its `warnings`.

    `fields` are those of StartSerializer. A wrong plan is refused, as InvalidRequest, even where
    the flags say that none is made.
    """
    zone = fields.get("timezone") or ZoneInfo(settings.TIME_ZONE)
    if "quartzDef" not in fields:
        return _read_one_run(fields, zone, warnings)
    plan = _read_plan(fields, zone)
    if plan.run_immediately and plan.run_once:
        warnings.extend(
            f"{field!r} was ignored: with 'runImmediately' and 'runOnce' there is one run, now."
            for field in PLAN_FIELDS
            if field in fields
        )
        return OneRun(zone)
    warnings.extend(plan.warn())
    return plan


def _read_one_run(fields: Mapping[str, Any], zone: ZoneInfo, warnings: list[str]) -> OneRun:
    if "endDate" in fields:
        warnings.append("'endDate' was ignored: it ends a plan, and there is no 'quartzDef'.")
    if "startDate" not in fields:
        return OneRun(zone)
    start = to_instant(fields["startDate"], zone)
    if start <= timezone.now():
        warnings.append("'startDate' is in the past: the process runs now.")
        return OneRun(zone)
    if fields.get("runImmediately", False):
        warnings.append("'startDate' was ignored: with 'runImmediately' the process runs now.")
        return OneRun(zone)
    return OneRun(zone, start)


def _read_plan(fields: Mapping[str, Any], zone: ZoneInfo) -> Plan:
    """Return the plan, as if one is to be made. Raise InvalidRequest with every fault."""
    start = to_instant(fields["startDate"], zone) if "startDate" in fields else None
    end = to_instant(fields["endDate"], zone, latest=True) if "endDate" in fields else None
    errors = {}
    try:
        times = FireTimes.of(fields["quartzDef"], zone.key, start, end)
    except QuartzError as error:
        errors["quartzDef"] = [f"quartzDef: {error}"]
    if start and end and end <= start:
        errors["endDate"] = ["endDate has to be later than startDate."]
    if errors:
        raise InvalidRequest.of(errors)
    return Plan(
        quartz=fields["quartzDef"],
        times=times,
        start=start,
        end=end,
        run_once=fields.get("runOnce", False),
        run_immediately=fields.get("runImmediately", False),
        now=database_now(),
    )


def _show(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"
