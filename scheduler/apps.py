"""The app of plans: when processes run."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SchedulerConfig(AppConfig):
    """Schedules, their fires, and the beat that claims them."""

    name = "scheduler"
    verbose_name = _("Scheduler")

    def ready(self) -> None:
        """Listen to edits of periodic tasks."""
        from scheduler import receivers  # noqa: F401 - models are ready only now
