"""Lists as CSV files that a spreadsheet shows as they are: no formula, no secret, not without end."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models.functions import Now
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from connector.models import ApiClient
from processes.admin import export
from processes.admin.csv_cells import MAX_CHARACTERS, make_cell, neutralise
from processes.models import Parameter, ProcessModel, Run, Worker
from scheduler.models import Fire, Schedule
from tests.factories import (
    ApiClientFactory,
    ProcessModelFactory,
    RunFactory,
    UserFactory,
    WorkerFactory,
    make_schedule,
)

FORMULAS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "-cmd|' /C calc'!A0",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "\u00a0=1+1",
    "\u3000=1+1",
    "\ufeff=1+1",
    "\u200b=1+1",
    "\x00=1+1",
    "\x1f=1+1",
    "\uff1d1+1",  # full-width
    "\uff0b1+1",
    "\uff0d1+1",
    "\uff201+1",
    "\ufe66\u0031",  # small forms
    "\u22121+1",
    "'=1+1",
    '"=1+1"',
    "+905551234567",
    "-",
    "=",
]
HIDDEN = ["a;=1+1", "a\n=1+1", "a\r\n@SUM(1)", "a\t-1+1", 'a;"=1+1"', "a; \uff1d1", "a;b;+1"]
HARMLESS = [
    "Ada",
    "a=b",
    "a-b",
    "1-2",
    "Jörg 漢字",
    "https://x/?a=b",
    '{"a": -5}',
    "",
    "a;b",
    "e-5",
]
NUMBERS = [-5, 5, -5.25, 1e-7, 10**20, "-5", "-5.25", "3E-7", "0"]


def computes(text: str) -> bool:
    """Tell whether a lenient spreadsheet would compute a cell, however it cuts the line."""
    cells = text.replace("\r", "\n").replace("\t", "\n").replace(";", "\n").split("\n")
    skipped = ' \u00a0\u3000\ufeff\u200b\x00\x1f"\x0b\x0c'
    return any(
        cell.strip(skipped)[:1] in "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\u2212"
        for cell in cells
        if cell.strip(skipped)
    )


@pytest.mark.parametrize("text", FORMULAS + HIDDEN)
def test_no_text_is_computed(text: str) -> None:
    assert computes(text) or text.startswith("'")
    assert not computes(neutralise(text))
    assert neutralise(text).replace("'", "") == text.replace("'", "")


@pytest.mark.parametrize("text", HARMLESS)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert neutralise(text) == text


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_stay_numbers(number: Any) -> None:
    assert float(make_cell(number)) == float(number)


def test_a_text_does_not_grow_into_the_next_row() -> None:
    assert len(neutralise("x" * 100_000)) < MAX_CHARACTERS + 10


def test_what_else_becomes_of_values() -> None:
    with override_settings(TIME_ZONE="Europe/Istanbul"):
        cells = [
            make_cell(value)
            for value in (
                None,
                True,
                datetime(2026, 11, 25, 12, tzinfo=UTC),
                timedelta(minutes=1.5),
                {"a": ["=1", "é"]},
            )
        ]

    assert cells == ["", "true", "2026-11-25 15:00:00+03:00", "90", '{"a": ["=1", "é"]}']


pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    """Return a superuser's browser."""
    client = Client()
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    return client


def save(browser: Client, model: type[Any], *rows: Any, query: str = "", **options: Any) -> Any:
    """Send the action for `rows` of the list of a model."""
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    form = {"action": "save_as_csv", "_selected_action": [row.pk for row in rows], **options}
    return browser.post(page + query, form)


def read(answer: Any) -> list[dict[str, str]]:
    """Return the rows of a file by their titles."""
    content = b"".join(answer.streaming_content)
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_selected_runs_are_saved(browser: Client) -> None:
    run = RunFactory.create(
        failed=True, values={"n": -5, "=x": "=1+1"}, requested_by="=cmd|' /C calc'!A0"
    )
    RunFactory.create()

    answer = save(browser, Run, run)

    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="run-')
    assert answer["X-Content-Type-Options"] == "nosniff"
    (row,) = read(answer)
    assert row["robustaSpid"] == str(run.pk)
    assert row["status"] == "FAILED"
    assert row["message"] == "The printer is out of paper."
    assert row["values"] == '{"n": -5, "=x": "=1+1"}'
    assert row["requested by"] == "'=cmd|' /C calc'!A0"
    assert datetime.fromisoformat(row["created at"]).tzinfo is not None


def test_all_runs_that_the_filters_find_are_saved(browser: Client) -> None:
    failed = [RunFactory.create(failed=True) for _ in range(3)]
    RunFactory.create()

    answer = save(
        browser, Run, failed[0], query="?status__exact=FAILED&period=all", select_across="1"
    )

    assert {row["robustaSpid"] for row in read(answer)} == {str(run.pk) for run in failed}


def test_every_list_can_be_saved(browser: Client) -> None:
    client = ApiClientFactory.create(name="acme", description="=1+1")
    secret = client.add_secret()
    schedule = make_schedule()
    model = ProcessModelFactory.create(title="@SUM(1)")
    worker = WorkerFactory.create(name="-1+1")

    clients = save(browser, ApiClient, client)
    schedules = read(save(browser, Schedule, schedule))
    models = read(save(browser, ProcessModel, model))
    workers = read(save(browser, Worker, worker))

    (row,) = read(clients)
    assert (row["user name"], row["description"]) == ("acme", "'=1+1")
    assert secret not in str(row)
    assert schedules[0]["robustaSpid"] == str(schedule.pk)
    assert schedules[0]["Quartz expression"] == schedule.quartz
    assert models[0]["title"] == "'@SUM(1)"
    assert workers[0]["name"] == "'-1+1"


def test_a_ledger_is_saved_as_it_is_filtered(browser: Client) -> None:
    schedule = make_schedule()
    for days, outcome in ((0, "missed"), (1, "skipped_paused"), (90, "missed")):
        Fire.objects.create(
            schedule=schedule,
            fire_time=Now() - timedelta(days=days),
            outcome=outcome,
            reason="=1+1",
        )
    page = reverse("admin:scheduler_schedule_ledger", args=[schedule.pk])

    rows = read(browser.get(f"{page}?csv=1"))
    missed = read(browser.get(f"{page}?csv=1&outcome=missed"))

    assert [row["outcome"] for row in rows] == ["missed", "skipped: paused"]
    assert [row["reason"] for row in missed] == ["'=1+1"]


def test_secret_values_are_masked(browser: Client) -> None:
    run = RunFactory.create(succeeded=True, values={"password": "hunter2", "user": "ada"})
    Parameter.objects.create(process_model=run.process_model, name="password", value_type="secret")

    (row,) = read(save(browser, Run, run))

    assert "hunter2" not in str(row)
    assert "ada" in row["values"]


def test_a_file_has_an_end(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        RunFactory.create(values={"x": "x" * 10_000})
    options = {"query": "?period=all", "select_across": "1"}
    run = RunFactory.create()

    monkeypatch.setattr(export, "MAX_ROWS", 3)
    by_rows = read(save(browser, Run, run, **options))
    monkeypatch.setattr(export, "MAX_ROWS", 6)
    whole = read(save(browser, Run, run, **options))
    monkeypatch.setattr(export, "MAX_BYTES", 20_000)
    by_bytes = read(save(browser, Run, run, **options))

    assert len(by_rows) == 4
    assert by_rows[-1]["robustaSpid"].startswith("Only the first 3 rows are here.")
    assert len(whole) == 6
    assert by_bytes[-1]["robustaSpid"].startswith("Only the first")
    assert len(by_bytes) < 6


def test_whoever_may_not_view_a_list_cannot_save_it() -> None:
    run = RunFactory.create()
    schedule = make_schedule()
    client = Client()
    user = UserFactory.create(is_staff=True)
    client.force_login(user)
    ledger = reverse("admin:scheduler_schedule_ledger", args=[schedule.pk])

    refused = (save(client, Run, run), client.get(f"{ledger}?csv=1"))
    user.user_permissions.add(Permission.objects.get(codename="view_run"))
    allowed = save(client, Run, run)

    assert [answer.status_code for answer in refused] == [403, 403]
    assert len(read(allowed)) == 1


def test_saving_takes_as_many_queries_for_many_rows_as_for_one(browser: Client) -> None:
    run = RunFactory.create()
    options = {"query": "?period=all", "select_across": "1"}
    save(browser, Run, run, **options).getvalue()

    with CaptureQueriesContext(connection) as for_one:
        save(browser, Run, run, **options).getvalue()
    for _ in range(20):
        RunFactory.create(failed=True)
    with CaptureQueriesContext(connection) as for_many:
        rows = read(save(browser, Run, run, **options))

    assert len(rows) == 21
    assert len(for_many) == len(for_one)
