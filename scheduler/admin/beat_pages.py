"""django-celery-beat's five pages in the admin's look; rows of schedules are edited as schedules."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django_celery_beat import admin as beat
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin, TabularInline

from processes.admin.audited import AuditedPages
from processes.models.trails import recording
from scheduler import planning, switching
from scheduler.admin.actions import RUN_PERMISSION
from scheduler.admin.beat_forms import PeriodicTaskForm, PlannedTaskForm
from scheduler.exceptions import CannotRun, SchedulerError
from scheduler.models import Schedule

for model in (ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    admin.site.unregister(model)


@admin.register(PeriodicTask)
class PeriodicTaskPage(beat.PeriodicTaskAdmin, AuditedPages, ModelAdmin):
    """What the beat sends; a row that belongs to a schedule is edited as the schedule is."""

    form = PeriodicTaskForm
    ordering = ["name"]
    # The package's template has a script of its own in the page, which a strict
    # Content-Security-Policy refuses; it only repeats the translation shown below the crontab.
    change_form_template = "admin/change_form.html"
    # A list of all crontabs would be as long as there are plans.
    autocomplete_fields = ["crontab"]
    list_display = [
        "name",
        "enabled",
        "scheduler",
        "start_time",
        "last_run_at",
        "one_off",
        "schedule_link",
    ]
    list_per_page = 50

    @admin.display(description=_("schedule"))
    def schedule_link(self, task: PeriodicTask) -> str:
        """Return the link to the schedule that the row belongs to."""
        schedule = plan_of(task)
        if schedule is None:
            return "-"
        page = reverse("admin:scheduler_schedule_change", args=[schedule.pk])
        return format_html('<a href="{}" class="ar-link">{}</a>', page, _now("to the schedule"))

    @admin.action(description=beat.PeriodicTaskAdmin.enable_tasks.short_description)
    def enable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Enable them; what has changed is told of each, although one UPDATE does it."""
        with recording(*_told_of(queryset)):
            super().enable_tasks(request, queryset)

    @admin.action(description=beat.PeriodicTaskAdmin.disable_tasks.short_description)
    def disable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Disable them; what has changed is told of each, although one UPDATE does it."""
        with recording(*_told_of(queryset)):
            super().disable_tasks(request, queryset)

    @admin.action(description=beat.PeriodicTaskAdmin.toggle_tasks.short_description)
    def toggle_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Enable or disable each; what has changed is told, although one UPDATE does it."""
        with recording(*_told_of(queryset)):
            super().toggle_tasks(request, queryset)

    @admin.action(description=_("Run selected tasks"))
    def run_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Queue a run of each schedule; send the other tasks."""
        for task in queryset.exclude(plan=None):
            self._run_schedule(request, task)
        others = queryset.filter(plan=None)
        if others:
            super().run_tasks(request, others)

    def _run_schedule(self, request: HttpRequest, task: PeriodicTask) -> None:
        try:
            if not request.user.has_perm(RUN_PERMISSION):
                raise CannotRun(_now("You may not run schedules."))
            with transaction.atomic():
                run = switching.run_now(task.plan.pk, requested_by=str(request.user))
                said = _now("Run by hand: %(run)s.") % {"run": run.pk}
                self.log_change(request, task.plan, said)
        except (SchedulerError, Schedule.DoesNotExist) as error:
            refusal = {"name": task.name, "reason": error}
            self.message_user(request, _now("%(name)s: %(reason)s") % refusal, messages.ERROR)
        else:
            told = _now("%(name)s: a run was queued.") % {"name": task.name}
            self.message_user(request, told, messages.SUCCESS)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Store an edit; that of a schedule's row under its lock, and only what was changed.

        Fire times that have come are settled by the old plan first.
        """
        schedule = plan_of(obj) if change else None
        if schedule is None:
            super().save_model(request, obj, form, change)
            return
        columns = form.changed_columns()
        disable = "enabled" in columns and not obj.enabled
        with planning.changing(schedule.pk, disable=disable) as locked:
            stored = locked.periodic_task
            for name in columns:
                setattr(stored, name, getattr(obj, name))
            stored.no_changes = True  # the beat's own list of tasks leaves this row out
            super().save_model(request, stored, form, change)
            said = _now("Changed on the page of its periodic task: %(columns)s.")
            self.log_change(request, locked, said % {"columns": ", ".join(columns) or "-"})

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete a row; that of a schedule with the schedule."""
        self.delete_queryset(request, PeriodicTask.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Delete rows; those of schedules with the schedules."""
        planned = list(queryset.exclude(plan=None).values_list("plan", flat=True))
        planning.delete_schedules(planned)
        super().delete_queryset(request, queryset)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """Name the schedules that are deleted too, without listing their ledgers."""
        planned = [task for task in objs if plan_of(task)]
        others = [task for task in objs if not plan_of(task)]
        to_delete, counts, perms_needed, protected = super().get_deleted_objects(others, request)
        for task in planned:
            text = _now(
                "%(name)s, with its schedule and ledger: API clients that ask for %(id)s will get"
                " 404; its runs stay"
            )
            to_delete.append(text % {"name": task.name, "id": task.plan.pk})
        if planned:
            name = Schedule._meta.verbose_name_plural
            counts = {**counts, name: len(planned)}
            if not request.user.has_perm("scheduler.delete_schedule"):
                perms_needed.add(Schedule._meta.verbose_name)
        return to_delete, counts, perms_needed, protected

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Take the right to change schedules too, for a row that belongs to one."""
        is_permitted = obj is None or _may(request, "change", obj)
        return is_permitted and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Take the right to delete schedules too, for a row that belongs to one."""
        is_permitted = obj is None or _may(request, "delete", obj)
        return is_permitted and super().has_delete_permission(request, obj)

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Return the form that knows what a schedule can be, for a row that belongs to one."""
        if obj is not None and plan_of(obj):
            kwargs["form"] = PlannedTaskForm
        return super().get_form(request, obj, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Lead to the schedule, for a row that belongs to one."""
        fieldsets = list(super().get_fieldsets(request, obj))
        if obj is None or plan_of(obj) is None:
            return fieldsets
        note = _("Edits here change the schedule at once: it fires as this page says from now on.")
        return [(None, {"fields": ["schedule_link"], "description": note}), *fieldsets]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is only shown."""
        return [*super().get_readonly_fields(request, obj), "schedule_link"]

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the rows with what they show of their schedules."""
        return super().get_queryset(request).select_related("plan")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """Pass over the package's own view, which puts every crontab into words for a script."""
        return super(beat.PeriodicTaskAdmin, self).changeform_view(
            request, object_id, form_url, extra_context
        )


def plan_of(task: PeriodicTask) -> Schedule | None:
    """Return the schedule that a periodic task belongs to, None for a task of its own."""
    return getattr(task, "plan", None)


def _told_of(tasks: QuerySet[PeriodicTask]) -> list[Any]:
    """Return what entries of these rows tell of: schedules, and tasks of their own."""
    return [plan_of(task) or task for task in tasks]


def _may(request: HttpRequest, verb: str, task: PeriodicTask) -> bool:
    return plan_of(task) is None or request.user.has_perm(f"scheduler.{verb}_schedule")


class TaskInline(TabularInline):
    """The periodic tasks of a plan."""

    model = PeriodicTask
    fields = ["name", "task", "args", "kwargs"]
    readonly_fields = fields
    verbose_name = verbose_name_plural = beat.PeriodicTaskInline.verbose_name
    extra = 0
    per_page = 20
    can_delete = False
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the tasks by name, so that their pages are stable."""
        return super().get_queryset(request).order_by("name")

    def has_add_permission(self, request: HttpRequest, obj: Any) -> bool:
        """Refuse: a task chooses its plan."""
        return False


@admin.register(ClockedSchedule)
class ClockedPage(beat.ClockedScheduleAdmin, ModelAdmin):
    """Plans for one moment."""

    inlines = [TaskInline]


@admin.register(CrontabSchedule)
class CrontabPage(beat.CrontabScheduleAdmin, ModelAdmin):
    """Plans of five fields. Those that schedules are shown as are shared, and only shown."""

    inlines = [TaskInline]
    search_fields = ["minute", "hour", "day_of_month", "month_of_year", "day_of_week", "timezone"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse where a schedule would be planned anew by an edit that is not about it."""
        return not _serves_schedule(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse where schedules would be deleted with it."""
        return not _serves_schedule(obj) and super().has_delete_permission(request, obj)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """Say why a crontab cannot be edited."""
        if (
            request.method == "GET"
            and object_id
            and _serves_schedule(self.get_object(request, object_id))
        ):
            why = _now(
                "Schedules are shown as this crontab, so it cannot be changed or deleted. To plan one"
                " anew, edit the schedule, or choose another crontab for its periodic task."
            )
            self.message_user(request, why, messages.WARNING)
        return super().changeform_view(request, object_id, form_url, extra_context)


@admin.register(IntervalSchedule)
class IntervalPage(beat.IntervalScheduleAdmin, ModelAdmin):
    """Plans of every so often."""

    inlines = [TaskInline]


@admin.register(SolarSchedule)
class SolarPage(beat.SolarScheduleAdmin, ModelAdmin):
    """Plans by the sun."""

    inlines = [TaskInline]


def _serves_schedule(crontab: CrontabSchedule | None) -> bool:
    return crontab is not None and Schedule.objects.filter(periodic_task__crontab=crontab).exists()
