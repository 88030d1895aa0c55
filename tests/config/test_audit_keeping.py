"""The database refuses to change the audit, and to delete what is to be kept."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from uuid_utils.compat import UUID

from processes.audit_keeping import entry_models, keep_entries, purge_entries
from processes.models import AuditEvent
from processes.models.trails import record_event
from processes.retention import first_id_of
from processes.tasks import purge_audit
from tests.audit import brief, entries, history_of
from tests.factories import WorkerFactory

pytestmark = pytest.mark.django_db


def execute(statement: str) -> None:
    """Carry out a statement of SQL in a transaction of its own."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def make_old_event(age: timedelta) -> AuditEvent:
    """Store an event as if it had happened so long ago."""
    moment = timezone.now() - age
    return AuditEvent.objects.create(
        history_id=UUID(int=first_id_of(moment).int + 1),
        history_date=moment,
        actor="user:ada",
        kind=AuditEvent.Kind.LOGGED_IN,
    )


@pytest.mark.parametrize("model", entry_models(), ids=lambda model: model._meta.db_table)
def test_every_table_of_entries_is_kept(model: Any) -> None:
    keep_entries()
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass ORDER BY 1", [table]
            )
        else:
            cursor.execute(
                "SELECT name FROM sqlite_master WHERE tbl_name = %s AND type = 'trigger'", [table]
            )
        assert len(cursor.fetchall()) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda row: execute("UPDATE processes_historicalworker SET actor = 'user:eve'"),
        lambda row: execute("DELETE FROM processes_historicalworker"),
        lambda row: row.delete(),
        lambda row: row.save(),
        lambda row: type(row).objects.all().delete(),
    ],
    ids=["SQL update", "SQL delete", "delete", "save", "bulk delete"],
)
def test_an_entry_is_neither_changed_nor_deleted(change: Callable[[Any], None]) -> None:
    keep_entries()
    worker = WorkerFactory.create()
    row = history_of(worker).get()

    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        change(row)

    assert history_of(worker).get().actor == "system"


def test_a_table_of_entries_is_not_emptied() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no TRUNCATE.")
    keep_entries()

    with pytest.raises(DatabaseError, match="never changed"):
        execute("TRUNCATE processes_auditevent")


def test_what_the_audit_tells_of_can_be_deleted() -> None:
    keep_entries()
    worker = WorkerFactory.create()

    worker.delete()

    assert brief(entries()) == [("processes.worker", "+"), ("processes.worker", "-")]


def test_the_purge_removes_old_entries_only_and_is_told(settings: Any) -> None:
    settings.AUDIT_RETENTION_DAYS = 30
    old, young = make_old_event(timedelta(days=31)), make_old_event(timedelta(days=29))

    purge_audit()

    kept = set(AuditEvent.objects.values_list("pk", flat=True))
    assert old.pk not in kept
    assert young.pk in kept
    [told] = [entry for entry in entries() if entry.how == "purged"]
    assert told.changes == {"entries": [1, None]}
    assert purge_entries() == 0
    assert len([entry for entry in entries() if entry.how == "purged"]) == 1


def test_the_days_hold_as_they_were_at_the_last_migration_or_purge(settings: Any) -> None:
    settings.AUDIT_RETENTION_DAYS = 60
    keep_entries()
    event = make_old_event(timedelta(days=31))

    with pytest.raises(DatabaseError, match="kept for 60 days"), transaction.atomic():
        event.delete()
    settings.AUDIT_RETENTION_DAYS = 30

    assert purge_entries() == 1


def test_an_event_of_a_name_that_is_too_long_is_cut() -> None:
    record_event(AuditEvent.Kind.LOG_IN_FAILED, object_name="x" * 1_000)

    assert len(AuditEvent.objects.get().object_name) == 200
