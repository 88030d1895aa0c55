"""How fire times, plans and states of schedules are shown."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from processes.admin.wording import coloured, show_status
from processes.models import Run
from scheduler.models import Fire, Schedule
from scheduler.quartz import QuartzError, QuartzExpression
from scheduler.states import State

WITH_WEEKDAY = "D Y-m-d H:i:s T"
STATE_COLOURS = {
    State.ARMED: "success",
    State.ARMING: "success",
    State.PAUSED: "warning",
    State.NEVER_FIRES: "danger",
    State.BROKEN: "danger",
}
OUTCOMES = {
    Fire.Outcome.RAN: _("ran"),
    Fire.Outcome.MISSED: _("missed"),
    Fire.Outcome.SKIPPED_OVERLAP: _("skipped: overlap"),
    Fire.Outcome.SKIPPED_PAUSED: _("skipped: paused"),
    Fire.Outcome.SKIPPED_DISABLED: _("skipped: disabled"),
    Fire.Outcome.SKIPPED_ASKED: _("skipped: asked for"),
}
FORESEEN = {
    Fire.Outcome.SKIPPED_PAUSED: _("paused"),
    Fire.Outcome.SKIPPED_DISABLED: _("disabled"),
    Fire.Outcome.SKIPPED_ASKED: _("skipped"),
}
OUTCOME_COLOURS = {Fire.Outcome.RAN: "success", Fire.Outcome.MISSED: "danger"}


def zone_of(schedule: Schedule) -> ZoneInfo:
    """Return the zone that a schedule's times are shown in: its own, unless it names none."""
    try:
        return QuartzExpression("0 0 0 * * ?", schedule.time_zone).zone
    except QuartzError:
        return ZoneInfo(settings.TIME_ZONE)


def show_moment(moment: datetime, zone: ZoneInfo, form: str = WITH_WEEKDAY) -> str:
    """Return a moment in a zone, with its weekday and the zone's abbreviation or offset."""
    return date_format(moment.astimezone(zone), form)


def describe_plan(expression: QuartzExpression) -> str:
    """Return a plan in words, in the reader's language."""
    return expression.describe((get_language() or "en")[:2])


def describe_schedule(schedule: Schedule) -> str:
    """Return the plan of a schedule in words; empty when it cannot be read."""
    try:
        return describe_plan(QuartzExpression(schedule.quartz, schedule.time_zone))
    except QuartzError:
        return ""


def show_state(state: str) -> SafeString:
    """Return a state as a coloured label."""
    return coloured(str(State(state).label), STATE_COLOURS.get(State(state), "default"))


def show_outcome(outcome: str) -> SafeString:
    """Return what became of a fire time as a coloured label."""
    colour = OUTCOME_COLOURS.get(Fire.Outcome(outcome), "warning")
    return coloured(name_outcome(Fire.Outcome(outcome)), colour)


def may_view_runs(request: HttpRequest) -> bool:
    """Tell whether the reader may open the page of a run."""
    verbs = ("view", "change")
    return any(request.user.has_perm(f"processes.{verb}_run") for verb in verbs)


def show_run(run: Run, *, is_linked: bool) -> SafeString:
    """Return a run's status; it leads to the run for those who may see it."""
    page = reverse("admin:processes_run_change", args=[run.pk]) if is_linked else ""
    return show_status(run.status, href=page)


def name_outcome(outcome: Fire.Outcome) -> str:
    """Return an outcome as short as a label takes; the long name of one that has no short one."""
    return str(OUTCOMES.get(outcome, outcome.label))


def show_foreseen(outcome: Fire.Outcome) -> SafeString | str:
    """Return why a fire time to come will make no run; empty when it will."""
    return coloured(str(FORESEEN[outcome]), "warning") if outcome in FORESEEN else ""


def explain_state(schedule: Schedule, state: str) -> str:
    """Return what a person has to know beside the state; empty when it says everything."""
    if state == State.BROKEN:
        return schedule.error
    if state != State.PAUSED:
        return ""
    until = ""
    if schedule.paused_until:
        until = gettext("until %(time)s") % {
            "time": show_moment(schedule.paused_until, zone_of(schedule))
        }
    return " · ".join(part for part in (until, schedule.pause_reason) if part)


def show_countdown(moment: datetime, now: datetime) -> SafeString:
    """Return how long it is until `moment`; a script goes on counting by the server's clock."""
    return render_to_string(
        "admin/scheduler/schedule/countdown.html",
        {"moment": moment, "now": now, "text": show_distance(moment - now)},
    )


def show_distance(distance: timedelta) -> str:
    """Return a time to come as short as can be, "in 3 h 05 min"; what has passed is due."""
    seconds = int(distance.total_seconds())
    if seconds < 0:
        return gettext("due")
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = {"days": days, "hours": hours, "minutes": minutes, "seconds": seconds}
    if days:
        return gettext("in %(days)d d %(hours)d h") % parts
    if hours:
        return gettext("in %(hours)d h %(minutes)02d min") % parts
    if minutes:
        return gettext("in %(minutes)d min %(seconds)02d s") % parts
    return gettext("in %(seconds)d s") % parts
