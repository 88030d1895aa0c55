"""Faults that no request causes; what requests cause is in the table of errors."""

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from connector import views
from processes.models import ProcessModel
from tests.conftest import START, Caller

Examples = dict[str, ProcessModel]


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
