"""What the list of API clients can be narrowed to."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import DropdownFilter

from connector.models import ApiClient

CHOICES = {
    "day": (_("in the last 24 hours"), Q(last_used_at__gte=Now() - timedelta(days=1))),
    "month": (_("in the last 30 days"), Q(last_used_at__gte=Now() - timedelta(days=30))),
    "idle": (_("not in the last 30 days"), Q(last_used_at__lt=Now() - timedelta(days=30))),
    "never": (_("never"), Q(last_used_at=None)),
}


class UseFilter(DropdownFilter):
    """When clients last called with a right password."""

    title = _("last used")
    parameter_name = "used"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        """Return the spans."""
        return [(name, label) for name, (label, _condition) in CHOICES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiClient]) -> QuerySet[ApiClient]:
        """Return the clients that were last used then."""
        chosen = CHOICES.get(self.value() or "")
        return queryset.filter(chosen[1]) if chosen else queryset
