"""Every answer is JSON with a readable message, whatever goes wrong."""

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from connector import views
from processes.models import ProcessModel
from tests.conftest import START, Caller

Examples = dict[str, ProcessModel]


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "options"])
def test_other_methods_of_start_are_not_allowed(acme: Caller, method: str) -> None:
    answer = getattr(acme.client, method)(START, headers=acme.headers)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    assert answer.json()["code"] == "method_not_allowed"


def test_answer_is_json_only(acme: Caller, examples: Examples) -> None:
    answer = acme.client.post(
        START,
        {"name": "CountDown"},
        content_type="application/json",
        headers=acme.headers | {"Accept": "application/xml"},
    )

    assert answer.status_code == 406
    assert answer.json()["message"]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 400),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/json; charset=latin-1", 415),
    ],
)
def test_body_is_json_in_utf8(acme: Caller, content_type: str, status: int) -> None:
    answer = acme.client.post(START, b"{", content_type=content_type, headers=acme.headers)

    assert answer.status_code == status
    assert answer.json().keys() == {"message", "code"}


def test_body_over_the_limit_is_refused(acme: Caller) -> None:
    answer = acme.client.post(
        START, b" " * (1024 * 1024 + 1), content_type="application/json", headers=acme.headers
    )

    assert answer.status_code == 413
    assert answer.json()["code"] == "body_too_large"


@pytest.mark.parametrize(
    "path",
    [
        "/scheduler/connector-api/process/stop",
        "/scheduler/connector-api/",
        "/scheduler/connector-api/process/status/",
        "/scheduler/anything/else",
    ],
)
def test_other_addresses_are_not_found(acme: Caller, path: str) -> None:
    answer = acme.client.get(path, headers=acme.headers)

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_other_hosts_are_refused(acme: Caller) -> None:
    answer = acme.client.get(START, headers=acme.headers | {"Host": "evil.example"})

    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_request"


def test_database_that_is_away_gets_503(
    acme: Caller, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "check_start", _raiser(OperationalError("server closed")))

    answer = acme.start({"name": "CountDown"})

    assert answer.status_code == 503
    assert answer.headers["Retry-After"].isdigit()
    assert answer.json()["code"] == "unavailable"
    assert "server closed" not in answer.content.decode()


def test_fault_of_our_own_gets_500_with_the_request_id(
    acme: Caller, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "check_start", _raiser(ZeroDivisionError("secret detail")))

    answer = acme.start({"name": "CountDown"})

    assert answer.status_code == 500
    assert answer.headers["X-Request-ID"] in answer.json()["message"]
    assert "secret detail" not in answer.content.decode()


def test_every_answer_carries_a_request_id(db: None) -> None:
    first, second = Client().get("/healthz"), Client().get(START)

    assert len(first.headers["X-Request-ID"]) == 32
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]


def _raiser(error: Exception) -> Any:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    return fail
