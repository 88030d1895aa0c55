"""Housekeeping tasks that the beat sends by django-celery-beat's own entries."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings

from scheduler import ledger


@shared_task(name="scheduler.fold_ledger", ignore_result=True)
def fold_ledger() -> None:
    """Make one row of each long stretch without a run; safe to deliver twice, late or never."""
    ledger.fold_stretches()


@shared_task(name="scheduler.purge_fires", ignore_result=True)
def purge_fires() -> None:
    """Delete rows of the ledger older than FIRE_RETENTION_DAYS; safe to deliver twice."""
    ledger.purge_fires(timedelta(days=settings.FIRE_RETENTION_DAYS))
