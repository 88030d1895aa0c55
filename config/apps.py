"""The project as an app of its own: its management commands and log format."""

import importlib

from django.apps import AppConfig

from config.logs import configure_structlog


class ConfigConfig(AppConfig):
    """Joins the apps together."""

    name = "config"

    def ready(self) -> None:
        """Send structured events through the configured handlers, and look at the settings."""
        configure_structlog()
        importlib.import_module("config.checks")  # registers the system checks
