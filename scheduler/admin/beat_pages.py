"""django-celery-beat's five pages in the admin's look; what they do is its own."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django_celery_beat import admin as beat
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

for model in (ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    admin.site.unregister(model)


class TaskSelect(UnfoldAdminSelectWidget, beat.TaskSelectWidget):
    """The choice of registered tasks."""


class PeriodicTaskForm(beat.PeriodicTaskForm):
    """The form, with the fields that it declares itself in the admin's look."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A reader without the right to change has a form without fields.
        if "task" in self.fields:
            self.fields["task"].widget = UnfoldAdminTextInputWidget()
            self.fields["regtask"].widget = TaskSelect()


@admin.register(PeriodicTask)
class PeriodicTaskPage(beat.PeriodicTaskAdmin, ModelAdmin):
    """What the beat sends."""

    form = PeriodicTaskForm
    # The package's template has a script of its own in the page, which a strict
    # Content-Security-Policy refuses; it only repeats the translation shown below the crontab.
    change_form_template = "admin/change_form.html"


class TaskInline(TabularInline):
    """The periodic tasks of a plan."""

    model = PeriodicTask
    fields = ["name", "task", "args", "kwargs"]
    readonly_fields = fields
    verbose_name = verbose_name_plural = beat.PeriodicTaskInline.verbose_name
    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any) -> bool:
        """Refuse: a task chooses its plan."""
        return False


@admin.register(ClockedSchedule)
class ClockedPage(beat.ClockedScheduleAdmin, ModelAdmin):
    """Plans for one moment."""

    inlines = [TaskInline]


@admin.register(CrontabSchedule)
class CrontabPage(beat.CrontabScheduleAdmin, ModelAdmin):
    """Plans of five fields."""

    inlines = [TaskInline]


@admin.register(IntervalSchedule)
class IntervalPage(beat.IntervalScheduleAdmin, ModelAdmin):
    """Plans of every so often."""

    inlines = [TaskInline]


@admin.register(SolarSchedule)
class SolarPage(beat.SolarScheduleAdmin, ModelAdmin):
    """Plans by the sun."""

    inlines = [TaskInline]
