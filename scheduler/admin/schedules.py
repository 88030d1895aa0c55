"""The Schedules list and the page of one schedule; both only show."""

from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from processes.admin.wording import coloured, show_json, show_time
from scheduler.models import Schedule


@admin.register(Schedule)
class ScheduleAdmin(ModelAdmin):
    """Plans of process models."""

    list_display = [
        "name_and_model",
        "shown_quartz",
        "shown_state",
        "shown_next_fire_time",
        "shown_worker",
        "requested_by",
    ]
    list_select_related = ["periodic_task", "process_model", "worker"]
    list_filter = ["periodic_task__enabled", "process_model"]
    list_per_page = 50
    search_fields = ["periodic_task__name", "process_model__name"]
    fieldsets = [
        (None, {"fields": ["robusta_spid", "process_model", "shown_state", "error"]}),
        (
            _("Plan"),
            {
                "fields": [
                    ("shown_quartz", "time_zone"),
                    ("shown_start", "shown_end"),
                    "shown_next_fire_time",
                    ("misfire", "overlap"),
                ]
            },
        ),
        (
            _("Runs"),
            {
                "fields": [
                    "shown_values",
                    ("worker", "priority"),
                    ("retry_count", "retry_delay"),
                    ("requested_by", "created_at"),
                ]
            },
        ),
        (_("For operators"), {"fields": [("periodic_task", "owner")]}),
    ]

    @display(description=_("schedule"), header=True)
    def name_and_model(self, schedule: Schedule) -> tuple[str, str]:
        """Return the schedule's name over what it runs."""
        return schedule.periodic_task.name, schedule.process_model.name

    @admin.display(description=_("id (robustaSpid)"))
    def robusta_spid(self, schedule: Schedule) -> SafeString:
        """Return the id that the API answers for the plan, to copy."""
        return render_to_string("admin/copyable.html", {"text": schedule.pk})

    @admin.display(description=_("values"))
    def shown_values(self, schedule: Schedule) -> SafeString:
        """Return the values its runs are started with."""
        return show_json(schedule.values)

    @admin.display(description=_("Quartz expression"))
    def shown_quartz(self, schedule: Schedule) -> SafeString:
        """Return the expression as it was given."""
        return format_html("<code>{}</code>", schedule.quartz)

    @admin.display(description=_("state"))
    def shown_state(self, schedule: Schedule) -> SafeString:
        """Return whether fire times are due, and if not, why."""
        if schedule.error:
            return coloured(_now("broken"), "danger")
        if not schedule.periodic_task.enabled:
            return coloured(_now("disabled"))
        if schedule.paused_at:
            return coloured(_now("paused"), "warning")
        if schedule.next_fire_time is None:
            return coloured(_now("not armed"))
        return coloured(_now("armed"), "success")

    @admin.display(description=_("next fire time"), ordering="next_fire_time")
    def shown_next_fire_time(self, schedule: Schedule) -> str:
        """Return when it runs next."""
        return show_time(schedule.next_fire_time) or "-"

    @admin.display(description=_("start"))
    def shown_start(self, schedule: Schedule) -> str:
        """Return the first moment the plan holds for."""
        return show_time(schedule.periodic_task.start_time) or "-"

    @admin.display(description=_("end"))
    def shown_end(self, schedule: Schedule) -> str:
        """Return the last moment the plan holds for."""
        return show_time(schedule.periodic_task.expires) or "-"

    @admin.display(description=_("worker"))
    def shown_worker(self, schedule: Schedule) -> str:
        """Return the worker its runs are meant for."""
        return str(schedule.worker or _("any"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: this page only shows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        """Refuse: this page only shows."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        """Refuse: this page only shows."""
        return False
