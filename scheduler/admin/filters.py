"""What the list of schedules can be narrowed to."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import DropdownFilter

from scheduler.models import Schedule
from scheduler.states import State


class StateFilter(DropdownFilter):
    """How schedules stand."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        """Return every state that lasts."""
        return [choice for choice in State.choices if choice[0] != State.ARMING]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> QuerySet[Schedule]:
        """Return the schedules that stand so."""
        annotated: Any = queryset
        return annotated.filter(state=self.value()) if self.value() else queryset
