"""Finds entries of the audit, newest first, over all its tables.

Each table is asked along its primary key, which is time-ordered, for as many entries as a page
shows; the newest of these are the page. So nothing is counted, and the millionth page costs what
the first does.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from operator import attrgetter
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import F, Q, QuerySet, Value
from django.utils import timezone

from processes.models import AuditEvent
from processes.models.trails import TRAILS, Trail
from processes.retention import first_id_of

EVENTS = "event"
PER_PAGE = 50
SEARCHED = timedelta(days=90)
FIRST_DAY, LAST_DAY = date(1970, 1, 2), date(9999, 12, 30)
COLUMNS = (
    "history_id",
    "history_date",
    "actor",
    "address",
    "request_id",
    "object_name",
    "changes",
)


@dataclass(frozen=True)
class Entry:
    """An entry of any table. `how` is one of +, ~ and -, or what happened; `key` the object's."""

    source: str
    history_id: UUID
    history_date: datetime
    actor: str
    address: str
    request_id: str
    object_name: str
    changes: dict[str, Any]
    how: str
    model: str
    key: str


@dataclass(frozen=True)
class Wanted:
    """What the reader asks for. `about` is an object as label:key; days are the site's."""

    about: str = ""
    kind: str = ""
    who: str = ""
    text: str = ""
    since: date | None = None
    until: date | None = None
    before: UUID | None = None
    # The moment of asking, from which a search without a first day looks back.
    now: datetime = field(default_factory=timezone.now)

    @classmethod
    def of(cls, query: Any) -> "Wanted":
        """Read an address; what cannot be read is as if it were not there."""
        kind = query.get("kind", "")
        return cls(
            about=_storable(query.get("object", "")),
            kind=kind if kind in kinds() else "",
            who=_storable(query.get("who", "")),
            text=_storable(query.get("q", "")),
            since=_read(_read_day, query.get("since", "")),
            until=_read(_read_day, query.get("until", "")),
            before=_read(UUID, query.get("before", "")),
        )

    def address(self, **changes: Any) -> str:
        """Return the query of a link that keeps the filters."""
        kept = {
            "object": self.about,
            "kind": self.kind,
            "who": self.who,
            "q": self.text,
            "since": self.since or "",
            "until": self.until or "",
        } | changes
        return "?" + urlencode({name: value for name, value in kept.items() if value})

    @property
    def looks_back(self) -> bool:
        """Whether it is cut to the last days, since a text is looked for in entry after entry."""
        return bool(self.text) and self.since is None and not self.about


def kinds() -> list[str]:
    """Return the kinds of entries: labels of models, and events."""
    return [EVENTS, *TRAILS]


def find_entries(wanted: Wanted, limit: int = PER_PAGE) -> list[Entry]:
    """Return the newest `limit` entries that are wanted."""
    found = [_read_table(kind, wanted, limit) for kind in kinds() if wanted.kind in ("", kind)]
    merged = heapq.merge(*found, key=attrgetter("history_id"), reverse=True)
    return list(islice(merged, limit))


def find_entry(source: str, history_id: UUID) -> Entry | None:
    """Return one entry."""
    if source not in kinds():
        return None
    return next(_make(source, _model_of(source).objects.filter(pk=history_id)), None)


def entries_of(kind: str, wanted: Wanted) -> QuerySet[Any] | None:
    """Return the query of one table, None when nothing in it can be wanted."""
    rows = _narrow(_model_of(kind).objects.order_by("-history_id"), wanted)
    if wanted.about:
        about = _about(kind, wanted.about)
        return None if about is None else rows.filter(about)
    return rows


def _read_table(kind: str, wanted: Wanted, limit: int) -> Iterable[Entry]:
    rows = entries_of(kind, wanted)
    return [] if rows is None else list(_make(kind, rows[:limit]))


def _make(kind: str, rows: QuerySet[Any]) -> Iterator[Entry]:
    """Read rows as entries."""
    if kind == EVENTS:
        rows = rows.annotate(how=F("kind"), about=F("model"), key=F("object_key"))
    else:
        key = TRAILS[kind].model._meta.pk.attname
        rows = rows.annotate(how=F("history_type"), about=Value(kind), key=F(key))
    for row in rows.values(*COLUMNS, "how", "about", "key"):
        model, key = row.pop("about"), str(row.pop("key"))
        yield Entry(source=kind, model=model, key=key, **row)


def _narrow(rows: QuerySet[Any], wanted: Wanted) -> QuerySet[Any]:
    if wanted.before:
        rows = rows.filter(history_id__lt=wanted.before)
    if wanted.since:
        rows = rows.filter(history_id__gte=first_id_of(_midnight(wanted.since)))
    elif wanted.looks_back:
        rows = rows.filter(history_id__gte=first_id_of(wanted.now - SEARCHED))
    if wanted.until:
        following = _midnight(wanted.until + timedelta(days=1))
        rows = rows.filter(history_id__lt=first_id_of(following))
    if wanted.who:
        names = [wanted.who, f"user:{wanted.who}", f"client:{wanted.who}"]
        rows = rows.filter(actor__in=names)
    return rows.filter(_mentions(wanted.text)) if wanted.text else rows


def _mentions(text: str) -> Q:
    return (
        Q(object_name__icontains=text)
        | Q(actor__icontains=text)
        | Q(address__startswith=text)
        | Q(request_id=text)
        | Q(changes__icontains=text)
    )


def _about(kind: str, about: str) -> Q | None:
    """Return the condition for entries of an object, and of what belongs to it."""
    label, _, key = about.partition(":")
    if kind == EVENTS:
        return Q(model=label, object_key=key)
    trail = TRAILS[kind]
    if kind == label:
        return _is(trail.model._meta.pk.attname, trail, key)
    parent = trail.parent and trail.model._meta.get_field(trail.parent)
    if parent and parent.related_model._meta.label_lower == label:
        return _is(parent.attname, TRAILS[label], key)
    return None


def _is(column: str, trail: Trail, key: str) -> Q | None:
    try:
        return Q(**{column: trail.model._meta.pk.to_python(key)})
    except ValidationError:
        return None


def _model_of(kind: str) -> Any:
    return AuditEvent if kind == EVENTS else TRAILS[kind].entries


def model_of(label: str) -> Any:
    """Return a model by its label, None when there is none any more."""
    try:
        return apps.get_model(label)
    except (LookupError, ValueError):
        return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(settings.TIME_ZONE)).astimezone(UTC)


def _storable(text: str) -> str:
    return text.strip().replace("\x00", "")


def _read(reader: Any, text: str) -> Any:
    try:
        return reader(text)
    except ValueError:
        return None


def _read_day(text: str) -> date:
    day = date.fromisoformat(text)
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError("A day that no entry is of.")
    return day
