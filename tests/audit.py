"""What tests ask of the audit."""

from typing import Any

from django.db.models import Model

from config.audit_search import Entry, Wanted, find_entries
from processes.models.trails import trail_of


def entries() -> list[Entry]:
    """Return all entries, the oldest first."""
    return find_entries(Wanted(), 1_000)[::-1]


def entries_after(known: list[Entry]) -> list[Entry]:
    """Return the entries that were not known, the oldest first."""
    before = {entry.history_id for entry in known}
    return [entry for entry in entries() if entry.history_id not in before]


def brief(found: list[Entry]) -> list[tuple[str, str]]:
    """Return the kind of each entry and what happened."""
    return [(entry.source, entry.how) for entry in found]


def history_of(row: Model) -> Any:
    """Return the rows of the entries of one object."""
    trail = trail_of(row)
    return trail.entries.objects.filter(**{row._meta.pk.attname: row.pk}).order_by("history_id")
