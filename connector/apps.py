"""The connector app: what other companies' systems talk to."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ConnectorConfig(AppConfig):
    """The connector API, its clients, and the Parameters page."""

    name = "connector"
    verbose_name = _("Connector")

    def ready(self) -> None:
        """Refuse a user the name of an API client, in every form and in `createsuperuser`."""
        from django.contrib.auth import get_user_model

        from connector.models.api_clients import require_no_client

        users = get_user_model()
        name = users._meta.get_field(users.USERNAME_FIELD)
        # The model is not ours. A validator that is added here is no part of its migrations.
        name.validators.append(require_no_client)  # type: ignore[union-attr]  # no relation
