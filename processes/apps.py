"""The core app: what can be run, and every run of it."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class ProcessesConfig(AppConfig):
    """Process models, runs and workers."""

    name = "processes"
    verbose_name = _("Processes")

    def ready(self) -> None:
        """Have the database keep the audit once its tables are there."""
        from processes.audit_keeping import keep_entries

        post_migrate.connect(keep_entries, sender=self)
