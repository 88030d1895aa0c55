"""Old runs and logs are removed, in batches that hold nobody up."""

import uuid
from datetime import datetime, timedelta

from django.db.models.functions import Now
from django.utils import timezone

from processes.models import Run, RunLog

RUNS_AT_ONCE = 200
LOG_CHUNKS_AT_ONCE = 1_000


def purge_runs(older_than: timedelta) -> int:
    """Delete finished runs that ended before that, with attempts and logs; return how many."""
    purged, last = 0, uuid.UUID(int=0)
    while True:
        # Along the primary key, which is time-ordered, so that no index on a date is needed.
        runs = Run.objects.filter(pk__gt=last, pk__lt=first_id_of(timezone.now() - older_than))
        ids = list(runs.order_by("pk").values_list("pk", flat=True)[:RUNS_AT_ONCE])
        if not ids:
            return purged
        last = ids[-1]
        old = Run.objects.filter(pk__in=ids, finished_at__lt=Now() - older_than)
        purged += old.count()
        old.delete()


def purge_logs(older_than: timedelta) -> int:
    """Delete the logs of runs that were made before that and are finished; return how many chunks."""
    purged = 0
    while True:
        chunks = RunLog.objects.filter(
            run__lt=first_id_of(timezone.now() - older_than), run__finished_at__isnull=False
        )
        ids = list(chunks.order_by("run").values_list("pk", flat=True)[:LOG_CHUNKS_AT_ONCE])
        if not ids:
            return purged
        RunLog.objects.filter(pk__in=ids).delete()
        purged += len(ids)


def first_id_of(moment: datetime) -> uuid.UUID:
    """Return the lowest UUID that a run made at `moment` can have (RFC 9562, version 7)."""
    return uuid.UUID(int=int(moment.timestamp() * 1000) << 80)
