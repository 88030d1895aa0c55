"""What the connector has kept long enough is removed, in batches that hold nobody up."""

from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from connector import throttling
from connector.models import IdempotencyRecord, WrongAttempt

PURGED_AT_ONCE = 1_000


def purge_attempts() -> int:
    """Delete the wrong attempts that are older than a day; return how many."""
    old = WrongAttempt.objects.filter(attempted_at__lt=Now() - throttling.KEPT)
    return _purge(old.order_by("attempted_at"))


def purge_idempotency_records() -> int:
    """Delete the records whose keys are free again; return how many."""
    return _purge(IdempotencyRecord.objects.outdated().order_by("created_at"))


def _purge(old: QuerySet[Any]) -> int:
    purged = 0
    while ids := list(old.values_list("pk", flat=True)[:PURGED_AT_ONCE]):
        purged += old.model.objects.filter(pk__in=ids).delete()[0]
    return purged
