"""What a plan means, told while it is typed: words, fire times and warnings."""

import re
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from scheduler.admin.forms import PlanForm
from scheduler.admin.wording import describe_plan
from scheduler.clock import database_now
from scheduler.fire_times import FireTimes
from scheduler.forecast import SHOWN, Forecast, forecast

OFFER = re.compile(r"Did you mean '([^']+)'\?")


@dataclass(frozen=True)
class Preview:
    """A plan as people are shown it; without words it could not be read."""

    words: str = ""
    zone: str = ""
    fire_times: list[Forecast] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, fire_times: FireTimes, *, run_once: bool, is_enabled: bool = True) -> "Preview":
        """Return the next ten fire times, or the only one, with what there is to warn of."""
        shown = forecast(fire_times, after=database_now(), count=1 if run_once else SHOWN)
        warnings = []
        if not is_enabled:
            warnings.append(_("It is disabled: none of them fires until it is enabled."))
        if not shown:
            warnings.append(_("This plan never fires: it names no time to come."))
        elif not run_once and len(shown) < SHOWN:
            warnings.append(_("These are all: the plan ends with the last one."))
        if shown and run_once:
            warnings.append(_("It is finished after this run."))
        if any(each.after_clock_change for each in shown):
            warnings.append(
                _("The clocks are changed before the marked times: the distance in UTC differs.")
            )
        expression = fire_times.expression
        return cls(describe_plan(expression), expression.tz, shown, warnings)


def find_offer(form: PlanForm) -> str:
    """Return the expression that the message at the Quartz field offers; empty when it does not."""
    messages = " ".join(str(message) for message in form.errors.get("quartz", []))
    match = OFFER.search(messages)
    return match[1] if match else ""


def preview_form(form: PlanForm) -> Preview | None:
    """Return the preview of a bound form; None when its plan cannot be read.

    A checkbox that is not set is not sent.
    """
    form.is_valid()
    if form.fire_times is None:
        return None
    return Preview.of(
        form.fire_times,
        run_once=bool(form.cleaned_data.get("run_once")),
        is_enabled="enabled" in form.data,
    )


class PreviewPage:
    """The answer to every letter of a plan that is typed."""

    def preview_view(self: Any, request: HttpRequest) -> HttpResponse:
        """Return what the plan in the query means, and the errors for its fields."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        form = PlanForm(request.GET)
        preview = preview_form(form)
        if not request.GET.get("quartz", "").strip():
            form.errors.pop("quartz", None)
        return TemplateResponse(
            request,
            "admin/scheduler/schedule/preview.html",
            {
                "preview": preview,
                "form": form,
                "tells_errors": True,
                "offer": find_offer(form),
            },
        )
