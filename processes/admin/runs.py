"""The Runs list and the page of one run; both only show."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import MultipleChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.views import ChangeList

from processes.admin.run_actions import RunActions
from processes.admin.run_again import RunAgain
from processes.admin.run_filters import (
    CreatedFilter,
    LimitedPaginator,
    PeriodFilter,
    is_default_period,
)
from processes.admin.wording import coloured, show_duration, show_json, show_status, show_time
from processes.models import Run, RunAttempt, RunLog
from processes.waiting import Wait, explain_wait, explain_waits

SHORT_MESSAGE = 80
MAX_LOG_CHUNKS = 200


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


def show_reason(text: str, wait: Wait | None, *, most: int | None = None) -> SafeString:
    """Return why a run stands where it stands, cut to `most` characters; the title has it whole."""
    badge = coloured(str(wait.code.label), "warning") if wait else ""
    shown = Truncator(text).chars(most) if most else text
    return format_html(
        '<span class="ar-message" title="{}">{} {}</span>', text, badge, shown or "-"
    )


def describe_progress(run: Run) -> str:
    """Return how far a run is, empty when its process does not say."""
    if run.progress_done is None:
        return ""
    if run.progress_total is None:
        return _now("progress %(done)g") % {"done": run.progress_done}
    return _now("%(done)g of %(total)g") % {"done": run.progress_done, "total": run.progress_total}


def measure(started_at: datetime | None, finished_at: datetime | None) -> timedelta | None:
    """Return how long something took, or has taken until now; None before it began."""
    return (finished_at or timezone.now()) - started_at if started_at else None


class AttemptInline(TabularInline):
    """The attempts of a run."""

    model = RunAttempt
    hide_title = True
    extra = 0
    fields = ["number", "outcome_or_lasting", "started_at", "duration", "error", "node_name"]
    readonly_fields = fields

    @admin.display(description=_("outcome"))
    def outcome_or_lasting(self, attempt: RunAttempt) -> str:
        """Return how the attempt ended."""
        return attempt.get_outcome_display() or _now("not ended")

    @admin.display(description=_("duration"))
    def duration(self, attempt: RunAttempt) -> str:
        """Return how long the attempt took."""
        taken = measure(attempt.started_at, attempt.finished_at)
        return show_duration(taken) if taken is not None else "-"

    def has_view_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        """Show them to whoever may see the run."""
        return bool(request.user.has_perm("processes.view_run"))

    def has_add_permission(self, request: HttpRequest, obj: Run | None) -> bool:
        """Refuse: attempts are history."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        """Refuse: attempts are history."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        """Refuse: attempts are history."""
        return False


@admin.register(Run)
class RunAdmin(RunActions, RunAgain, ModelAdmin):
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
    search_help_text = _("robustaSpid, whole")
    ordering = ["-id"]
    sortable_by: list[str] = []
    inlines = [AttemptInline]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "robusta_spid",
                    "process_model",
                    "shown_status",
                    "in_words",
                    ("requested_by", "shown_worker"),
                    ("priority", "attempts_of"),
                ]
            },
        ),
        (
            _("Times"),
            {
                "fields": [
                    ("created_at", "ready_at"),
                    ("started_at", "finished_at"),
                    "shown_duration",
                    ("cancel_requested_at", "cancel_requested_by"),
                ]
            },
        ),
        (_("Values and outputs"), {"fields": ["shown_values", "shown_outputs"]}),
        (_("Log"), {"fields": ["log"]}),
        (
            _("For operators"),
            {"fields": [("node", "owner"), ("reason", "schedule_id"), "retry_delay"]},
        ),
    ]

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
        """Return why it waits, how far it is or how it ended; shortened in the list."""
        if hasattr(run, "in_words"):
            return show_reason(run.in_words, run.wait, most=SHORT_MESSAGE)
        wait = explain_wait(run) if run.status == Run.Status.WAITING else None
        return show_reason(describe(run, wait), wait)

    @admin.display(description=_("worker"))
    def shown_worker(self, run: Run) -> str:
        """Return the worker it is meant for."""
        return format_html('<span class="ar-nowrap">{}</span>', run.worker or _("any"))

    @admin.display(description=_("attempts"))
    def attempts_of(self, run: Run) -> str:
        """Return how many attempts have begun, of how many at most."""
        return _now("%(begun)d of %(most)d") % {"begun": run.attempt, "most": run.retry_count + 1}

    @display(description=_("requested"), header=True)
    def requested(self, run: Run) -> tuple[SafeString, str]:
        """Return when it was asked for, over who asked."""
        moment = format_html('<span class="ar-nowrap">{}</span>', show_time(run.created_at))
        return moment, run.requested_by

    @display(description=_("duration"), header=True)
    def duration_and_attempt(self, run: Run) -> tuple[str, SafeString]:
        """Return how long it took over the number of the attempt that did."""
        if not run.attempt:
            return "-", SafeString()
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
        return show_json(run.values)

    @admin.display(description=_("outputs"))
    def shown_outputs(self, run: Run) -> str:
        """Return the outputs, which a run has once it has succeeded."""
        return "-" if run.outputs is None else show_json(run.outputs)

    @admin.display(description=_("log"))
    def log(self, run: Run) -> SafeString:
        """Return the end of the log, at most 200 chunks of it."""
        newest = list(
            RunLog.objects.filter(run=run).order_by("-attempt", "-sequence")[: MAX_LOG_CHUNKS + 1]
        )
        return render_to_string(
            "admin/processes/run/log.html",
            {"chunks": newest[:MAX_LOG_CHUNKS][::-1], "is_cut": len(newest) > MAX_LOG_CHUNKS},
        )

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
