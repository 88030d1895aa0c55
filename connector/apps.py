"""The connector app: what other companies' systems talk to."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ConnectorConfig(AppConfig):
    """The connector API, its clients, and the Parameters page."""

    name = "connector"
    verbose_name = _("Connector")
