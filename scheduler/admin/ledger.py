"""The ledger of one schedule: what became of every fire time, and what will become of the next."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from processes.admin.export import answer_csv
from processes.admin.wording import show_duration
from scheduler.admin.exports import FireExport
from scheduler.admin.wording import (
    explain_state,
    may_view_runs,
    name_outcome,
    show_countdown,
    show_foreseen,
    show_moment,
    show_outcome,
    show_run,
    show_state,
    zone_of,
)
from scheduler.clock import database_now
from scheduler.models import Fire, Schedule
from scheduler.outlook import look_ahead
from scheduler.quartz import QuartzError
from scheduler.quartz_fields import FIRST_YEAR, LAST_YEAR

SHOWN_DAYS = 30
PER_PAGE = 50
PUNCTUAL = timedelta(seconds=1)


@dataclass(frozen=True)
class Wanted:
    """What the reader asks for: rows of one outcome, of one day, before a fire time."""

    outcome: str = ""
    day: date | None = None
    before: datetime | None = None

    @classmethod
    def of(cls, query: Any) -> "Wanted":
        """Read an address; what cannot be read is as if it were not there."""
        outcome = query.get("outcome", "")
        return cls(
            outcome if outcome in Fire.Outcome else "",
            _read(_read_day, query.get("day", "")),
            _read(_read_instant, query.get("before", "")),
        )

    def address(self, **changes: str) -> str:
        """Return the query of a link that keeps the filters."""
        kept = {"outcome": self.outcome, "day": self.day.isoformat() if self.day else ""} | changes
        return "?" + urlencode({name: value for name, value in kept.items() if value})


@dataclass(frozen=True)
class LedgerRow:
    """A row of the ledger as it is shown."""

    first: str
    last: str
    count: int
    outcome: SafeString
    reason: str
    lateness: str
    run: SafeString | str
    is_stretch: bool


class LedgerPage:
    """The page that answers why a schedule did not run at some time."""

    def ledger_view(self: Any, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Show the ledger to whoever may view the schedule."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        schedule = self.get_object(request, object_id)
        if schedule is None:
            raise Http404
        wanted = Wanted.of(request.GET)
        zone, now = zone_of(schedule), database_now()
        found = find_rows(schedule, wanted, zone, now)
        if "csv" in request.GET:
            return answer_csv(FireExport(), found, name="ledger")
        rows = list(found[: PER_PAGE + 1])
        shown, has_older = rows[:PER_PAGE], len(rows) > PER_PAGE
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": schedule,
            "title": _("Ledger"),
            "zone": zone.key,
            "wanted": wanted,
            "outcomes": [(each.value, name_outcome(each)) for each in Fire.Outcome],
            "rows": [_show_row(fire, zone, is_linked=may_view_runs(request)) for fire in shown],
            "older": wanted.address(before=shown[-1].fire_time.isoformat()) if has_older else "",
            "newest": wanted.address() if wanted.before else "",
            "days": SHOWN_DAYS,
            "nothing": "" if rows else _explain_nothing(schedule, wanted, zone),
            "upcoming": _show_upcoming(schedule, zone, now),
            "state": show_state(schedule.state),
            "explanation": explain_state(schedule, schedule.state),
            "page": reverse("admin:scheduler_schedule_change", args=[schedule.pk]),
        }
        return TemplateResponse(request, "admin/scheduler/schedule/ledger.html", context)


def find_rows(schedule: Schedule, wanted: Wanted, zone: ZoneInfo, now: datetime) -> QuerySet[Fire]:
    """Return the rows, newest first; the index `fire_once` finds a page without counting.

    A stretch belongs to every day it touches.
    """
    fires = Fire.objects.filter(schedule=schedule).newest_first().select_related("run")
    if wanted.outcome:
        fires = fires.filter(outcome=wanted.outcome)
    if wanted.before:
        fires = fires.filter(fire_time__lt=wanted.before)
    if wanted.day:
        start, end = _bounds(wanted.day, zone)
        fires = fires.filter(fire_time__lt=end)
    else:
        start = now - timedelta(days=SHOWN_DAYS)
    ended = Coalesce("last_fire_time", "fire_time")
    return (
        fires.filter(Q(fire_time__gte=start) | Q(count__gt=1))
        .alias(ended=ended)
        .filter(ended__gte=start)
    )


def _bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return when a day begins and when the next one does, on the zone's clock."""
    following = day + timedelta(days=1)
    return (
        datetime.combine(day, time(), zone).astimezone(UTC),
        datetime.combine(following, time(), zone).astimezone(UTC),
    )


def _read(reader: Any, text: str) -> Any:
    try:
        return reader(text)
    except (ValueError, OverflowError):
        return None


def _read_day(text: str) -> date:
    day = date.fromisoformat(text)
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError("A day that no plan names.")
    return day


def _read_instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("A moment without an offset.")
    return moment.astimezone(UTC)


def _show_row(fire: Fire, zone: ZoneInfo, *, is_linked: bool) -> LedgerRow:
    run: SafeString | str = ""
    if fire.run is not None:
        run = show_run(fire.run, is_linked=is_linked)
    elif fire.outcome == Fire.Outcome.RAN:
        run = _("removed")
    newest = fire.last_fire_time or fire.fire_time
    lateness = fire.recorded_at - newest
    return LedgerRow(
        first=show_moment(fire.fire_time, zone),
        last=show_moment(newest, zone),
        count=fire.count,
        outcome=show_outcome(fire.outcome),
        reason=fire.reason,
        lateness=show_duration(lateness) if lateness > PUNCTUAL else "",
        run=run,
        is_stretch=fire.count > 1,
    )


def _show_upcoming(schedule: Schedule, zone: ZoneInfo, now: datetime) -> list[dict[str, Any]]:
    try:
        upcoming = look_ahead(schedule, now=now)
    except QuartzError:
        return []
    return [
        {
            "time": show_moment(each.fire_time.utc, zone),
            "utc": each.fire_time.utc,
            "utc_text": show_moment(each.fire_time.utc, ZoneInfo("UTC")),
            "after_clock_change": each.fire_time.after_clock_change,
            "countdown": show_countdown(each.fire_time.utc, now),
            "mark": show_foreseen(each.outcome),
        }
        for each in upcoming
    ]


def _explain_nothing(schedule: Schedule, wanted: Wanted, zone: ZoneInfo) -> str:
    """Return why there is no row."""
    if wanted.day is None or wanted.outcome or wanted.before:
        return _("Nothing was recorded.")
    start, end = _bounds(wanted.day, zone)
    if end <= schedule.created_at:
        return _("The schedule was made later, at %(time)s.") % {
            "time": show_moment(schedule.created_at, zone)
        }
    if start > database_now():
        return _("This day is still to come.")
    try:
        count = schedule.fire_times().count_between(
            int(start.timestamp()) - 1, int(end.timestamp()) - 1
        )
    except QuartzError:
        return _("Nothing was recorded; the plan of today cannot be read.")
    if not count:
        return _("The plan, as it is now, names no fire time on this day.")
    text = ngettext(
        "Nothing was recorded. The plan, as it is now, names %(number)d fire time on this day: the"
        " schedule was disabled then, not made yet or planned otherwise (see its history), or the"
        " row is older than %(days)d days and was removed.",
        "Nothing was recorded. The plan, as it is now, names %(number)d fire times on this day: the"
        " schedule was disabled then, not made yet or planned otherwise (see its history), or the"
        " rows are older than %(days)d days and were removed.",
        count,
    )
    return text % {"number": count, "days": settings.FIRE_RETENTION_DAYS}
