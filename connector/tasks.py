"""Housekeeping of the connector, which the beat sends by an entry of django-celery-beat's."""

from celery import shared_task

from connector import retention


@shared_task(name="connector.purge_idempotency_records", ignore_result=True)
def purge_idempotency_records() -> None:
    """Delete the records of keys that are free again; safe to deliver twice, late or never."""
    retention.purge_idempotency_records()
