"""When a run was asked for, found in the primary key, and a count that ends early."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter, RangeDateTimeFilter

from processes.models import Run

MAX_COUNTED = 10_000


class LimitedPaginator(Paginator):  # type: ignore[type-arg]  # takes none at runtime
    """Pages of the newest 10,000: counting further would read a table of millions."""

    template_name = "admin/processes/run/pagination.html"

    @cached_property
    def count(self) -> int:
        """Return the number of rows, or 10,000 if there are more."""
        return min(self._counted, MAX_COUNTED)

    @property
    def has_more(self) -> bool:
        """Tell whether there are more rows than pages."""
        return self._counted > MAX_COUNTED

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by("-pk")[: MAX_COUNTED + 1].count())


def first_id_at(moment: datetime) -> uuid.UUID:
    """Return the lowest id a run made at `moment` may have: the ids begin with their time.

    So a span of time is a span of the primary key, which is the order of the list; `created_at`
    needs no index.
    """
    milliseconds = max(int(moment.timestamp() * 1000), 0)
    return uuid.UUID(int=milliseconds << 80)


class PeriodFilter(DropdownFilter):
    """The last seven days, unless the reader asks for others, for a range or for one run."""

    title = _("period")
    parameter_name = "period"
    all_option = ["", _("Last 7 days")]
    spans = {
        "hour": timedelta(hours=1),
        "day": timedelta(days=1),
        "": timedelta(days=7),
        "month": timedelta(days=30),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        """Return the periods to choose from, beside the default."""
        return [
            ("hour", _("Last hour")),
            ("day", _("Last 24 hours")),
            ("month", _("Last 30 days")),
            ("all", _("Any time")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        """Return the runs of the period."""
        if is_default_period(request):
            return queryset.filter(pk__gte=first_id_at(timezone.now() - self.spans[""]))
        span = self.spans.get(self.value() or "all")
        if span is None:
            return queryset
        return queryset.filter(pk__gte=first_id_at(timezone.now() - span))


def is_default_period(request: HttpRequest) -> bool:
    """Tell whether the reader asks for no period, no range of time and no single run."""
    return not request.GET.get("period") and not _is_narrowed(request)


def _is_narrowed(request: HttpRequest) -> bool:
    narrowing = ("q", "created_at_from_0", "created_at_to_0")
    return any(request.GET.get(name) for name in narrowing)


class CreatedFilter(RangeDateTimeFilter):
    """A range of time, read in the site's time zone."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        """Return the runs asked for in the range, both ends included."""
        start = self._read("from", "00:00:00")
        end = self._read("to", "23:59:59")
        if start:
            queryset = queryset.filter(pk__gte=first_id_at(start))
        if end:
            queryset = queryset.filter(pk__lt=first_id_at(end + timedelta(seconds=1)))
        return queryset

    def _read(self, end: str, default_time: str) -> datetime | None:
        """Return one end of the range; None when it is not given or cannot be read."""
        day = self.used_parameters.get(f"created_at_{end}_0")
        time = self.used_parameters.get(f"created_at_{end}_1") or default_time
        try:
            moment = datetime.fromisoformat(f"{day} {time}")
        except ValueError:
            return None
        return timezone.make_aware(moment) if timezone.is_naive(moment) else moment
