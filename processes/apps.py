"""The core app: what can be run, and every run of it."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ProcessesConfig(AppConfig):
    """Process models, runs and workers."""

    name = "processes"
    verbose_name = _("Processes")
