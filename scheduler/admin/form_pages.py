"""Adding and changing a schedule: choose a process model, fill in, compare, save."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from processes.admin.audited import may_view_audit
from processes.models import ProcessModel
from scheduler import planning
from scheduler.admin.choice import choose_process_model, find_process_model
from scheduler.admin.comparison import Comparison
from scheduler.admin.forms import ScheduleForm
from scheduler.admin.preview import Preview, find_offer, preview_form
from scheduler.admin.widgets import zone_names
from scheduler.admin.wording import (
    explain_state,
    show_countdown,
    show_moment,
    show_state,
    zone_of,
)
from scheduler.drafts import ScheduleDraft
from scheduler.exceptions import InvalidPlan
from scheduler.models import Schedule

TEMPLATE = "admin/scheduler/schedule/form.html"
COMPARE_TEMPLATE = "admin/scheduler/schedule/compare.html"
CONFIRMED = "_confirmed"
BACK = "_back"


class FormPages:
    """The pages that make and change a schedule; both save through `planning` alone."""

    def add_view(
        self: Any, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Ask for a process model, then for the schedule, and make it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        process_model = find_process_model(request)
        if process_model is None:
            return choose_process_model(request, self)
        posted = request.POST if request.method == "POST" else None
        form = ScheduleForm(
            posted, process_model=process_model, may_run=self.has_run_permission(request)
        )
        if posted is not None and form.is_valid():
            schedule = self._create(request, form)
            if schedule is not None:
                return _answer_saved(self, request, schedule, _("The schedule was added."))
        return _show_form(self, request, form, process_model)

    def change_view(
        self: Any,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Show a schedule to be changed; to those who may only view it, to be read."""
        if not self.has_change_permission(request):
            answer: HttpResponse = super().change_view(  # type: ignore[misc]
                request, object_id, form_url, extra_context
            )
            return answer
        schedule = self.get_object(request, object_id)
        if schedule is None:
            gone: HttpResponse = self._get_obj_does_not_exist_redirect(
                request, self.opts, object_id
            )
            return gone
        posted = request.POST if request.method == "POST" else None
        form = ScheduleForm(posted, process_model=schedule.process_model, schedule=schedule)
        if posted is not None and form.is_valid() and BACK not in request.POST:
            answered: HttpResponse | None = self._change(request, schedule, form)
            if answered is not None:
                return answered
        return _show_form(self, request, form, schedule.process_model, schedule)

    def _create(self: Any, request: HttpRequest, form: ScheduleForm) -> Schedule | None:
        try:
            with transaction.atomic():
                schedule = planning.create_schedule(
                    form.draft(),
                    requested_by=str(request.user),
                    run_immediately=form.cleaned_data.get("run_immediately", False),
                )
                self.log_addition(request, schedule, [{"added": {}}])
        except InvalidPlan as error:
            form.add_error(error.field, str(error))
            return None
        return schedule

    def _change(
        self: Any, request: HttpRequest, schedule: Schedule, form: ScheduleForm
    ) -> HttpResponse | None:
        """Compare or save; return None when it is refused, with the reason in the form."""
        changes = form.changes()
        comparison = Comparison.of(schedule, changes)
        if comparison is not None and CONFIRMED not in request.POST:
            return _ask(self, request, schedule, comparison, form)
        try:
            if changes:
                with transaction.atomic():
                    schedule = planning.change_schedule(schedule.pk, **changes)
                    labels = [str(form.fields[name].label) for name in form.changed_data]
                    self.log_change(request, schedule, [{"changed": {"fields": labels}}])
        except InvalidPlan as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
            return None
        except Schedule.DoesNotExist:
            gone: HttpResponse = self._get_obj_does_not_exist_redirect(
                request, self.opts, str(schedule.pk)
            )
            return gone
        told = _("The schedule was changed.") if changes else _("Nothing was changed.")
        return _answer_saved(self, request, schedule, told)


def _ask(
    page: Any,
    request: HttpRequest,
    schedule: Schedule,
    comparison: Comparison,
    form: ScheduleForm,
) -> HttpResponse:
    own = {"csrfmiddlewaretoken", BACK}
    carried = [(name, text) for name, text in form.list_inputs() if name not in own]
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "original": schedule,
        "title": _("Compare the fire times"),
        "comparison": comparison,
        "carried": carried,
        "confirmed_name": CONFIRMED,
        "back_name": BACK,
    }
    return TemplateResponse(request, COMPARE_TEMPLATE, context)


def _answer_saved(page: Any, request: HttpRequest, schedule: Schedule, told: str) -> HttpResponse:
    address = reverse("admin:scheduler_schedule_change", args=[schedule.pk])
    page.message_user(
        request,
        format_html('<a href="{}">{}</a>: {} {}', address, schedule, told, _tell_next(schedule)),
        messages.SUCCESS,
    )
    if "_continue" in request.POST:
        return HttpResponseRedirect(address)
    return HttpResponseRedirect(reverse("admin:scheduler_schedule_changelist"))


def _show_form(
    page: Any,
    request: HttpRequest,
    form: ScheduleForm,
    process_model: ProcessModel,
    schedule: Schedule | None = None,
) -> HttpResponse:
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "original": schedule,
        "title": str(schedule) if schedule else _("Add schedule"),
        "form": form,
        "process_model": process_model,
        "zones": zone_names(),
        "preview": preview_form(form) if form.is_bound else _preview_stored(schedule),
        "offer": find_offer(form),
        "show_history": schedule is not None and may_view_audit(request),
        "show_save": True,
        "show_save_and_continue": True,
        "can_change": True,
        "show_delete_link": schedule is not None and page.has_delete_permission(request),
        "show_close": True,
    }
    if schedule is not None:
        pk = str(schedule.pk)
        context["standing"] = _describe_standing(schedule)
        context["actions_detail"] = page._get_actions_navigation(
            page.actions_detail, page.get_actions_detail(request, pk), pk
        )
    return TemplateResponse(request, TEMPLATE, context)


def _preview_stored(schedule: Schedule | None) -> Preview | None:
    if schedule is None:
        return None
    draft = ScheduleDraft.of(schedule)
    try:
        return Preview.of(draft.fire_times(), run_once=draft.run_once, is_enabled=draft.enabled)
    except InvalidPlan:
        return None


def _describe_standing(schedule: Any) -> dict[str, Any]:
    following = schedule.next_fire_time
    return {
        "label": show_state(schedule.state),
        "explanation": explain_state(schedule, schedule.state),
        "moment": show_moment(following, zone_of(schedule)) if following else "",
        "countdown": show_countdown(following, schedule.now) if following else "",
    }


def _tell_next(schedule: Schedule) -> str:
    if schedule.next_fire_time is None:
        return _("It waits for no fire time.")
    return _("Next fire time: %(time)s.") % {
        "time": show_moment(schedule.next_fire_time, zone_of(schedule))
    }
