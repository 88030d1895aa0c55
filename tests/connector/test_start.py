"""Starting a process: what the published text promises, and what it leaves open."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connector.models import ApiClient
from processes.models import ProcessModel, Run, Worker
from tests.conftest import Caller
from tests.factories import ProcessModelFactory, WorkerFactory

ADA = {"username": "Ada", "usersurname": "Lovelace"}
SAMPLE = {"name": "OneStepNotepadRunner", "values": ADA}

Examples = dict[str, ProcessModel]


def test_known_client_is_answered_as_published(
    acme: Caller, examples: Examples, worker: Worker
) -> None:
    body = (
        '{"runOnce":"Y","runImmediately":"Y","name":"OneStepNotepadRunner",'
        f'"worker":"{worker.pk}",'
        '"values":{"username":"Ada","usersurname":"Lovelace"}}'
    )

    answer = acme.client.post(
        "/scheduler/connector-api/process/start",
        body.encode(),
        content_type="application/json; charset=utf-8",
        headers=acme.headers,
    )

    assert answer.status_code == 200
    assert answer.json().keys() == {"robustaSpid", "message"}
    assert answer.json()["message"] == "Process saved"
    run = Run.objects.get(pk=answer.json()["robustaSpid"])
    assert run.status == Run.Status.WAITING
    assert run.values == ADA
    assert run.worker == worker


@pytest.mark.parametrize(
    "path",
    [
        "/scheduler/connector-api/process/start",
        "/scheduler/connector-api/process/start/",
        "/scheduler/connector-API/process/start",
        "/scheduler/Connector-Api/process/start/",
    ],
)
def test_every_spelling_of_the_path_starts_without_a_redirect(
    acme: Caller, examples: Examples, path: str
) -> None:
    answer = acme.start(SAMPLE, path)

    assert answer.status_code == 200
    assert Run.objects.count() == 1


def test_start_with_warm_caches_takes_one_statement(acme: Caller, examples: Examples) -> None:
    acme.start(SAMPLE)

    with CaptureQueriesContext(connection) as queries:
        answer = acme.start(SAMPLE)

    assert answer.status_code == 200
    assert len(queries) == 1
    assert queries[0]["sql"].startswith("INSERT INTO")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("values", None),
        ("quartzDef", ""),
        ("quartzDef", None),
        ("startDate", ""),
        ("endDate", None),
        ("runOnce", None),
        ("runImmediately", ""),
        ("retryCount", ""),
        ("worker", ""),
        ("worker", None),
        ("timezone", ""),
        ("retryDelay", None),
        ("priority", ""),
    ],
)
def test_null_and_empty_text_mean_not_given(
    acme: Caller, examples: Examples, field: str, value: Any
) -> None:
    answer = acme.start({"name": "CountDown", field: value})

    assert answer.status_code == 200, answer.json()
    assert "warnings" not in answer.json()


@pytest.mark.parametrize("flag", ["Y", "y", "N", "n", True, False, "true", "FALSE"])
def test_flags_are_taken_in_every_form(acme: Caller, examples: Examples, flag: Any) -> None:
    answer = acme.start(SAMPLE | {"runOnce": flag, "runImmediately": flag})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("retryCount", -1),
        ("retryCount", 100),
        ("retryCount", 1.5),
        ("retryCount", True),
        ("retryCount", "x"),
        ("retryCount", "٣"),
        ("retryDelay", 86_401),
        ("priority", 0),
        ("priority", 100),
        ("worker", "one"),
        ("worker", 0),
        ("worker", "9" * 30),
        ("runOnce", "maybe"),
        ("runImmediately", 1),
        ("startDate", "2026-02-30 10:00:00"),
        ("startDate", "0000-01-01 10:00:00"),
        ("startDate", "2026-11-16 25:00:00"),
        ("startDate", "16.11.2026"),
        ("startDate", "2026-11-16"),
        ("startDate", "tomorrow"),
        ("startDate", "1969-12-31 10:00:00"),
        ("endDate", "2200-01-01 00:00:00"),
        ("timezone", "Mars/Olympus"),
        ("timezone", "../../etc/passwd"),
        ("timezone", 3),
        ("values", "text"),
        ("values", []),
        ("quartzDef", 5),
        ("quartzDef", "0" * 1001),
    ],
)
def test_wrong_fields_are_refused_by_name(
    acme: Caller, examples: Examples, field: str, value: Any
) -> None:
    answer = acme.start(SAMPLE | {field: value})

    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_request"
    assert list(answer.json()["errors"]) == [field]
    assert answer.json()["errors"][field][0].startswith(field)
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"name": "onestepnotepadrunner"}, "name"),
        ({"name": " OneStepNotepadRunner"}, "name"),
        ({"name": "x" * 300}, "name"),
    ],
)
def test_name_is_required_and_matched_exactly(
    acme: Caller, examples: Examples, body: dict[str, Any], field: str
) -> None:
    answer = acme.start(body)

    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [field]
    assert answer.json()["message"] == answer.json()["errors"][field][0]


def test_missing_name_is_named(acme: Caller, examples: Examples) -> None:
    assert acme.start({}).json()["message"] == "name is required; add it to the body."


def test_all_faults_are_told_at_once(acme: Caller, examples: Examples) -> None:
    answer = acme.start(SAMPLE | {"retryCount": -1, "worker": "x", "runOnce": "maybe"})

    assert set(answer.json()["errors"]) == {"retryCount", "worker", "runOnce"}
    assert answer.json()["message"].endswith(" (and 2 more under errors).")


def test_unknown_disabled_and_forbidden_process_models_look_alike(
    acme: Caller, examples: Examples
) -> None:
    ProcessModelFactory.create(name="Switched off", enabled=False)
    ProcessModelFactory.create(name="Of others")
    client = _client_of(acme)
    client.process_models.add(examples["CountDown"])

    answers = [acme.start({"name": name}) for name in ("Nobody's", "Switched off", "Of others")]

    assert {answer.status_code for answer in answers} == {400}
    assert len({answer.content for answer in answers}) == 1
    assert acme.start({"name": "CountDown"}).status_code == 200


def test_unknown_disabled_and_forbidden_workers_look_alike(
    acme: Caller, examples: Examples, worker: Worker
) -> None:
    disabled = WorkerFactory.create(enabled=False)
    other = WorkerFactory.create()
    _client_of(acme).workers.add(worker)

    answers = [acme.start(SAMPLE | {"worker": pk}) for pk in (999, disabled.pk, other.pk)]

    assert {answer.status_code for answer in answers} == {400}
    assert len({answer.content for answer in answers}) == 1
    assert acme.start(SAMPLE | {"worker": worker.pk}).status_code == 200


def test_mistyped_field_is_refused_with_the_near_one(acme: Caller, examples: Examples) -> None:
    answer = acme.start(SAMPLE | {"quartzdef": "0 6 6 ? * FRI"})

    assert answer.status_code == 400
    assert "did you mean 'quartzDef'?" in answer.json()["errors"]["quartzdef"][0]
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("values", "name", "hint"),
    [
        ({"username": "Ada", "usersurnam": "L"}, "usersurnam", "did you mean 'usersurname'?"),
        ({}, "username", "is required"),
        ({"username": None}, "username", "is required"),
        ({"username": 5}, "username", "takes text"),
    ],
)
def test_wrong_values_are_refused_by_name(
    acme: Caller, examples: Examples, values: dict[str, Any], name: str, hint: str
) -> None:
    answer = acme.start({"name": "OneStepNotepadRunner", "values": values})

    assert answer.status_code == 400
    assert hint in answer.json()["errors"][f"values.{name}"][0]
    assert answer.json()["message"]


def test_text_values_become_the_parameters_type(acme: Caller, examples: Examples) -> None:
    answer = acme.start({"name": "CountDown", "values": {"seconds": "3"}})

    assert Run.objects.get(pk=answer.json()["robustaSpid"]).values == {"seconds": 3}


def test_values_are_never_trimmed(acme: Caller, examples: Examples) -> None:
    answer = acme.start(SAMPLE | {"values": {"username": "  Ada "}})

    stored = Run.objects.get(pk=answer.json()["robustaSpid"]).values
    assert stored["username"] == "  Ada "


def test_run_takes_the_fields_of_the_call(acme: Caller, examples: Examples, worker: Worker) -> None:
    answer = acme.start(
        SAMPLE | {"retryCount": "2", "retryDelay": 30, "priority": 99, "worker": worker.pk}
    )

    run = Run.objects.get(pk=answer.json()["robustaSpid"])
    assert (run.retry_count, run.retry_delay, run.priority) == (2, timedelta(seconds=30), 99)
    assert run.owner == f"client:{_client_of(acme).pk}"
    assert run.requested_by == "API: acme"


def test_run_takes_what_is_not_given_from_the_process_model(
    acme: Caller, examples: Examples, worker: Worker
) -> None:
    ProcessModel.objects.filter(name="OneStepNotepadRunner").update(
        default_retry_count=3, default_retry_delay=timedelta(minutes=1), default_worker=worker
    )

    answer = acme.start(SAMPLE)

    run = Run.objects.get(pk=answer.json()["robustaSpid"])
    assert (run.retry_count, run.retry_delay) == (3, timedelta(minutes=1))
    assert (run.worker, run.priority) == (worker, 50)


def test_future_start_date_postpones_the_run(acme: Caller, examples: Examples) -> None:
    answer = acme.start(
        SAMPLE | {"startDate": "2199-01-01 10:00:00", "timezone": "Europe/Istanbul"}
    )

    run = Run.objects.get(pk=answer.json()["robustaSpid"])
    assert run.ready_at == datetime(2199, 1, 1, 10, tzinfo=ZoneInfo("Europe/Istanbul"))
    assert "warnings" not in answer.json()


def test_offset_of_the_start_date_wins_over_the_zone(acme: Caller, examples: Examples) -> None:
    answer = acme.start(
        SAMPLE | {"startDate": "2199-01-01T10:00:00+05:00", "timezone": "Europe/Istanbul"}
    )

    run = Run.objects.get(pk=answer.json()["robustaSpid"])
    assert run.ready_at.isoformat() == "2199-01-01T05:00:00+00:00"


def test_what_is_ignored_or_repaired_is_reported(acme: Caller, examples: Examples) -> None:
    body = (
        '{"name": "OneStepNotepadRunner", "values": {"username": "Ada", "username": "Grace"},'
        ' "run immediately": "N,", "startDate": "2020-11-16 16:56:00",'
        ' "endDate": "2020-11-18 16:55:00"}'
    )

    answer = acme.start(body)

    assert answer.status_code == 200
    warnings = " ".join(answer.json()["warnings"])
    for quoted in ("username", "run immediately", "N,", "startDate", "endDate"):
        assert quoted in warnings
    run = Run.objects.get(pk=answer.json()["robustaSpid"])
    assert run.values["username"] == "Grace"


def test_robusta_spid_is_a_uuid(acme: Caller, examples: Examples) -> None:
    answer = acme.start(SAMPLE)

    assert str(UUID(answer.json()["robustaSpid"])) == answer.json()["robustaSpid"]


def _client_of(caller: Caller) -> ApiClient:
    return ApiClient.objects.get(name=caller.name)
