"""The Runs list and the page of one run; both only show."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import MultipleChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.views import ChangeList

from processes.admin.export import CsvExport
from processes.admin.exports import RunExport
from processes.admin.run_actions import RunActions
from processes.admin.run_again import RunAgain
from processes.admin.run_filters import (
    CreatedFilter,
    LimitedPaginator,
    PeriodFilter,
    is_default_period,
)
from processes.admin.run_page import RunPage, describe_progress, measure
from processes.admin.wording import show_duration, show_json, show_reason, show_status, show_time
from processes.models import Run
from processes.secrets import mask
from processes.waiting import Wait, explain_waits

SHORT_MESSAGE = 80


class RunChangeList(ChangeList):
    """The list, with the reasons of all its waiting runs found together."""

    def get_results(self, request: HttpRequest) -> None:
        """Attach `in_words` to each row."""
        super().get_results(request)
        # Where the two differ the header offers to "show all", which is the last seven days.
        self.full_result_count = self.result_count
        waiting = [run for run in self.result_list if run.status == Run.Status.WAITING]
        waits = explain_waits(waiting)
        for run in self.result_list:
            run.wait = waits.get(run.pk)
            run.in_words = describe(run, run.wait)


def describe(run: Run, wait: Wait | None) -> str:
    """Return why `run` stands where it stands; `wait` is that of a waiting one."""
    if wait:
        return wait.sentence
    return describe_progress(run) if run.status == Run.Status.RUNNING else run.message


@admin.register(Run)
class RunAdmin(CsvExport, RunActions, RunAgain, RunPage, ModelAdmin):
    """Every execution. Nothing here is edited: what a run says happened, happened."""

    list_display = [
        "model_and_id",
        "shown_status",
        "in_words",
        "shown_worker",
        "requested",
        "duration_and_attempt",
    ]
    list_select_related = ["process_model", "worker"]
    list_filter = [
        PeriodFilter,
        ("status", MultipleChoicesDropdownFilter),
        ("process_model", RelatedDropdownFilter),
        ("worker", RelatedDropdownFilter),
        ("created_at", CreatedFilter),
    ]
    list_filter_submit = True
    list_per_page = 50
    list_before_template = "admin/processes/run/shown_period.html"
    list_fullwidth = True
    paginator = LimitedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they would count the table, once for every choice
    search_fields = ["id"]
    actions = ["save_as_csv"]
    csv_resource = RunExport
    search_help_text = _("robustaSpid, whole")
    ordering = ["-id"]
    sortable_by: list[str] = []
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "robusta_spid",
                    "process_model",
                    "live_status",
                    "live_message",
                    ("requested_by", "shown_worker"),
                    ("priority", "live_attempt"),
                ]
            },
        ),
        (
            _("Times"),
            {
                "fields": [
                    ("created_at", "live_ready"),
                    ("live_started", "live_finished"),
                    "live_taken",
                    ("live_cancelled", "live_canceller"),
                ]
            },
        ),
        (_("Values and outputs"), {"fields": ["shown_values", "live_outputs"]}),
        (_("Attempts and log"), {"fields": ["timeline", "log"]}),
        (
            _("For operators"),
            {"fields": [("live_node", "owner"), ("live_reason", "schedule_id"), "retry_delay"]},
        ),
    ]

    class Media:
        js = ["arabica/run.js"]

    @display(description=_("run"), header=True)
    def model_and_id(self, run: Run) -> tuple[str, SafeString]:
        """Return the process model over the robustaSpid."""
        return run.process_model.name, format_html("<span class='ar-id'>{}</span>", run.pk)

    @admin.display(description=_("id (robustaSpid)"))
    def robusta_spid(self, run: Run) -> SafeString:
        """Return the id that the API answers, to copy."""
        return render_to_string("admin/copyable.html", {"text": run.pk})

    @admin.display(description=_("status"))
    def shown_status(self, run: Run) -> SafeString:
        """Return the status as a coloured label."""
        return show_status(run.status)

    @admin.display(description=_("message"))
    def in_words(self, run: Any) -> SafeString:
        """Return why it waits, how far it is or how it ended, shortened."""
        return show_reason(run.in_words, run.wait, most=SHORT_MESSAGE)

    @admin.display(description=_("worker"))
    def shown_worker(self, run: Run) -> str:
        """Return the worker it is meant for."""
        return format_html('<span class="ar-nowrap">{}</span>', run.worker or _("any"))

    @display(description=_("requested"), header=True)
    def requested(self, run: Run) -> tuple[SafeString, str]:
        """Return when it was asked for, over who asked."""
        moment = format_html('<span class="ar-nowrap">{}</span>', show_time(run.created_at))
        return moment, run.requested_by

    @display(description=_("duration"), header=True)
    def duration_and_attempt(self, run: Run) -> tuple[str, SafeString]:
        """Return how long it took over the number of the attempt that did."""
        if not run.attempt:
            return "-", SafeString("")
        attempt = _now("attempt %(number)d") % {"number": run.attempt}
        return self.shown_duration(run), format_html('<span class="ar-nowrap">{}</span>', attempt)

    @admin.display(description=_("duration"))
    def shown_duration(self, run: Run) -> str:
        """Return how long it took, or has been running."""
        if run.status == Run.Status.WAITING:
            return "-"
        taken = measure(run.started_at, run.finished_at)
        if taken is None:
            return "-"
        return format_html('<span class="ar-nowrap">{}</span>', show_duration(taken))

    @admin.display(description=_("values"))
    def shown_values(self, run: Run) -> SafeString:
        """Return the values it was started with."""
        return show_json(mask(run.values, run.process_model.secret_names))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[RunChangeList]:
        """Return the list that explains waiting runs."""
        return RunChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Run], search_term: str
    ) -> tuple[QuerySet[Run], bool]:
        """Find one run by its whole id; any other text finds nothing."""
        if not search_term.strip():
            return queryset, False
        try:
            return queryset.filter(pk=UUID(search_term.strip())), False
        except ValueError:
            return queryset.none(), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Tell the template whether only the last seven days are shown."""
        answer: HttpResponse = super().changelist_view(
            request, {"is_default_period": is_default_period(request), **(extra_context or {})}
        )
        return answer

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Leave out the link to a history of edits, which a run does not have."""
        answer: HttpResponse = super().changeform_view(
            request, object_id, form_url, {"show_history": False, **(extra_context or {})}
        )
        return answer

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: runs are started."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        """Refuse: runs are history."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        """Refuse: runs are history."""
        return False
