"""Housekeeping tasks that the beat sends by django-celery-beat's own entries."""

from celery import shared_task

from connector import throttling


@shared_task(name="connector.purge_attempts", ignore_result=True)
def purge_attempts() -> None:
    """Delete wrong attempts to sign in that are older than a day; safe to deliver twice."""
    throttling.purge_attempts()
