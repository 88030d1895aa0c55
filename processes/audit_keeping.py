"""The database itself refuses to change entries of the audit, and to delete any before its time.

The triggers are made after each `migrate`, not by a migration: SQLite drops them with the table
that it makes anew for a later migration.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Model
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from processes.models import AuditEvent
from processes.models.trails import TRAILS, record_event
from processes.retention import first_id_of

TRIGGER = "audit_is_kept"
REFUSAL = "Entries of the audit are never changed, and kept for %d days."
ENTRIES_AT_ONCE = 1_000

FUNCTION = f"""
    CREATE OR REPLACE FUNCTION {TRIGGER}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND OLD.history_date < now() - interval '%d days' THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation';
    END $$
"""
FIND_TRIGGERS = "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = %s"
# Rows one by one, since the age of each counts; a TRUNCATE has no rows to look at.
MAKE_TRIGGERS = [
    f"CREATE TRIGGER {TRIGGER} BEFORE UPDATE OR DELETE ON %s"
    f" FOR EACH ROW EXECUTE FUNCTION {TRIGGER}()",
    f"CREATE TRIGGER {TRIGGER}_whole BEFORE TRUNCATE ON %s"
    f" FOR EACH STATEMENT EXECUTE FUNCTION {TRIGGER}()",
]


def entry_models() -> list[type[Model]]:
    """Return the models of all entries: of events, and of each trail."""
    return [AuditEvent, *(trail.entries for trail in TRAILS.values())]


def keep_entries(**_: Any) -> None:
    """Have the database refuse what would change the audit, by AUDIT_RETENTION_DAYS as it is now."""
    existing = set(connection.introspection.table_names())
    tables = [model._meta.db_table for model in entry_models()]
    tables = [table for table in tables if table in existing]
    make = _keep_on_postgresql if connection.vendor == "postgresql" else _keep_on_sqlite
    with transaction.atomic():
        make(tables, settings.AUDIT_RETENTION_DAYS)


def purge_entries() -> int:
    """Delete the entries that are older than AUDIT_RETENTION_DAYS; return how many.

    That it was done is an entry of its own.
    """
    keep_entries()  # the days may have been changed since
    older_than = timedelta(days=settings.AUDIT_RETENTION_DAYS)
    purged = sum(_purge(model, older_than) for model in entry_models())
    if purged:
        about = _("older than %(days)d days") % {"days": older_than.days}
        record_event(AuditEvent.Kind.PURGED, object_name=about, changes={"entries": [purged, None]})
    return purged


def _purge(model: Any, older_than: timedelta) -> int:
    purged = 0
    while True:
        # Along the primary key, which is time-ordered.
        old = model.objects.filter(pk__lt=first_id_of(timezone.now() - older_than))
        old = old.filter(history_date__lt=Now() - older_than).order_by("pk")
        keys = list(old.values_list("pk", flat=True)[:ENTRIES_AT_ONCE])
        if not keys:
            return purged
        model.objects.filter(pk__in=keys).delete()
        purged += len(keys)


def _keep_on_postgresql(tables: Sequence[str], days: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FUNCTION % (days, days))
        cursor.execute(FIND_TRIGGERS, [TRIGGER])
        kept = {name for (name,) in cursor.fetchall()}
        for table in tables:
            if table not in kept:
                for statement in MAKE_TRIGGERS:
                    cursor.execute(statement % connection.ops.quote_name(table))


def _keep_on_sqlite(tables: Sequence[str], days: int) -> None:
    young = f"OLD.history_date >= datetime('now', '-{days} days')"
    with connection.cursor() as cursor:
        for table in tables:
            for verb, condition in (("UPDATE", "1"), ("DELETE", young)):
                name = f"{TRIGGER}_{table}_{verb.lower()}"
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
                cursor.execute(
                    f"CREATE TRIGGER {name} BEFORE {verb} ON {table} WHEN {condition}"
                    f" BEGIN SELECT RAISE(ABORT, '{REFUSAL % days}'); END"
                )
