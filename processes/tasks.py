"""The Celery tasks: a doorbell, which is no order, and housekeeping."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings

from processes import audit_keeping, retention
from processes.execution import work_until_idle

# The remote control command by which the beat proves to each node that messages arrive.
LISTEN_COMMAND = "arabica_listen"


@shared_task(name="processes.look", ignore_result=True)
def look(hint: str | None = None) -> None:
    """Look for runs and execute the best ones until none is left.

    Safe to deliver twice, late or never: what is executed is decided by the rows alone. `hint` is
    the run that made somebody ring, for people who read the broker.
    """
    work_until_idle()


@shared_task(name="processes.purge_runs", ignore_result=True)
def purge_runs() -> None:
    """Delete runs that ended over RUN_RETENTION_DAYS ago; safe to deliver twice."""
    retention.purge_runs(timedelta(days=settings.RUN_RETENTION_DAYS))


@shared_task(name="processes.purge_logs", ignore_result=True)
def purge_logs() -> None:
    """Delete the logs of runs made over LOG_RETENTION_DAYS ago; safe to deliver twice."""
    retention.purge_logs(timedelta(days=settings.LOG_RETENTION_DAYS))


@shared_task(name="processes.purge_audit", ignore_result=True)
def purge_audit() -> None:
    """Delete entries of the audit made over AUDIT_RETENTION_DAYS ago; safe to deliver twice."""
    audit_keeping.purge_entries()
