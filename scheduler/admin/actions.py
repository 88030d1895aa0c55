"""The actions on schedules, on one or on a selection: asked first, then done by POST."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action

from processes.admin.confirmation import ask_first, is_confirmed
from scheduler import planning
from scheduler.admin import switches
from scheduler.admin.switches import Order, Switch
from scheduler.exceptions import SchedulerError
from scheduler.models import Schedule
from scheduler.states import State

MAX_LISTED = 50
CHANGELIST = "admin:scheduler_schedule_changelist"
RUN_PERMISSION = "scheduler.run_schedule"
# The buttons that fit a state; the others lead nowhere then.
FITTING = {
    "pause_one": {State.ARMED, State.ARMING, State.NEVER_FIRES},
    "resume_one": {State.PAUSED},
    "skip_one": {State.ARMED, State.PAUSED},
    "enable_one": {State.DISABLED, State.FINISHED},
    "disable_one": set(State) - {State.DISABLED, State.FINISHED},
}


def is_fitting(method: str, state: str) -> bool:
    """Tell whether a button makes sense for a schedule that stands so."""
    return method not in FITTING or State(state) in FITTING[method]


class ScheduleActions:
    """What can be done to schedules from the list and from the page of one."""

    actions = [
        "pause",
        "resume",
        "run_now",
        "skip_next",
        "enable",
        "disable",
        "save_as_csv",
        "delete_selected",
    ]
    actions_detail: Any = [
        "show_ledger",
        "run_one",
        "pause_one",
        "resume_one",
        {
            "title": _("More"),
            "icon": "more_horiz",
            "items": ["skip_one", "enable_one", "disable_one", "duplicate_one"],
        },
    ]

    @admin.action(description=_("Pause selected schedules"), permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> HttpResponse | None:
        """Have fire times recorded as skipped."""
        return self._switch(request, queryset, switches.PAUSE)

    @admin.action(description=_("Resume selected schedules"), permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> HttpResponse | None:
        """Have fire times make runs again."""
        return self._switch(request, queryset, switches.RESUME)

    @admin.action(description=_("Run selected schedules now"), permissions=["run"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> HttpResponse | None:
        """Queue one run of each, beside its plan."""
        return self._switch(request, queryset, switches.RUN)

    @admin.action(description=_("Skip the next fire time"), permissions=["change"])
    def skip_next(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> HttpResponse | None:
        """Have the next fire time recorded as skipped."""
        return self._switch(request, queryset, switches.SKIP)

    @admin.action(description=_("Enable selected schedules"), permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> HttpResponse | None:
        """Arm the schedules."""
        return self._switch(request, queryset, switches.ENABLE)

    @admin.action(description=_("Disable selected schedules"), permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> HttpResponse | None:
        """Disarm the schedules."""
        return self._switch(request, queryset, switches.DISABLE)

    @admin.action(description=_("Delete selected schedules"), permissions=["delete"])
    def delete_selected(
        self, request: HttpRequest, queryset: QuerySet[Schedule]
    ) -> HttpResponse | None:
        """Delete the schedules with their ledgers."""
        return self._delete(request, queryset)

    @action(
        description=_("Ledger"),
        icon="receipt_long",
        url_path="show-ledger",
        permissions=["view"],
    )
    def show_ledger(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Open what became of every fire time."""
        return HttpResponseRedirect(reverse("admin:scheduler_schedule_ledger", args=[object_id]))

    @action(description=_("Run now"), icon="play_arrow", url_path="run", permissions=["run"])
    def run_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Queue a run of this schedule, once confirmed."""
        return self._switch_one(request, object_id, switches.RUN)

    @action(description=_("Pause"), icon="pause", url_path="pause", permissions=["change"])
    def pause_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Pause this schedule, once confirmed."""
        return self._switch_one(request, object_id, switches.PAUSE)

    @action(description=_("Resume"), icon="resume", url_path="resume", permissions=["change"])
    def resume_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Resume this schedule, once confirmed."""
        return self._switch_one(request, object_id, switches.RESUME)

    @action(
        description=_("Skip next fire time"),
        icon="skip_next",
        url_path="skip",
        permissions=["change"],
    )
    def skip_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Skip the next fire time of this schedule, once confirmed."""
        return self._switch_one(request, object_id, switches.SKIP)

    @action(description=_("Enable"), icon="toggle_on", url_path="enable", permissions=["change"])
    def enable_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Enable this schedule, once confirmed."""
        return self._switch_one(request, object_id, switches.ENABLE)

    @action(description=_("Disable"), icon="toggle_off", url_path="disable", permissions=["change"])
    def disable_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Disable this schedule, once confirmed."""
        return self._switch_one(request, object_id, switches.DISABLE)

    @action(
        description=_("Duplicate"),
        icon="content_copy",
        url_path="duplicate",
        permissions=["duplicate"],
    )
    def duplicate_one(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make a disabled copy of this schedule, once confirmed."""
        schedule = self._find(request, object_id).get()
        if not is_confirmed(request):
            return ask_first(
                request,
                self,
                title=_now("Duplicate the schedule"),
                consequence=_now(
                    "A copy with the same plan, values and worker is made. It is disabled until"
                    " somebody enables it."
                ),
                button=_now("Duplicate"),
                objects=[schedule],
                cancel_url=_page_of(schedule),
            )
        try:
            with transaction.atomic():
                copy = planning.duplicate_schedule(schedule.pk, requested_by=str(request.user))
                self.log_addition(request, copy, _now("Copy of %(name)s.") % {"name": schedule})
        except SchedulerError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(_page_of(schedule))
        self.message_user(
            request,
            _now("This is the copy. It is disabled until you enable it."),
            messages.SUCCESS,
        )
        return HttpResponseRedirect(_page_of(copy))

    def delete_view(
        self: Any, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Delete this schedule, once confirmed."""
        if not self.has_delete_permission(request):
            raise PermissionDenied
        answer = self._delete(request, self._find(request, object_id))
        return answer or HttpResponseRedirect(reverse(CHANGELIST))

    def has_run_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the reader may queue runs of schedules."""
        return request.user.has_perm(RUN_PERMISSION)

    def has_duplicate_permission(self: Any, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the reader may make a copy, which is a new schedule."""
        return bool(self.has_add_permission(request))

    def get_actions_detail(self: Any, request: HttpRequest, object_id: str) -> list[Any]:
        """Leave out the buttons that do not fit the schedule's state."""
        offered: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        schedule = self.get_object(request, object_id)
        if schedule is None:
            return []
        return [each for each in offered if is_fitting(each.method.__name__, schedule.state)]

    def _find(self: Any, request: HttpRequest, object_id: str) -> QuerySet[Schedule]:
        schedule = self.get_object(request, object_id)
        if schedule is None:
            raise Http404
        found: QuerySet[Schedule] = self.get_queryset(request).filter(pk=schedule.pk)
        return found

    def _switch_one(
        self: Any, request: HttpRequest, object_id: str, switch: Switch
    ) -> HttpResponse:
        schedules = self._find(request, object_id)
        cancel_url = (
            reverse(CHANGELIST) if request.GET.get("from") == "list" else _page_of(schedules.get())
        )
        answer = self._switch(request, schedules, switch, cancel_url=cancel_url)
        return answer or HttpResponseRedirect(cancel_url)

    def _switch(
        self: Any,
        request: HttpRequest,
        schedules: QuerySet[Schedule],
        switch: Switch,
        *,
        cancel_url: str = "",
    ) -> HttpResponse | None:
        """Ask first; once confirmed do it to each, and return None."""
        schedules = schedules.select_related("periodic_task", "process_model")
        form = None
        if switch.form:
            data = request.POST if is_confirmed(request) else None
            form = switch.form(data, zone=switches.shared_zone(list(schedules)))
        if is_confirmed(request) and (form is None or form.is_valid()):
            said = form.cleaned_data if form else {}
            self._carry_out(request, schedules, switch, Order(str(request.user), **said))
            return None
        return ask_first(
            request,
            self,
            title=str(switch.title),
            consequence=str(switch.consequence),
            button=str(switch.button),
            objects=_list(schedules, switch),
            form=form,
            cancel_url=cancel_url,
        )

    def _carry_out(
        self: Any,
        request: HttpRequest,
        schedules: QuerySet[Schedule],
        switch: Switch,
        order: Order,
    ) -> None:
        done = 0
        for schedule in schedules:
            try:
                with transaction.atomic():
                    self.log_change(request, schedule, switch.apply(schedule.pk, order))
                done += 1
            except (SchedulerError, Schedule.DoesNotExist) as error:
                refusal = {"name": schedule, "reason": _explain(error)}
                self.message_user(request, _now("%(name)s: %(reason)s") % refusal, messages.ERROR)
        if done:
            self.message_user(request, switch.tell(done), messages.SUCCESS)

    def _delete(
        self: Any, request: HttpRequest, schedules: QuerySet[Schedule]
    ) -> HttpResponse | None:
        schedules = schedules.select_related("periodic_task", "process_model")
        if not is_confirmed(request):
            return ask_first(
                request,
                self,
                title=_now("Delete schedules"),
                consequence=_now(
                    "The plans end and their ledgers are deleted. API clients that ask for their"
                    " robustaSpid will get 404. Their runs stay."
                ),
                button=_now("Delete"),
                objects=_list(schedules, None),
            )
        with transaction.atomic():
            self.log_deletions(request, schedules)
            deleted = planning.delete_schedules(schedules.values_list("pk", flat=True))
        text = ngettext(
            "%(number)d schedule was deleted.", "%(number)d schedules were deleted.", deleted
        )
        self.message_user(request, text % {"number": deleted}, messages.SUCCESS)
        return None


def _list(schedules: QuerySet[Schedule], switch: Switch | None) -> list[str]:
    """Return the schedules as the confirmation page names them, at most fifty."""
    total = schedules.count()
    shown = []
    for schedule in schedules[:MAX_LISTED]:
        more = switch.foresee(schedule) if switch else f"robustaSpid {schedule.pk}"
        parts = [str(schedule), schedule.process_model.name, more]
        shown.append(" · ".join(part for part in parts if part))
    if total > MAX_LISTED:
        number = total - MAX_LISTED
        text = ngettext("and %(number)d more", "and %(number)d more", number)
        shown.append(text % {"number": number})
    return shown


def _explain(error: Exception) -> str:
    if isinstance(error, Schedule.DoesNotExist):
        return _now("It was deleted meanwhile.")
    return str(error)


def _page_of(schedule: Schedule) -> str:
    return reverse("admin:scheduler_schedule_change", args=[schedule.pk])
