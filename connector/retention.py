"""What the connector has kept long enough is removed, in batches that hold nobody up."""

from connector.models import IdempotencyRecord

PURGED_AT_ONCE = 1_000


def purge_idempotency_records() -> int:
    """Delete the records whose keys are free again; return how many."""
    purged = 0
    while True:
        old = IdempotencyRecord.objects.outdated().order_by("created_at")
        count, _ = IdempotencyRecord.objects.filter(
            pk__in=list(old.values_list("pk", flat=True)[:PURGED_AT_ONCE])
        ).delete()
        purged += count
        if count < PURGED_AT_ONCE:
            return purged
