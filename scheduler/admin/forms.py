"""The forms of a schedule: its plan, and everything else that may be said of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from processes.admin.run_form import RunForm
from processes.admin.value_fields import SecretValueField, TypedField
from processes.admin.widgets import CodeInput, MomentInput
from processes.models import ProcessModel
from scheduler.admin.widgets import ZoneInput
from scheduler.drafts import ScheduleDraft
from scheduler.exceptions import InvalidPlan
from scheduler.fire_times import FireTimes
from scheduler.models import Schedule
from scheduler.planning import MAX_NAME
from scheduler.quartz import QuartzError, QuartzExpression

WALL_TIME = "%Y-%m-%dT%H:%M:%S"
MOMENTS = ("start", "end")


class WallTimeField(forms.Field):
    """A wall-clock time, without a zone until the form knows which."""

    widget = MomentInput

    def to_python(self, value: Any) -> datetime | None:
        """Return the naive time that a browser's calendar, or a person, has written."""
        if value in self.empty_values:
            return None
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError as error:
            raise ValidationError(
                _now("Write a date and time such as 2026-11-23 14:30:00.")
            ) from error
        if moment.tzinfo is not None:
            raise ValidationError(_now("Leave out the offset: the time is in the plan's zone."))
        return moment


def to_instant(wall_time: datetime, zone: ZoneInfo, *, last: bool) -> datetime:
    """Return the instant of a wall time; of two that are the same on the clock, the `last` or first.

    Raise ValidationError for one that a clock change leaves out.
    """
    moment = wall_time.replace(tzinfo=zone, fold=int(last))
    back = datetime.fromtimestamp(moment.timestamp(), zone)
    if back.replace(tzinfo=None) != wall_time:
        raise ValidationError(
            _now("On that day the clocks of %(zone)s leave this time out.") % {"zone": zone.key}
        )
    return moment


class PlanForm(forms.Form):
    """When a schedule fires: what the preview reads, and the first part of the whole form."""

    quartz = forms.CharField(
        label=_("Quartz expression"),
        max_length=1000,
        widget=CodeInput({"placeholder": "0 6 6 ? * FRI"}),
        help_text=_("Seconds, minutes, hours, day of month, month, weekday and, if wanted, year."),
    )
    time_zone = forms.CharField(
        label=_("Time zone"),
        max_length=64,
        initial=settings.TIME_ZONE,
        widget=ZoneInput,
        help_text=_("The zone whose clock the plan follows; type to search."),
    )
    start = WallTimeField(
        label=_("Start"),
        required=False,
        help_text=_("In the plan's zone, included. Empty: at once."),
    )
    end = WallTimeField(
        label=_("End"),
        required=False,
        help_text=_("In the plan's zone, included. Empty: never."),
    )
    run_once = forms.BooleanField(
        label=_("Run once"),
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=_("Finished after its first run."),
    )

    fire_times: FireTimes | None = None

    def clean_time_zone(self) -> str:
        """Return the zone. Raise ValidationError for a name that is none."""
        name: str = self.cleaned_data["time_zone"]
        try:
            QuartzExpression("0 0 0 * * ?", name)
        except QuartzError as error:
            raise ValidationError(str(error)) from error
        return name

    def clean(self) -> dict[str, Any]:
        """Read the moments in the plan's zone, then the plan, as the beat does."""
        data = self.cleaned_data
        if "time_zone" in data:
            for name in MOMENTS:
                self._read_moment(name, ZoneInfo(data["time_zone"]))
        if "quartz" in data:
            self._read_plan()
        return data

    def _read_moment(self, name: str, zone: ZoneInfo) -> None:
        wall_time = self.cleaned_data.get(name)
        if wall_time is None:
            return
        try:
            self.cleaned_data[name] = to_instant(wall_time, zone, last=name == "end")
        except ValidationError as error:
            self.add_error(name, error)

    def _read_plan(self) -> None:
        """Read the plan; what is wrong with the expression is told beside other errors too."""
        is_whole = all(name in self.cleaned_data for name in ("time_zone", *MOMENTS))
        around = {name: self.cleaned_data[name] for name in MOMENTS} if is_whole else {}
        zone = self.cleaned_data.get("time_zone", "UTC")
        draft = ScheduleDraft(ProcessModel(), self.cleaned_data["quartz"], zone, **around)
        try:
            fire_times = draft.fire_times()
        except InvalidPlan as error:
            self.add_error(error.field, str(error))
        else:
            self.fire_times = fire_times if is_whole else None


class ScheduleForm(RunForm, PlanForm):
    """Everything that an admin may say of a schedule.

    An edit knows what it showed (the hidden initial values) and changes only what the person did:
    a beat, or another admin, may have changed the rest since.
    """

    name = forms.CharField(label=_("Name"), max_length=MAX_NAME, widget=UnfoldAdminTextInputWidget)
    enabled = forms.BooleanField(
        label=_("Enabled"),
        required=False,
        initial=True,
        widget=UnfoldBooleanWidget,
        help_text=_("A disabled schedule fires never and records nothing."),
    )
    run_immediately = forms.BooleanField(
        label=_("Run immediately"),
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=_("One run now, beside the plan."),
    )
    misfire = forms.ChoiceField(
        label=_("Misfire: fire times found over a minute late"),
        choices=Schedule.Misfire.choices,
        initial=Schedule.Misfire.FIRE_ONCE,
        widget=UnfoldAdminSelectWidget,
    )
    overlap = forms.ChoiceField(
        label=_("Overlap: the previous run is not finished"),
        choices=Schedule.Overlap.choices,
        initial=Schedule.Overlap.ALLOW,
        widget=UnfoldAdminSelectWidget,
    )

    field_order = ["name"]

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        process_model: ProcessModel,
        schedule: Schedule | None = None,
        may_run: bool = False,
    ) -> None:
        self.process_model = process_model
        self.schedule = schedule
        super().__init__(data, initial=_initial(process_model, schedule))
        if schedule is None:
            self.fields["name"].required = False
            self.fields["name"].help_text = _("Empty: made from the process model and the id.")
        if schedule is not None or not may_run:
            del self.fields["run_immediately"]
        self.edited_values = schedule.values if schedule else None
        self.add_values(self.edited_values)
        for field in self.fields.values():
            field.show_hidden_initial = schedule is not None

    def clean_run_immediately(self) -> bool:
        """Refuse a run that could not begin."""
        wanted: bool = self.cleaned_data["run_immediately"]
        if wanted and not self.process_model.enabled:
            raise ValidationError(_now("The process model is disabled: it cannot run now."))
        return wanted

    def draft(self) -> ScheduleDraft:
        """Return the schedule that a valid form describes."""
        skipped = {"run_immediately", *(bound.name for bound in self.value_fields)}
        fields = {name: value for name, value in self.cleaned_data.items() if name not in skipped}
        return ScheduleDraft(
            process_model=self.process_model, values=self.checked_values or {}, **fields
        )

    def changes(self) -> dict[str, Any]:
        """Return what the person changed, by the names of ScheduleDraft.

        A start or an end is what the form shows: it moves with the zone.
        """
        changed = [
            name
            for name in self.changed_data
            if not isinstance(self.fields[name], TypedField | SecretValueField)
        ]
        if "time_zone" in changed:
            changed += [name for name in MOMENTS if name not in changed and self.cleaned_data[name]]
        changes = {name: self.cleaned_data[name] for name in changed}
        if self.checked_values is not None:
            changes["values"] = self.checked_values
        return changes


def _initial(process_model: ProcessModel, schedule: Schedule | None) -> dict[str, Any]:
    if schedule is None:
        return {
            "retry_count": process_model.default_retry_count,
            "retry_delay": process_model.default_retry_delay,
        }
    draft = ScheduleDraft.of(schedule)
    initial = {
        name: getattr(draft, name) for name in ScheduleForm.base_fields if hasattr(draft, name)
    }
    for name in MOMENTS:
        initial[name] = _show_wall_time(initial[name], schedule.time_zone)
    return initial


def _show_wall_time(moment: datetime | None, time_zone: str) -> str:
    """Return a moment in the plan's zone, in the site's when that zone is none."""
    if moment is None:
        return ""
    try:
        zone = QuartzExpression("0 0 0 * * ?", time_zone).zone
    except QuartzError:
        zone = ZoneInfo(settings.TIME_ZONE)
    return moment.astimezone(zone).strftime(WALL_TIME)
