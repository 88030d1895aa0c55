"""Housekeeping tasks that the beat sends by django-celery-beat's own entries; safe to deliver twice."""

from datetime import timedelta

from axes.models import AccessAttempt
from celery import shared_task
from django.utils import timezone

from connector import retention


@shared_task(name="connector.purge_attempts", ignore_result=True)
def purge_attempts() -> None:
    """Delete wrong attempts to sign in that are older than a day.

    Those of log-ins to the admin go earlier, at the next one, if there is a next one.
    """
    retention.purge_attempts()
    old = timezone.now() - timedelta(days=1)
    AccessAttempt.objects.filter(attempt_time__lt=old).delete()


@shared_task(name="connector.purge_idempotency_records", ignore_result=True)
def purge_idempotency_records() -> None:
    """Delete the records of keys that are free again."""
    retention.purge_idempotency_records()
