"""What can be done to schedules: what it is called, what it will do, and how it is done."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import UnfoldAdminTextInputWidget

from scheduler import switching
from scheduler.admin.forms import WallTimeField, to_instant
from scheduler.admin.wording import show_moment, zone_of
from scheduler.clock import database_now
from scheduler.fire_times import to_datetime
from scheduler.models import Schedule
from scheduler.quartz import QuartzError


@dataclass(frozen=True)
class Order:
    """Who wants something done, and what they said about it."""

    requested_by: str
    reason: str = ""
    until: datetime | None = None


class PauseForm(forms.Form):
    """Why a pause is made, and when it ends by itself."""

    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=switching.MAX_REASON,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("The ledger shows it beside every fire time that is skipped."),
    )
    until = WallTimeField(label=_("Until"), required=False)

    def __init__(self, data: Any = None, *, zone: ZoneInfo) -> None:
        super().__init__(data)
        self.zone = zone
        self.fields["until"].help_text = _("In %(zone)s. Empty: until somebody resumes it.") % {
            "zone": zone.key
        }

    def clean_until(self) -> datetime | None:
        """Return the instant, which has to lie ahead."""
        wall_time: datetime | None = self.cleaned_data["until"]
        if wall_time is None:
            return None
        until = to_instant(wall_time, self.zone, last=True)
        if until <= database_now():
            raise ValidationError(_now("This time has passed."))
        return until


@dataclass(frozen=True)
class Switch:
    """One thing that can be done to schedules.

    `apply` does it and returns what the history says of it; `tell` says of how many it was done;
    `foresee` adds to a schedule's name what will become of it.
    """

    title: Any
    consequence: Any
    button: Any
    apply: Callable[[UUID, Order], str]
    tell: Callable[[int], str]
    foresee: Callable[[Schedule], str] = lambda schedule: ""
    form: type[PauseForm] | None = None


def shared_zone(schedules: list[Schedule]) -> ZoneInfo:
    """Return the zone of all schedules, the site's when they have several."""
    zones = {zone_of(schedule) for schedule in schedules}
    return zones.pop() if len(zones) == 1 else ZoneInfo(settings.TIME_ZONE)


def _pause(pk: UUID, order: Order) -> str:
    switching.pause_schedule(pk, reason=order.reason, until=order.until)
    if order.until:
        return _now("Paused until %(until)s. %(reason)s") % {
            "until": order.until.isoformat(),
            "reason": order.reason,
        }
    return _now("Paused. %(reason)s") % {"reason": order.reason}


def _resume(pk: UUID, order: Order) -> str:
    switching.resume_schedule(pk)
    return _now("Resumed.")


def _run(pk: UUID, order: Order) -> str:
    run = switching.run_now(pk, requested_by=order.requested_by)
    return _now("Run by hand: %(run)s.") % {"run": run.pk}


def _skip(pk: UUID, order: Order) -> str:
    skipped = switching.skip_next(pk, requested_by=order.requested_by)
    return _now("Told to skip %(time)s.") % {"time": skipped.isoformat()}


def _enable(pk: UUID, order: Order) -> str:
    switching.enable_schedule(pk)
    return _now("Enabled.")


def _disable(pk: UUID, order: Order) -> str:
    switching.disable_schedule(pk)
    return _now("Disabled.")


def _next_to_skip(schedule: Schedule) -> str:
    try:
        following = switching.next_run_time(schedule)
    except QuartzError as error:
        return str(error)
    if following is None:
        return _now("waits for no fire time")
    return show_moment(following, zone_of(schedule))


def _next_once_enabled(schedule: Schedule) -> str:
    try:
        following = schedule.fire_times().next_after(int(database_now().timestamp()))
    except QuartzError as error:
        return str(error)
    if following is None:
        return _now("has no fire time to come")
    return _now("next: %(time)s") % {"time": show_moment(to_datetime(following), zone_of(schedule))}


PAUSE = Switch(
    title=_("Pause schedules"),
    consequence=_(
        "Their fire times make no run and are recorded as skipped, with the reason. Runs that have"
        " begun go on. Of a schedule that is paused already, reason and end change."
    ),
    button=_("Pause"),
    apply=_pause,
    tell=lambda number: (
        ngettext("%(number)d schedule was paused.", "%(number)d schedules were paused.", number)
        % {"number": number}
    ),
    form=PauseForm,
)
RESUME = Switch(
    title=_("Resume schedules"),
    consequence=_(
        "Fire times from now on make runs again. Those that were skipped stay skipped: nothing is"
        " caught up."
    ),
    button=_("Resume"),
    apply=_resume,
    tell=lambda number: (
        ngettext("%(number)d schedule was resumed.", "%(number)d schedules were resumed.", number)
        % {"number": number}
    ),
)
RUN = Switch(
    title=_("Run schedules now"),
    consequence=_(
        "One run of each is queued at once, with its values and its worker, beside the plan: fire"
        " times, pauses and skips stay as they are."
    ),
    button=_("Run now"),
    apply=_run,
    tell=lambda number: (
        ngettext("%(number)d run was queued.", "%(number)d runs were queued.", number)
        % {"number": number}
    ),
)
SKIP = Switch(
    title=_("Skip the next fire time"),
    consequence=_("The fire time shown makes no run and is recorded as skipped, with your name."),
    button=_("Skip it"),
    apply=_skip,
    tell=lambda number: (
        ngettext(
            "The next fire time of %(number)d schedule will be skipped.",
            "The next fire times of %(number)d schedules will be skipped.",
            number,
        )
        % {"number": number}
    ),
    foresee=_next_to_skip,
)
ENABLE = Switch(
    title=_("Enable schedules"),
    consequence=_(
        "They fire again, from the first fire time after now; what has passed is not caught up. A"
        " run-once plan runs once more."
    ),
    button=_("Enable"),
    apply=_enable,
    tell=lambda number: (
        ngettext("%(number)d schedule was enabled.", "%(number)d schedules were enabled.", number)
        % {"number": number}
    ),
    foresee=_next_once_enabled,
)
DISABLE = Switch(
    title=_("Disable schedules"),
    consequence=_(
        "They fire no more, and record nothing, until they are enabled. Runs that have begun go on."
    ),
    button=_("Disable"),
    apply=_disable,
    tell=lambda number: (
        ngettext("%(number)d schedule was disabled.", "%(number)d schedules were disabled.", number)
        % {"number": number}
    ),
)
