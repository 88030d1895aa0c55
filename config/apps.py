"""The project as an app of its own: its management commands and log format."""

from django.apps import AppConfig

from config.logs import configure_structlog


class ConfigConfig(AppConfig):
    """Joins the apps together."""

    name = "config"

    def ready(self) -> None:
        """Send events through the handlers, listen to log-ins, look at the settings."""
        from config import checks, logins  # noqa: F401 - settings and models are ready only now

        configure_structlog()
