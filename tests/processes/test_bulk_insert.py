"""Rows made many at a time are stored as one by one, whatever their values are."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from processes.bulk_insert import insert_rows
from processes.models import ProcessModel, Run
from processes.models.runs import new_run_id
from tests.factories import ProcessModelFactory, WorkerFactory

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def process_model() -> ProcessModel:
    return ProcessModelFactory.create()


def make_run(process_model: ProcessModel, **fields: Any) -> Run:
    return Run(process_model=process_model, created_at=NOON, ready_at=NOON, **fields)


def stored() -> list[dict[str, Any]]:
    """Return every run without its id, in the order of the ids."""
    rows = Run.objects.order_by("pk").values()
    return [{name: value for name, value in row.items() if name != "id"} for row in rows]


def test_rows_are_stored_as_if_one_by_one(process_model: ProcessModel) -> None:
    worker = WorkerFactory.create()
    varied: list[dict[str, Any]] = [
        {"values": {"city": "İstanbul", "n": [1, 2.5, None]}, "owner": "client:1"},
        {"values": {}, "worker": worker, "retry_delay": timedelta(hours=1, microseconds=7)},
        {"values": {"a": 'b"c\\d,{e}'}, "requested_by": 'NULL, "x", {y}', "priority": 99},
        {"schedule_id": uuid.UUID(int=7), "waits_for": uuid.UUID(int=8), "outputs": {"x": None}},
    ]
    for fields in varied:
        make_run(process_model, **fields).save(force_insert=True)
    expected = stored()
    Run.objects.all().delete()

    insert_rows([make_run(process_model, **fields) for fields in varied])

    assert stored() == expected


def test_one_row_is_stored(process_model: ProcessModel) -> None:
    run = make_run(process_model, values={"x": 1})

    insert_rows([run])

    assert Run.objects.get() == run
    assert Run.objects.get().values == {"x": 1}


def test_no_row_is_no_statement(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        insert_rows([])


def test_many_rows_take_a_statement_a_thousand(
    process_model: ProcessModel, django_assert_num_queries: Any
) -> None:
    runs = [make_run(process_model, values={"n": number}) for number in range(2_001)]

    with django_assert_num_queries(3):
        insert_rows(runs)

    assert Run.objects.count() == 2_001


def test_row_that_the_database_refuses_is_told(process_model: ProcessModel) -> None:
    twice = new_run_id()
    refused = [
        [make_run(process_model, priority=100), make_run(process_model)],
        [make_run(process_model, id=twice), make_run(process_model, id=twice)],
    ]

    for runs in refused:
        with pytest.raises(IntegrityError), transaction.atomic():
            insert_rows(runs)

    assert not Run.objects.exists()


def test_text_that_cannot_be_stored_is_told(process_model: ProcessModel) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite stores NUL in a text.")
    with pytest.raises(DataError), transaction.atomic():
        insert_rows([make_run(process_model, owner="a\0b"), make_run(process_model)])
