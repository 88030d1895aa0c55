"""Every stored secret, wherever it is: encrypted anew by the first key, or only looked at."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import models, transaction
from django.db.models import Q, TextField
from django.db.models.functions import Cast

from processes.encryption import encrypt, is_current, renew
from processes.exceptions import NoSecretsKey, SecretsUnusable
from processes.models import Parameter
from processes.models.audit import AuditRecord
from processes.secrets import ENCRYPTED, is_encrypted
from processes.value_types import ValueType

ROWS_AT_ONCE = 100  # so that a batch keeps nobody waiting
MAX_PASSES = 10
ROWS_LOOKED_AT = 100


@dataclass
class Tally:
    """What was found of secrets in one table, or in several."""

    stored: int = 0
    renewed: int = 0  # of these, those that another key had encrypted, or none
    unreadable: list[str] = field(default_factory=list)  # where no key fits

    def add(self, other: "Tally") -> None:
        """Count another one in."""
        self.stored += other.stored
        self.renewed += other.renewed
        self.unreadable += other.unreadable


def renew_secrets() -> dict[str, Tally]:
    """Encrypt every stored secret by the first key, in small batches; return the tallies by table.

    Values of parameters that became secret later are encrypted for the first time. Safe to repeat,
    and while everything runs: a schedule may have made a run of what was not renewed yet, so this
    goes on until a pass finds nothing to do. Raise NoSecretsKey.
    """
    encrypt("")  # whether there is a key is asked before anything is written
    tallies: dict[str, Tally] = {}
    for _ in range(MAX_PASSES):
        found = {str(model._meta.verbose_name_plural): _renew_table(model) for model in _tables()}
        for name, tally in found.items():
            renewed = tallies[name].renewed if name in tallies else 0
            tallies[name] = Tally(tally.stored, renewed + tally.renewed, tally.unreadable)
        if not any(tally.renewed for tally in found.values()):
            break
    return tallies


def look_at_secrets() -> Tally:
    """Return what the newest rows of each table have, changing nothing; `renewed` could be."""
    tally = Tally()
    secret_names = _find_secret_names()
    for model in _tables():
        takes_secrets = (
            Q(value_type=ValueType.SECRET)
            if model is Parameter
            else Q(process_model__in=list(secret_names))
        )
        for row in model._base_manager.filter(takes_secrets).order_by("-pk")[:ROWS_LOOKED_AT]:
            _, found = _renew_row(row, secret_names, look=True)
            tally.add(found)
    return tally


def _tables() -> list[type[models.Model]]:
    """Return the models that hold values or a default, but for the audit: nothing changes that."""
    names = [
        (model, {each.name for each in model._meta.get_fields()}) for model in apps.get_models()
    ]
    return [
        model
        for model, fields in names
        if ({"values", "process_model"} <= fields or issubclass(model, Parameter))
        and not issubclass(model, AuditRecord)
    ]


def _find_secret_names() -> dict[int, set[str]]:
    """Return the names of the secret parameters, by the id of their process model."""
    names: dict[int, set[str]] = {}
    secret = Parameter.objects.filter(value_type=ValueType.SECRET)
    for model_id, name in secret.values_list("process_model", "name"):
        names.setdefault(model_id, set()).add(name)
    return names


def _renew_table(model: type[models.Model]) -> Tally:
    tally, secret_names = Tally(), _find_secret_names()
    for ids in _find_ids(model, secret_names):
        with transaction.atomic():
            rows = model._base_manager.select_for_update(no_key=True).filter(pk__in=ids)
            for row in rows.order_by("pk"):
                changes, found = _renew_row(row, secret_names)
                if changes:
                    model._base_manager.filter(pk=row.pk).update(**changes)
                tally.add(found)
    return tally


def _find_ids(
    model: type[models.Model], secret_names: Mapping[int, set[str]]
) -> Iterator[list[Any]]:
    """Yield the ids of rows that may have a secret, found without a lock, a batch at a time."""
    name = "default" if model is Parameter else "values"
    rows = model._base_manager.annotate(as_text=Cast(name, TextField()))
    may_have = Q(as_text__contains=ENCRYPTED) | Q(process_model__in=list(secret_names))
    ids = rows.filter(may_have).order_by("pk").values_list("pk", flat=True)
    batch = list(ids[:ROWS_AT_ONCE])
    while batch:
        yield batch
        batch = list(ids.filter(pk__gt=batch[-1])[:ROWS_AT_ONCE])


def _renew_row(
    row: Any, secret_names: Mapping[int, set[str]], *, look: bool = False
) -> tuple[dict[str, Any], Tally]:
    """Return the fields to change, and what the row has; with `look` nothing is encrypted."""
    tally = Tally()
    if isinstance(row, Parameter):
        old = {"default": row.default}
        secrets = {"default"} if row.is_secret else set()
    else:
        old, secrets = row.values, secret_names.get(row.process_model_id, set())
    new = {
        name: _renew_value(value, (row, name), tally, look=look)
        if is_encrypted(value) or (name in secrets and isinstance(value, str))
        else value
        for name, value in old.items()
    }
    if new == old:
        return {}, tally
    return (new if isinstance(row, Parameter) else {"values": new}), tally


def _renew_value(value: Any, place: tuple[Any, str], tally: Tally, *, look: bool) -> Any:
    tally.stored += 1
    try:
        is_renewed = not (is_encrypted(value) and is_current(value))
    except NoSecretsKey:
        raise
    except SecretsUnusable:
        row, name = place
        tally.unreadable.append(f"{row._meta.verbose_name} {row}, {name}")
        return value
    tally.renewed += is_renewed
    if look or not is_renewed:
        return value
    return renew(value) if is_encrypted(value) else encrypt(value)
