"""The ledger kept small: long stretches without a run in one row, old rows removed."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from uuid import UUID

from django.db import transaction
from django.db.models import Count
from django.db.models.functions import Now

from scheduler.due import MAX_SINGLE_ROWS
from scheduler.models import Fire, Schedule

# Longer than the time between two foldings, so that no row is passed over.
FOLDED_WITHIN = timedelta(minutes=15)
ROWS_AT_ONCE = 5_000
PURGED_AT_ONCE = 1_000


def fold_stretches(within: timedelta = FOLDED_WITHIN) -> int:
    """Make one row of each stretch of over 100 consecutive fire times of one outcome and reason.

    Looked at is what was recorded lately. Return how many rows are fewer now.
    """
    recent = (
        Fire.objects.filter(recorded_at__gt=Now() - within, run=None)
        .order_by()
        .values_list("schedule")
        .annotate(rows=Count("pk"))
    )
    return sum(_fold(schedule_id, rows) for schedule_id, rows in list(recent))


def _fold(schedule_id: UUID, recent: int) -> int:
    """Fold the newest rows of a schedule, `recent` of which are new and have no run."""
    folded = 0
    with transaction.atomic():
        Schedule.objects.locked().filter(pk=schedule_id).first()
        fires = Fire.objects.filter(schedule=schedule_id).newest_first()
        newest = list(fires[: min(recent * 2 + MAX_SINGLE_ROWS + 1, ROWS_AT_ONCE)])
        for _key, rows in groupby(newest, key=_stretch_of):
            folded += _make_one(list(rows))
    return folded


def _stretch_of(fire: Fire) -> tuple[str, str, int]:
    """Return what neighbours of one stretch have in common; a run's row has none."""
    return fire.outcome, fire.reason, 0 if fire.outcome != Fire.Outcome.RAN else fire.pk


def _make_one(rows: Sequence[Fire]) -> int:
    """Make one row of consecutive ones, newest first, if they stand for over 100 fire times."""
    count = sum(row.count for row in rows)
    if len(rows) == 1 or count <= MAX_SINGLE_ROWS:
        return 0
    newest, oldest = rows[0], rows[-1]
    Fire.objects.filter(pk__in=[row.pk for row in rows[:-1]]).delete()
    Fire.objects.filter(pk=oldest.pk).update(
        count=count,
        last_fire_time=newest.last_fire_time or newest.fire_time,
        recorded_at=newest.recorded_at,
    )
    return len(rows) - 1


def purge_fires(older_than: timedelta) -> int:
    """Delete rows of the ledger recorded before that, in batches; return how many."""
    purged = 0
    while True:
        old = Fire.objects.filter(recorded_at__lt=Now() - older_than).order_by("recorded_at")
        count, _ = Fire.objects.filter(
            pk__in=list(old.values_list("pk", flat=True)[:PURGED_AT_ONCE])
        ).delete()
        purged += count
        if count < PURGED_AT_ONCE:
            return purged
