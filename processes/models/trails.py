"""Changes of configuration become entries of the audit, whoever makes them and however.

An object is read from the database before and after: so an entry tells what has become of it, in
the transaction in which that happened, and there is none where nothing has.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from django.db import models, transaction
from django.db.models import Prefetch
from django.db.models.signals import m2m_changed, pre_save
from django.utils import timezone
from simple_history.models import HistoricalRecords

from processes.models.audit import (
    MAX_OBJECT_NAME,
    AuditEvent,
    AuditRecord,
    new_entry_id,
)
from processes.origin import current_origin
from processes.secrets import MASK

ADDED, CHANGED, DELETED = "+", "~", "-"

Key = tuple["Trail", Any]
State = dict[str, Any]

TRAILS: dict[str, "Trail"] = {}
_scope: ContextVar["Changes | None"] = ContextVar("audit_scope", default=None)


class Changes:
    """Objects as they were, from which entries are made once they may have changed."""

    def __init__(self) -> None:
        self._before: dict[Key, models.Model | None] = {}

    def note(self, trail: "Trail", keys: Iterable[Any]) -> None:
        """Read how the objects are, unless that is known from earlier."""
        unknown = [key for key in keys if (trail, key) not in self._before]
        found = trail.read(unknown)
        self._before |= {(trail, key): found.get(key) for key in unknown}

    def note_new(self, trail: "Trail", key: Any) -> None:
        """Know that an object was not there before."""
        self._before.setdefault((trail, key), None)

    def write(self) -> None:
        """Store an entry for each object that is not as it was."""
        for trail in dict.fromkeys(trail for trail, key in self._before):
            keys = [key for each, key in self._before if each is trail]
            found = trail.read(keys)
            for key in keys:
                trail.record(self._before[trail, key], found.get(key))


@contextmanager
def recording(*objects: models.Model) -> Iterator[None]:
    """Make one entry of all that happens to an object within, in one transaction with it.

    `objects` are those that may be changed past `save()`: by `update()`, or by a row that belongs
    to them. Within another one this one only adds them to it.
    """
    outer = _scope.get()
    changes = outer or Changes()
    with transaction.atomic():
        for trail in dict.fromkeys(map(trail_of, objects)):
            changes.note(trail, [each.pk for each in objects if trail_of(each) is trail])
        if outer is not None:
            yield
            return
        token = _scope.set(changes)
        try:
            yield
        finally:
            _scope.reset(token)
        changes.write()


def trail_of(model: type[models.Model] | models.Model) -> "Trail":
    """Return the trail of a model."""
    return TRAILS[model._meta.label_lower]


def record_event(
    kind: AuditEvent.Kind,
    about: models.Model | None = None,
    *,
    object_name: str = "",
    changes: Mapping[str, Sequence[Any]] | None = None,
) -> None:
    """Store that something happened, to `about` if it names an object."""
    AuditEvent.objects.create(
        **_origin_columns(),
        kind=kind,
        model=about._meta.label_lower if about else "",
        object_key=str(about.pk) if about else "",
        object_name=(object_name or str(about or ""))[:MAX_OBJECT_NAME],
        changes=dict(changes or {}),
    )


def _origin_columns() -> dict[str, Any]:
    origin = current_origin()
    actor = origin.find_actor()
    return {
        "history_date": timezone.now(),
        "history_user_id": actor.user_id,
        "actor": actor.name,
        "address": origin.address,
        "request_id": origin.request_id,
    }


class Trail(HistoricalRecords):  # type: ignore[misc]  # published without types
    """The entries of one model, each with the row as it was then.

    `excluded` fields are no configuration: their changes make no entry. `masked` ones are told, but
    not what is in them. `extras` are paths to what other rows hold of the object, `relations` the
    many-to-many fields that count, `parent` the field that leads to the object it belongs to.
    `shown` returns what may be told of a field's value, where that is not all: the entry's row has
    no copy of such a field.
    """

    def __init__(
        self,
        *,
        excluded: Sequence[str] = (),
        masked: Sequence[str] = (),
        extras: Sequence[str] = (),
        relations: Sequence[str] = (),
        parent: str = "",
        shown: Mapping[str, Callable[[Any, Any], Any]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            bases=[AuditRecord],
            # An entry cannot be encrypted anew when the key is changed.
            excluded_fields=[*excluded, *masked, *(shown or ())],
            history_id_field=models.UUIDField(default=new_entry_id),
            # No foreign key: deleting the user would have to change the entry.
            history_user_id_field=models.BigIntegerField(null=True),
            **options,
        )
        self.masked, self.extras, self.relations = masked, extras, relations
        self.parent, self.shown = parent, dict(shown or {})

    def finalize(self, sender: Any, **options: Any) -> None:
        """Make the table of entries, and look at what happens to the model's rows."""
        if self.cls is not sender:
            return
        super().finalize(sender, **options)
        self.model: Any = sender
        self.entries: Any = getattr(sender, self.manager_name).model
        TRAILS[sender._meta.label_lower] = self
        pre_save.connect(self.before_save, sender=sender, weak=False)
        for name in self.relations:
            through = sender._meta.get_field(name).remote_field.through
            handler = partial(self.relation_changed, name)
            m2m_changed.connect(handler, sender=through, weak=False)

    def get_meta_options(self, model: Any) -> dict[str, Any]:
        """Offer no rights to entries: there is one for the whole audit."""
        return {**super().get_meta_options(model), "default_permissions": ()}

    @property
    def fields(self) -> list[Any]:
        """The columns whose changes are told."""
        hidden = set(self.excluded_fields) - {*self.masked, *self.shown}
        columns = self.model._meta.concrete_fields
        return [
            each
            for each in columns
            if each.name not in hidden and not isinstance(each, models.AutoField)
        ]

    def read(self, keys: Sequence[Any]) -> dict[Any, models.Model]:
        """Return the objects as the database has them, with all that an entry tells, by key."""
        if not keys:
            return {}
        references = [field.name for field in self.fields if field.is_relation]
        references += [path.rpartition("__")[0] for path in self.extras]
        rows = self.model._base_manager.filter(pk__in=keys)
        if references:
            rows = rows.select_related(*references)
        prefetched = [self._prefetch(name) for name in self.relations]
        return {row.pk: row for row in rows.prefetch_related(*prefetched)}

    def _prefetch(self, name: str) -> Any:
        related = self.model._meta.get_field(name).related_model
        references = [field.name for field in related._meta.concrete_fields if field.is_relation]
        rows = related._base_manager.all()
        return Prefetch(name, rows.select_related(*references) if references else rows)

    def describe(self, row: Any, *, is_fresh: bool = False) -> State:
        """Return what there is to tell of a row; a fresh one has no relations yet."""
        if row is None:
            return {}
        state = {field.name: self._value(row, field) for field in self.fields}
        for path in self.extras:
            value = row
            for step in path.split("__"):
                value = getattr(value, step)
            state[path] = value
        if not is_fresh:
            state |= {name: set(map(str, getattr(row, name).all())) for name in self.relations}
        return state

    def _value(self, row: Any, field: Any) -> Any:
        value = getattr(row, field.name)
        if field.is_relation:
            return None if value is None else str(value)
        # A value that only the database knows is left to the next entry.
        return None if hasattr(value, "resolve_expression") else value

    def record(self, before: Any, after: Any, *, is_fresh: bool = False) -> None:
        """Store an entry of what has changed, if anything has."""
        row = before if after is None else after
        if row is None:
            return
        old, new = self.describe(before), self.describe(after, is_fresh=is_fresh)
        changes = {
            name: self._tell(name, before, after, old.get(name), new.get(name))
            for name in {**new, **old}
            if _differ(old.get(name), new.get(name))
        }
        if before is not None and after is not None and not changes:
            return
        kind = CHANGED if before and after else ADDED if after else DELETED
        columns = {
            field.attname: getattr(row, field.attname) for field in self.fields_included(row)
        }
        self.entries(
            **columns,
            **_origin_columns(),
            history_type=kind,
            object_name=self.name_of(row)[:MAX_OBJECT_NAME],
            changes=changes,
        ).save(force_insert=True)

    def name_of(self, row: Any) -> str:
        """Return what an entry calls the object: with what it belongs to, if it does."""
        owner = str(getattr(row, self.parent)) if self.parent else ""
        return str(row) if str(row).startswith(owner) else f"{owner}: {row}"

    def _tell(self, name: str, before: Any, after: Any, old: Any, new: Any) -> list[Any]:
        if name in self.relations:
            old, new = old or set(), new or set()
            return [sorted(old - new), sorted(new - old)]
        return [self._show(name, before, old), self._show(name, after, new)]

    def _show(self, name: str, row: Any, value: Any) -> Any:
        if name in self.masked:
            return MASK if value else None
        if name in self.shown and _is_given(value):
            return self.shown[name](row, value)
        return value

    def before_save(
        self, instance: Any, raw: bool = False, update_fields: Any = None, **_: Any
    ) -> None:
        """Note how a row is before it is changed."""
        if not raw and not instance._state.adding and self._is_told(update_fields):
            self.note(instance)

    def post_save(
        self, instance: Any, created: bool, using: Any = None, raw: bool = False, **_: Any
    ) -> None:
        """Make an entry of a row that was stored, at the end of the scope if there is one."""
        if raw:
            return
        scope = _scope.get()
        if not created:
            self.settle(instance)
        elif scope is not None:
            scope.note_new(self, instance.pk)
        else:
            self.record(None, instance, is_fresh=True)

    def pre_delete(self, instance: Any, **_: Any) -> None:
        """Note how a row is before it is deleted."""
        self.note(instance)

    def post_delete(self, instance: Any, using: Any = None, **_: Any) -> None:
        """Make an entry of a row that was deleted."""
        self.settle(instance)

    def relation_changed(
        self, name: str, instance: Any, action: str, reverse: bool, pk_set: Any, **_: Any
    ) -> None:
        """Make an entry of each object that a relation was added to or taken from."""
        if not action.startswith("pre_"):
            self.settle(instance)
        elif not reverse:
            self.note(instance)
        else:
            keys = pk_set or self.model._base_manager.filter(**{name: instance})
            self._changes_of(instance).note(self, [getattr(key, "pk", key) for key in keys])

    def note(self, instance: Any) -> None:
        """Note how the object is that a row belongs to: by itself the row's own."""
        self._changes_of(instance).note(self, [instance.pk])

    def settle(self, instance: Any) -> None:
        """Make the entries that were noted with a row, unless a scope does that."""
        changes = instance.__dict__.pop("_audit_changes", None)
        if changes is not None:
            changes.write()

    def _changes_of(self, instance: Any) -> Changes:
        scope = _scope.get()
        if scope is not None:
            return scope
        changes: Changes = instance.__dict__.setdefault("_audit_changes", Changes())
        return changes

    def _is_told(self, names: Any) -> bool:
        """Tell whether a change of these columns, None for all, is one of configuration."""
        return names is None or bool({field.name for field in self.fields} & set(names))


def _differ(old: Any, new: Any) -> bool:
    """Tell whether there is a difference to tell: an empty text and none are the same."""
    return old != new and (_is_given(old) or _is_given(new))


def _is_given(value: Any) -> bool:
    return value not in (None, "", [], {}, set())
