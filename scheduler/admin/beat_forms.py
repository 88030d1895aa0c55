"""The form of a periodic task, and what it refuses of one that belongs to a schedule."""

from typing import Any

from django.utils.translation import gettext as _
from django_celery_beat import admin as beat
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from processes.models import Worker
from processes.models.workers import SHARED_QUEUE
from scheduler.crontabs import to_quartz
from scheduler.exceptions import UnusableCrontab

OTHER_KINDS = ("interval", "solar", "clocked")


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

    def clean(self) -> Any:
        """Check the rest only if the task's name was taken: django-celery-beat relies on it."""
        return self.cleaned_data if self.has_error("task") else super().clean()


class PlannedTaskForm(PeriodicTaskForm):
    """The form of a periodic task whose schedule follows what is edited here.

    It knows what it showed (the hidden initial values), so that only what the person changed is
    stored: a beat may have finished a run-once plan since.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = True

    def clean(self) -> Any:
        """Refuse what a schedule cannot be, each at its field."""
        self._check_kind()
        self._check_end()
        self._check_queue()
        return super().clean()

    def changed_columns(self) -> list[str]:
        """Return the fields of the row that the person changed."""
        chosen = {"task" if name == "regtask" else name for name in self.changed_data}
        columns = {field.name for field in self._meta.model._meta.concrete_fields}
        return sorted(chosen & columns)

    def _check_kind(self) -> None:
        for name in OTHER_KINDS:
            if self.cleaned_data.get(name) is not None:
                self.add_error(
                    name, _("It belongs to a schedule, which follows a crontab: leave this empty.")
                )
        crontab = self.cleaned_data.get("crontab")
        if crontab is None:
            if "crontab" in self.cleaned_data:
                self.add_error("crontab", _("It belongs to a schedule, which needs a crontab."))
        elif "crontab" in self.changed_data:
            try:
                to_quartz(crontab)
            except UnusableCrontab as error:
                self.add_error("crontab", str(error))

    def _check_end(self) -> None:
        start, end = self.cleaned_data.get("start_time"), self.cleaned_data.get("expires")
        if start and end and end <= start:
            self.add_error("expires", _("The end has to be later than the start."))
        if self.cleaned_data.get("expire_seconds") is not None:
            self.add_error(
                "expire_seconds",
                _("A schedule ends at a moment: give it as the expiry date and time above."),
            )

    def _check_queue(self) -> None:
        queue = self.cleaned_data.get("queue")
        if not queue or queue == SHARED_QUEUE or "queue" not in self.changed_data:
            return
        number = queue.removeprefix("worker-")
        is_number = number.isascii() and number.isdigit() and len(number) < 19
        worker = Worker.objects.filter(pk=number).first() if is_number else None
        if worker is None or worker.queue != queue:
            self.add_error(
                "queue",
                _("No worker has this queue: write worker-1 for worker 1, or shared for any."),
            )
