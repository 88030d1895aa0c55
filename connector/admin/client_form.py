"""The form of an API client: where it may call from, one network a line."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from connector.models import ApiClient
from connector.models.api_clients import read_networks
from processes.admin.widgets import CodeArea


class NetworksField(forms.CharField):
    """Addresses and networks, one a line; commas and blanks part them as well."""

    widget = CodeArea

    def prepare_value(self, value: Any) -> Any:
        """Return the stored list as lines, and what was typed as it is."""
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Return the networks in their usual form. Raise ValidationError for what is none."""
        return read_networks(str(value or "").replace(",", " ").split())

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Tell whether other networks are named."""
        return bool(super().has_changed(self.prepare_value(initial), data))


class ApiClientForm(forms.ModelForm):  # type: ignore[type-arg]  # takes none at runtime
    """What is asked of an API client."""

    allowed_networks = NetworksField(
        label=_("Allowed networks"),
        required=False,
        help_text=ApiClient._meta.get_field("allowed_networks").help_text,
    )

    def clean(self) -> dict[str, Any] | None:
        """Limit the client to what is listed, ticked or not."""
        cleaned = super().clean()
        if cleaned is None:
            return None
        if cleaned.get("applications") or cleaned.get("process_models"):
            cleaned["only_listed_process_models"] = True
        if cleaned.get("workers"):
            cleaned["only_listed_workers"] = True
        return cleaned
