"""How entries of the audit are shown: fields by their labels, values as people read them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.dateparse import parse_datetime, parse_duration
from django.utils.safestring import SafeString
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.audit_search import EVENTS, Entry, Wanted, model_of
from processes.admin.wording import coloured, show_time
from processes.models import AuditEvent
from processes.models.trails import ADDED, CHANGED, DELETED, TRAILS

SHOWN_CHANGES = 4
SHOWN_CHARACTERS = 120
HOW = {
    ADDED: (gettext_lazy("added"), "success"),
    CHANGED: (gettext_lazy("changed"), "info"),
    DELETED: (gettext_lazy("deleted"), "danger"),
}
EVENT_COLOURS = {
    AuditEvent.Kind.LOG_IN_FAILED: "danger",
    AuditEvent.Kind.DRAINED: "warning",
    AuditEvent.Kind.PURGED: "warning",
}
EVENT_FIELDS = {"entries": gettext_lazy("entries")}


@dataclass(frozen=True)
class ShownChange:
    """A field with what it was and became; of a relation what was taken away and added."""

    label: str
    before: str
    after: str
    is_relation: bool = False


@dataclass(frozen=True)
class ShownEntry:
    """An entry as a row of the page. `more` is the number of changes that are left out."""

    moment: str
    actor: str
    actor_query: str
    address: str
    request_id: str
    how: SafeString
    kind: str
    object_name: str
    object_page: str
    object_query: str
    changes: list[ShownChange]
    more: int
    page: str


def show_entries(
    request: HttpRequest, entries: list[Entry], wanted: Wanted, *, whole: bool = False
) -> list[ShownEntry]:
    """Return entries as they are shown; `whole` leaves nothing out."""
    pages = _find_pages(request, entries)
    return [
        _show(entry, pages.get((entry.model, entry.key), ""), wanted, whole) for entry in entries
    ]


def name_kind(kind: str) -> str:
    """Return what a kind of entries is called."""
    if kind == EVENTS:
        return _("Log-ins and other events")
    model = model_of(kind)
    return capfirst(str(model._meta.verbose_name)) if model else kind


def _show(entry: Entry, page: str, wanted: Wanted, whole: bool) -> ShownEntry:
    model = model_of(entry.model)
    changes = [
        _show_change(model, name, before, after, whole)
        for name, (before, after) in entry.changes.items()
    ]
    shown = changes if whole else changes[:SHOWN_CHANGES]
    about = f"{entry.model}:{entry.key}" if entry.key else ""
    return ShownEntry(
        moment=show_time(entry.history_date),
        actor=entry.actor,
        actor_query=wanted.address(who=entry.actor),
        address=entry.address,
        request_id=entry.request_id,
        how=_show_how(entry),
        kind=str(model._meta.verbose_name) if model else "",
        object_name=entry.object_name,
        object_page=page,
        object_query=wanted.address(object=about) if about else "",
        changes=shown,
        more=len(changes) - len(shown),
        page=reverse("audit_entry", args=[entry.source, entry.history_id]),
    )


def _show_how(entry: Entry) -> SafeString:
    if entry.source == EVENTS:
        kind = AuditEvent.Kind(entry.how)
        return coloured(str(kind.label), EVENT_COLOURS.get(kind, "default"))
    text, colour = HOW[entry.how]
    return coloured(str(text), colour)


def _show_change(model: Any, name: str, before: Any, after: Any, whole: bool) -> ShownChange:
    field = _find_field(model, name)
    label = EVENT_FIELDS.get(name, name) if field is None else field.verbose_name
    if field is not None and field.many_to_many:
        old, new = ", ".join(before or []), ", ".join(after or [])
    else:
        old, new = _show_value(field, before, whole), _show_value(field, after, whole)
    if not whole:
        old, new = (Truncator(text).chars(SHOWN_CHARACTERS) for text in (old, new))
    is_relation = field is not None and bool(field.many_to_many)
    return ShownChange(str(label), old, new, is_relation)


def _find_field(model: Any, name: str) -> Any:
    """Return the field that a name, or a path to another row's, leads to; None for none."""
    field = None
    try:
        for step in name.split("__"):
            field = (field.related_model if field else model)._meta.get_field(step)
    except (AttributeError, FieldDoesNotExist):
        return None
    return field


def _show_value(field: Any, value: Any, whole: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, indent=2 if whole else None)
    for choice, label in getattr(field, "flatchoices", ()):
        if choice == value:
            return str(label)
    if isinstance(field, models.DateTimeField):
        return show_time(parse_datetime(value))
    if isinstance(field, models.DurationField):
        return str(parse_duration(value))
    return str(value)


def _find_pages(request: HttpRequest, entries: Iterable[Entry]) -> dict[tuple[str, str], str]:
    """Return the addresses of the objects that still exist and the reader may see."""
    keys: dict[str, set[str]] = {}
    for entry in entries:
        if entry.key:
            keys.setdefault(entry.model, set()).add(entry.key)
    return {
        (label, str(key)): page
        for label, of_label in keys.items()
        for key, page in _find_pages_of(request, label, of_label)
    }


def _find_pages_of(request: HttpRequest, label: str, keys: set[str]) -> Iterable[tuple[Any, str]]:
    trail = TRAILS.get(label)
    if trail is None:
        return []
    # What belongs to an object is shown on the page of that.
    owner = trail.model._meta.get_field(trail.parent).related_model if trail.parent else trail.model
    page = admin.site._registry.get(owner)
    if page is None or not page.has_view_permission(request):
        return []
    existing = trail.model._base_manager.filter(pk__in=keys).values_list(
        "pk", f"{trail.parent}_id" if trail.parent else "pk"
    )
    name = f"admin:{owner._meta.app_label}_{owner._meta.model_name}_change"
    return [(key, reverse(name, args=[target])) for key, target in existing]
