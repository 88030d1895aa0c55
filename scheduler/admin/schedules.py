"""The Schedules list and the page of one schedule, as those see it who may only view it."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin.dropdown_filters import RelatedDropdownFilter
from unfold.decorators import display
from unfold.views import ChangeList

from processes.admin.audited import AuditedPages
from processes.admin.export import CsvExport
from processes.admin.wording import show_json
from processes.secrets import mask
from scheduler.admin.actions import RUN_PERMISSION, ScheduleActions, is_fitting
from scheduler.admin.exports import ScheduleExport
from scheduler.admin.filters import StateFilter
from scheduler.admin.form_pages import FormPages
from scheduler.admin.ledger import LedgerPage
from scheduler.admin.preview import PreviewPage
from scheduler.admin.wording import (
    describe_schedule,
    explain_state,
    may_view_runs,
    show_countdown,
    show_foreseen,
    show_moment,
    show_outcome,
    show_run,
    show_state,
    zone_of,
)
from scheduler.models import Fire, Schedule
from scheduler.outlook import foresee
from scheduler.states import with_state

MIN_BLANKS_OF_QUARTZ = 5
ROW_ICONS = [
    ("ledger", "receipt_long", _("Ledger of %(name)s"), "scheduler.view_schedule"),
    ("run_one", "play_arrow", _("Run %(name)s now"), RUN_PERMISSION),
    ("pause_one", "pause", _("Pause %(name)s"), "scheduler.change_schedule"),
    ("resume_one", "resume", _("Resume %(name)s"), "scheduler.change_schedule"),
    ("enable_one", "toggle_on", _("Enable %(name)s"), "scheduler.change_schedule"),
    (
        "skip_one",
        "skip_next",
        _("Skip the next fire time of %(name)s"),
        "scheduler.change_schedule",
    ),
]


class ScheduleChangeList(ChangeList):
    """The list, with the last outcome and the icons of the rows it shows."""

    def get_results(self, request: HttpRequest) -> None:
        """Attach `last_fire` and `icons` to each row; the newest fires take one query for all."""
        super().get_results(request)
        # Where the two differ the header offers to "show all".
        self.full_result_count = self.result_count
        newest = [row.last_fire_id for row in self.result_list if row.last_fire_id]
        fires = Fire.objects.select_related("run").in_bulk(newest)
        allowed = [icon for icon in ROW_ICONS if request.user.has_perm(icon[3])]
        for row in self.result_list:
            row.last_fire = fires.get(row.last_fire_id)
            row.leads_to_runs = may_view_runs(request)
            row.icons = [icon for icon in allowed if is_fitting(icon[0], row.state)]


@admin.register(Schedule)
class ScheduleAdmin(
    CsvExport, ScheduleActions, FormPages, PreviewPage, LedgerPage, AuditedPages, ModelAdmin
):
    """Plans of process models."""

    list_display = [
        "name_and_model",
        "plan",
        "shown_state",
        "shown_next_fire_time",
        "last_outcome",
        "shown_worker",
        "icons",
    ]
    list_select_related = ["periodic_task", "process_model", "worker"]
    list_filter = [
        StateFilter,
        ("process_model", RelatedDropdownFilter),
        ("worker", RelatedDropdownFilter),
    ]
    list_filter_submit = True
    list_fullwidth = True
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER  # they would count the table, once for every choice
    show_full_result_count = False
    search_fields = ["periodic_task__name", "process_model__name", "quartz"]
    csv_resource = ScheduleExport
    search_help_text = _("Name, process model, Quartz expression or whole robustaSpid")
    fieldsets = [
        (None, {"fields": ["robusta_spid", "runs_what", "shown_state"]}),
        (
            _("Scheduling properties"),
            {
                "fields": [
                    "plan",
                    ("shown_start", "shown_end"),
                    ("run_once", "shown_next_fire_time"),
                    ("misfire", "overlap"),
                    ("shown_worker", "priority"),
                    ("retry_count", "retry_delay"),
                ]
            },
        ),
        (_("Working properties"), {"fields": ["shown_values"]}),
        (_("For operators"), {"fields": [("requested_by", "owner"), "created_at"]}),
    ]

    @display(description=_("schedule"), header=True, ordering="periodic_task__name")
    def name_and_model(self, schedule: Schedule) -> tuple[str, str]:
        """Return the schedule's name over what it runs."""
        return schedule.periodic_task.name, schedule.process_model.name

    @admin.display(description=_("id (robustaSpid)"))
    def robusta_spid(self, schedule: Schedule) -> SafeString:
        """Return the id that the API answers for the plan, to copy."""
        return render_to_string("admin/copyable.html", {"text": schedule.pk})

    @admin.display(description=_("process model"))
    def runs_what(self, schedule: Schedule) -> str:
        """Return what it runs; whoever may only view schedules may not open it."""
        return schedule.process_model.name

    @admin.display(description=_("values"))
    def shown_values(self, schedule: Schedule) -> SafeString:
        """Return the values its runs are started with."""
        return show_json(mask(schedule.values, schedule.process_model.secret_names))

    @admin.display(description=_("plan"), ordering="quartz")
    def plan(self, schedule: Schedule) -> SafeString:
        """Return the plan in words, over the expression as it was given and its zone."""
        words = describe_schedule(schedule)
        expression = format_html(
            '<span class="ar-quiet"><code class="ar-quartz">{}</code> {}</span>',
            schedule.quartz,
            schedule.time_zone,
        )
        if words in {"", schedule.quartz}:
            return expression
        return format_html(
            '<div class="ar-cell"><span class="ar-words">{}</span>{}</div>', words, expression
        )

    @admin.display(description=_("state"))
    def shown_state(self, schedule: Any) -> SafeString:
        """Return how it stands, and what a person has to know about that."""
        explanation = explain_state(schedule, schedule.state)
        if not explanation:
            return show_state(schedule.state)
        return format_html(
            '<div class="ar-cell">{} <span class="ar-quiet ar-explanation">{}</span></div>',
            show_state(schedule.state),
            explanation,
        )

    @admin.display(description=_("next fire time"), ordering="next_fire_time")
    def shown_next_fire_time(self, schedule: Any) -> str:
        """Return when it fires next, in its zone, over how long that is."""
        if schedule.next_fire_time is None:
            return "-"
        foreseen = foresee(schedule, schedule.next_fire_time)
        is_skipped = foreseen != Fire.Outcome.SKIPPED_PAUSED  # the state says that
        return format_html(
            '<div class="ar-cell"><span class="ar-nowrap">{}</span><br>'
            '<span class="ar-quiet ar-nowrap">{}</span> {}</div>',
            show_moment(schedule.next_fire_time, zone_of(schedule)),
            show_countdown(schedule.next_fire_time, schedule.now),
            show_foreseen(foreseen) if is_skipped else "",
        )

    @admin.display(description=_("last outcome"))
    def last_outcome(self, schedule: Any) -> str:
        """Return what became of the newest fire time; a run shows its status, linked."""
        fire: Fire | None = schedule.last_fire
        if fire is None:
            return "-"
        if fire.run is None:
            label = show_outcome(fire.outcome)
        else:
            label = show_run(fire.run, is_linked=schedule.leads_to_runs)
        return format_html(
            '<div class="ar-cell">{}<br><span class="ar-quiet ar-nowrap ar-small">{}</span></div>',
            label,
            show_moment(
                fire.last_fire_time or fire.fire_time, zone_of(schedule), "DATETIME_FORMAT"
            ),
        )

    @admin.display(description=_("start"))
    def shown_start(self, schedule: Schedule) -> str:
        """Return the first moment the plan holds for."""
        start = schedule.periodic_task.start_time
        return show_moment(start, zone_of(schedule)) if start else "-"

    @admin.display(description=_("end"))
    def shown_end(self, schedule: Schedule) -> str:
        """Return the last moment the plan holds for."""
        end = schedule.periodic_task.expires
        return show_moment(end, zone_of(schedule)) if end else "-"

    @admin.display(description=_("run once"), boolean=True)
    def run_once(self, schedule: Schedule) -> bool:
        """Return whether it is finished after its first run."""
        return bool(schedule.periodic_task.one_off)

    @admin.display(description=_("worker"), ordering="worker")
    def shown_worker(self, schedule: Schedule) -> str:
        """Return the worker its runs are meant for."""
        return format_html('<span class="ar-worker">{}</span>', schedule.worker or _now("any"))

    @admin.display(description=_("actions"))
    def icons(self, schedule: Any) -> SafeString:
        """Return what can be done with it, always visible."""
        links = [
            {
                "url": reverse(f"admin:scheduler_schedule_{name}", args=[schedule.pk]),
                "icon": icon,
                "title": str(title) % {"name": schedule.periodic_task.name},
            }
            for name, icon, title, _permission in schedule.icons
        ]
        return render_to_string("admin/scheduler/schedule/icons.html", {"links": links})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        """Return the schedules with their state, and their newest fire by the index `fire_once`."""
        newest = Fire.objects.filter(schedule=OuterRef("pk")).newest_first().values("pk")
        schedules = with_state(super().get_queryset(request))
        return schedules.annotate(last_fire_id=Subquery(newest[:1])).select_related(
            *self.list_select_related
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Schedule], search_term: str
    ) -> tuple[QuerySet[Schedule], bool]:
        """Find a schedule by its whole id, or by an expression, which is not taken word by word."""
        wanted = search_term.strip()
        if wanted.count(" ") >= MIN_BLANKS_OF_QUARTZ and wanted[0] in "0123456789*":
            return queryset.filter(quartz__icontains=wanted), False
        try:
            return queryset.filter(pk=UUID(wanted)), False
        except ValueError:
            found: tuple[QuerySet[Schedule], bool] = super().get_search_results(
                request, queryset, search_term
            )
            return found

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ScheduleChangeList]:
        """Return the list that knows the last outcomes."""
        return ScheduleChangeList

    def get_urls(self) -> list[URLPattern]:
        """Add the preview and the ledger, before the pages whose address holds an id."""
        wrap = self.admin_site.admin_view
        own = [
            path("preview/", wrap(self.preview_view), name="scheduler_schedule_preview"),
            path(
                "<path:object_id>/ledger/", wrap(self.ledger_view), name="scheduler_schedule_ledger"
            ),
        ]
        return [*own, *super().get_urls()]
