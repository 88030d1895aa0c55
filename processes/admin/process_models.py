"""The Scheduler list: process models, what they take, and how their last run went."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.views import ChangeList

from processes.admin.audited import AuditedPages
from processes.admin.command_forms import NEW_COMMAND, ProcessModelForm, configuration_options
from processes.admin.declarations import OutputInline, ParameterInline, is_owned_by_code
from processes.admin.export import CsvExport
from processes.admin.exports import ProcessModelExport
from processes.admin.wording import show_status, show_time
from processes.models import Application, Parameter, ProcessModel, Run

DURATIONS = ["default_retry_delay", "time_limit", "kill_grace"]
WRITE_DURATION = _("Write it as hours:minutes:seconds, such as 1:30:00.")
OWNED_BY_CODE = ["name", "title", "description", "executor", "configuration"]

ADD_SCHEDULE = "scheduler.add_schedule"


def new_schedule_of(process_model: ProcessModel) -> str:
    """Return the address of the form of a new schedule, with the process model chosen."""
    return f"{reverse('admin:scheduler_schedule_add')}?process_model={process_model.pk}"


class ProcessModelChangeList(ChangeList):
    """The list, with the live runs of the rows it shows counted in two queries."""

    def get_results(self, request: HttpRequest) -> None:
        """Attach `waiting` and `running` to each row."""
        super().get_results(request)
        waiting = count_by_process_model(Run.objects.waiting())
        running = count_by_process_model(Run.objects.running())
        for row in self.result_list:
            row.waiting = waiting.get(row.pk, 0)
            row.running = running.get(row.pk, 0)


def count_by_process_model(runs: QuerySet[Run]) -> dict[int, int]:
    """Return how many of `runs` each process model has."""
    counts = runs.order_by().values_list("process_model").annotate(Count("pk"))
    return dict(counts)


def with_last_run(process_models: QuerySet[ProcessModel]) -> QuerySet[ProcessModel]:
    """Annotate the newest run of each process model, found in the index `run_of_process_model`."""
    newest = Run.objects.filter(process_model=OuterRef("pk")).order_by("-id")
    return process_models.annotate(
        last_run_id=Subquery(newest.values("pk")[:1]),
        last_run_status=Subquery(newest.values("status")[:1]),
        last_run_at=Subquery(newest.values("created_at")[:1]),
    )


def with_parameter_count(process_models: QuerySet[ProcessModel]) -> QuerySet[ProcessModel]:
    """Annotate how many parameters each process model declares."""
    counts = (
        Parameter.objects.filter(process_model=OuterRef("pk"))
        .order_by()
        .values("process_model")
        .annotate(count=Count("pk"))
        .values("count")
    )
    return process_models.annotate(
        parameter_count=Coalesce(Subquery(counts, output_field=IntegerField()), 0)
    )


@admin.register(ProcessModel)
class ProcessModelAdmin(CsvExport, AuditedPages, ModelAdmin):
    """What can be run. Python functions are added by code, commands by people."""

    list_display = [
        "name_and_title",
        "parameters_link",
        "schedule_link",
        "executor",
        "is_enabled",
        "last_run",
        "live_runs",
    ]
    list_filter = ["enabled", "application"]
    list_per_page = 50
    list_before_template = "admin/processes/processmodel/how_to_add.html"
    search_fields = ["name", "title"]
    actions = ["show_parameters_of_selected", "save_as_csv"]
    csv_resource = ProcessModelExport
    actions_detail = ["show_parameters", "schedule"]
    autocomplete_fields = ["application", "default_worker"]
    form = ProcessModelForm
    inlines = [ParameterInline, OutputInline]
    fieldsets = [
        (None, {"fields": ["name", "title", "description", "application", "enabled"]}),
        (
            _("Defaults of its runs"),
            {
                "fields": [
                    "default_worker",
                    ("default_retry_count", "default_retry_delay"),
                    "on_worker_lost",
                ]
            },
        ),
        (
            _("Limits"),
            {"fields": ["max_parallel_runs", ("time_limit", "kill_grace"), "max_output_bytes"]},
        ),
        (_("Execution"), {"fields": ["executor", "configuration", "accepts_undeclared_values"]}),
    ]

    @display(description=_("process model"), ordering="name", header=True)
    def name_and_title(self, process_model: ProcessModel) -> tuple[str, str]:
        """Return the name that clients use, over the title that people read."""
        return process_model.name, process_model.title

    @admin.display(description=_("Parameters"), ordering="parameter_count")
    def parameters_link(self, process_model: ProcessModel) -> SafeString:
        """Return the icon that leads to the sample query, and how many parameters it has."""
        return render_to_string(
            "admin/processes/processmodel/parameters_link.html", {"process_model": process_model}
        )

    @admin.display(description=_("Schedule"))
    def schedule_link(self, process_model: ProcessModel) -> SafeString:
        """Return the icon that leads to a new schedule of it."""
        return render_to_string(
            "admin/processes/processmodel/schedule_link.html",
            {"process_model": process_model, "address": new_schedule_of(process_model)},
        )

    @admin.display(description=_("enabled"), ordering="enabled", boolean=True)
    def is_enabled(self, process_model: ProcessModel) -> bool:
        """Return whether it can be started."""
        return process_model.enabled

    @admin.display(description=_("last run"), ordering="last_run_at")
    def last_run(self, process_model: Any) -> str:
        """Return the newest run's status, linked, and when it was asked for."""
        if process_model.last_run_id is None:
            return "-"
        url = reverse("admin:processes_run_change", args=[process_model.last_run_id])
        return format_html(
            "{} <span class='ar-quiet'>{}</span>",
            show_status(process_model.last_run_status, href=url),
            show_time(process_model.last_run_at),
        )

    @admin.display(description=_("running / waiting"))
    def live_runs(self, process_model: Any) -> str:
        """Return how many of its runs are going on and how many wait."""
        return f"{process_model.running} / {process_model.waiting}"

    @admin.action(description=_("Parameters of selected process models"), permissions=["view"])
    def show_parameters_of_selected(
        self, request: HttpRequest, queryset: QuerySet[ProcessModel]
    ) -> HttpResponse:
        """Open one page with a section for each."""
        ids = queryset.order_by("name").values_list("pk", flat=True)
        query = urlencode([("id", pk) for pk in ids])
        return HttpResponseRedirect(f"{reverse('connector:parameters')}?{query}")

    @action(
        description=_("Parameters"),
        icon="data_object",
        url_path="parameters",
        permissions=["view"],
    )
    def show_parameters(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Open the sample query of this process model."""
        process_model = self.get_object(request, object_id)
        if process_model is None:
            raise Http404
        return HttpResponseRedirect(reverse("connector:parameters", args=[process_model.pk]))

    @action(
        description=_("Schedule"),
        icon="calendar_add_on",
        url_path="schedule",
        permissions=["schedule"],
    )
    def schedule(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Open the form of a new schedule of this process model."""
        process_model = self.get_object(request, object_id)
        if process_model is None:
            raise Http404
        return HttpResponseRedirect(new_schedule_of(process_model))

    def has_schedule_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the reader may make schedules."""
        return request.user.has_perm(ADD_SCHEDULE)

    def get_list_display(self, request: HttpRequest) -> list[str]:
        """Leave out the icon that leads where the reader may not go."""
        columns = list(super().get_list_display(request))
        if not self.has_schedule_permission(request):
            columns.remove("schedule_link")
        return columns

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProcessModel]:
        """Return the process models with what the list shows of them."""
        return with_parameter_count(with_last_run(super().get_queryset(request)))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ProcessModelChangeList]:
        """Return the list that counts live runs."""
        return ProcessModelChangeList

    def get_readonly_fields(
        self, request: HttpRequest, obj: ProcessModel | None = None
    ) -> Sequence[str]:
        """Return what the code owns; what kind a process model is never changes."""
        if is_owned_by_code(obj):
            return OWNED_BY_CODE
        return ["executor"] if obj else []

    def get_form(self, request: HttpRequest, obj: ProcessModel | None = None, **kwargs: Any) -> Any:
        """Say how a duration is written."""
        kwargs["error_messages"] = {name: {"invalid": WRITE_DURATION} for name in DURATIONS}
        kwargs["help_texts"] = {"default_retry_delay": _("Hours:minutes:seconds, up to a day.")}
        return super().get_form(request, obj, **kwargs)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Call the list what the sidebar calls it."""
        answer: HttpResponse = super().changelist_view(
            request, {"title": _("Scheduler"), **(extra_context or {})}
        )
        return answer

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Show a new configuration as it may be written."""
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        return NEW_COMMAND | given

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the one kind that people add, and show its configuration on several lines."""
        if db_field.name == "configuration":
            kwargs |= configuration_options()
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Leave Python functions to the code."""
        if db_field.name == "executor":
            command = ProcessModel.Executor.COMMAND
            kwargs["choices"] = [(command.value, command.label)]
        return super().formfield_for_choice_field(db_field, request, **kwargs)


@admin.register(Application)
class ApplicationAdmin(AuditedPages, ModelAdmin):
    """Groups of process models."""

    list_display = ["name", "description", "shown_process_models"]
    search_fields = ["name"]
    ordering = ["name"]  # Django leaves out the model's where rows are counted

    @admin.display(description=_("process models"), ordering="process_model_count")
    def shown_process_models(self, application: Any) -> int:
        """Return how many process models belong to it."""
        count: int = application.process_model_count
        return count

    def get_queryset(self, request: HttpRequest) -> QuerySet[Application]:
        """Return the applications with the number of their process models."""
        applications: QuerySet[Application] = super().get_queryset(request)
        return applications.annotate(process_model_count=Count("process_models"))
