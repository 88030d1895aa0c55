"""Rows that are made many at a time, stored in one statement for each thousand."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from django.db import connection
from django.db.models import AutoField, JSONField, Model

# A statement takes 65,535 values; no model has so many fields that this is too much.
ROWS_AT_ONCE = 1_000


def insert_rows(rows: Sequence[Model]) -> None:
    """Insert rows of one model, whose fields hold plain values, for a third of bulk_create's time.

    Nothing is read back, so a primary key that the database makes stays unknown. Raise what
    bulk_create raises for rows that the database refuses.
    """
    remaining = iter(rows)
    while part := list(islice(remaining, ROWS_AT_ONCE)):
        _insert(part)


def _insert(rows: list[Model]) -> None:
    model = type(rows[0])
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, AutoField)]
    columns = {field: _read_column(field, rows) for field in fields}
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(*_select_from_arrays(model, columns))
        else:
            names, marks = _list_names(columns), ", ".join(["%s"] * len(columns))
            cursor.executemany(
                f"INSERT INTO {_quote(model._meta.db_table)} ({names}) VALUES ({marks})",  # noqa: S608 - names of ours
                list(zip(*columns.values(), strict=True)),
            )


def _read_column(field: Any, rows: list[Model]) -> list[Any]:
    """Return a field of all rows as the database's driver takes it."""
    values = [getattr(row, field.attname) for row in rows]
    if connection.vendor == "postgresql" and not isinstance(field, JSONField):
        return values  # the driver knows dates, durations and UUIDs itself
    return [field.get_db_prep_save(value, connection) for value in values]


def _select_from_arrays(model: type[Model], columns: dict[Any, list[Any]]) -> tuple[str, list[Any]]:
    """Return the statement and its values: an array a column, one value where all are the same."""
    same = {field: values[0] for field, values in columns.items() if _are_same(values)}
    varied = {field: values for field, values in columns.items() if field not in same}
    constants = "".join(f"%s::{field.db_type(connection)}, " for field in same)
    arrays = ", ".join(f"%s::{field.db_type(connection)}[]" for field in varied)
    statement = (
        f"INSERT INTO {_quote(model._meta.db_table)} ({_list_names([*same, *varied])})"  # noqa: S608 - likewise
        f" SELECT {constants}varied.* FROM unnest({arrays}) AS varied"
    )
    return statement, [*same.values(), *varied.values()]


def _are_same(values: list[Any]) -> bool:
    # JSON is wrapped for the driver, one object a row, and a single row has to have an array.
    first = values[0]
    return len(values) > 1 and all(value is first or value == first for value in values)


def _list_names(fields: Iterable[Any]) -> str:
    return ", ".join(_quote(field.column) for field in fields)


def _quote(name: str) -> str:
    return str(connection.ops.quote_name(name))
