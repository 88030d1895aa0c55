"""Every row of the table of errors, through Django, with its exact status, code and message."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection

from connector.error_codes import CODES
from processes.models import Run
from scheduler.models import Schedule
from tests.connector.error_answers import (
    compare_with_document,
    find_faults,
    send_in_process,
    write_sections,
    write_table,
)
from tests.connector.error_cases import SECTIONS, faults
from tests.connector.error_cases.case import Case, as_code
from tests.connector.error_stage import set_stage
from tests.outage import database_away


@pytest.mark.django_db
def test_every_case_is_answered_as_the_table_and_the_document_say(caplog: Any) -> None:
    stage = set_stage()
    runs, plans = Run.objects.count(), Schedule.objects.count()

    answers = [
        (section, [send_in_process(case, stage) for case in section.cases]) for section in SECTIONS
    ]

    assert _differences(answers) == ""
    compare_with_document("the table", write_sections(answers))
    assert (Run.objects.count(), Schedule.objects.count()) == (runs, plans)


def _differences(answers: Any) -> str:
    """Return what is not as the table says, a line each."""
    return "\n".join(
        f"{case.sent}: {'; '.join(found)}"
        for section, given in answers
        for case, answer in zip(section.cases, given, strict=True)
        if (found := find_faults(case, answer))
    )


@pytest.mark.django_db(transaction=True)
def test_database_that_is_away_is_told() -> None:
    stage = set_stage()
    send_in_process(Case("who calls is known from here on", 200, "", ""), stage)

    with database_away():
        answers = [send_in_process(case, stage) for case in faults.AWAY.cases]

    assert _differences([(faults.AWAY, answers)]) == ""
    compare_with_document("the outage", write_sections([(faults.AWAY, answers)]))


@pytest.mark.skipif(connection.vendor != "sqlite", reason="It is about SQLite.")
@pytest.mark.django_db(transaction=True)
def test_full_disk_is_told_alike() -> None:
    stage = set_stage()
    (case,) = faults.AWAY.cases
    large = {"name": "OneStepNotepadRunner", "values": {"username": "x" * 60_000}}
    case = replace(case, body=json.dumps(large).encode())

    with full_database():
        answers = [send_in_process(case, stage) for _ in range(50)]

    assert find_faults(case, answers[-1]) == []
    told = [json.loads(answer.body)["robustaSpid"] for answer in answers if answer.status == 200]
    assert Run.objects.filter(pk__in=told).count() == len(told)


@contextmanager
def full_database() -> Iterator[None]:
    """Let SQLite have no page more than it has."""
    with connection.cursor() as cursor:
        (pages,) = cursor.execute("PRAGMA page_count").fetchone()
        cursor.execute(f"PRAGMA max_page_count = {pages}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA max_page_count = {2**31 - 2}")


def test_codes_are_those_of_the_document() -> None:
    rows = [[as_code(code), meaning] for code, meaning in CODES.items()]

    compare_with_document("the codes", write_table(["`code`", "meaning"], rows))
