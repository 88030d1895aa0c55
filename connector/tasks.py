"""Housekeeping tasks that the beat sends by django-celery-beat's own entries; safe to deliver twice."""

from celery import shared_task

from connector import retention, throttling


@shared_task(name="connector.purge_attempts", ignore_result=True)
def purge_attempts() -> None:
    """Delete wrong attempts to sign in that are older than a day."""
    throttling.purge_attempts()


@shared_task(name="connector.purge_idempotency_records", ignore_result=True)
def purge_idempotency_records() -> None:
    """Delete the records of keys that are free again."""
    retention.purge_idempotency_records()
