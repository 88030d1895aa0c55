"""Requests a minute of an API client."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from connector import known_clients
from connector.models import ApiClient, RequestWindow
from processes.models import ProcessModel, Run
from tests.at_once import run_at_once
from tests.conftest import Caller, make_caller

Examples = dict[str, ProcessModel]
BODY = {"name": "CountDown"}


def limit(name: str, rate_limit: int | None) -> None:
    """Give a client a limit that is in force at once."""
    ApiClient.objects.filter(name=name).update(rate_limit=rate_limit)
    known_clients.clients.clear()


def test_starts_and_status_calls_count_together(acme: Caller, examples: Examples) -> None:
    limit("acme", 3)

    statuses = [
        acme.start(BODY).status_code,
        acme.status("x").status_code,
        acme.start({"name": "unknown"}).status_code,
        acme.start(BODY).status_code,
        acme.status("x").status_code,
    ]

    assert statuses == [200, 404, 400, 429, 429]
    assert Run.objects.count() == 1


def test_the_answer_says_when_to_try_again(acme: Caller) -> None:
    limit("acme", 1)
    acme.status("x")

    answer = acme.status("x")

    seconds = answer.headers["Retry-After"]
    assert 1 <= int(seconds) <= 60
    assert answer.json() == {
        "message": f"More requests than 1 a minute are not answered; try again in {seconds} s.",
        "code": "rate_limited",
    }


def test_the_next_minute_begins_with_the_first_request_after_it(acme: Caller) -> None:
    limit("acme", 2)
    assert [acme.status("x").status_code for _ in range(3)] == [404, 404, 429]
    RequestWindow.objects.update(started_at=F("started_at") - timedelta(seconds=61))

    statuses = [acme.status("x").status_code for _ in range(3)]

    assert statuses == [404, 404, 429]


def test_clients_do_not_share_a_limit(acme: Caller, globex: Caller) -> None:
    limit("acme", 1)
    limit("globex", 1)
    acme.status("x")

    assert acme.status("x").status_code == 429
    assert globex.status("x").status_code == 404


@pytest.mark.parametrize(("rate_limit", "statements"), [(None, 0), (100, 1)])
def test_only_a_client_with_a_limit_costs_a_statement(
    acme: Caller, rate_limit: int | None, statements: int
) -> None:
    limit("acme", rate_limit)
    acme.status("x")

    with CaptureQueriesContext(connection) as queries:
        acme.status("x")

    counting: list[Any] = [each for each in queries if "requestwindow" in each["sql"]]
    assert len(counting) == statements


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_first", [True, False])
def test_of_many_at_once_exactly_the_limit_are_answered(is_first: bool) -> None:
    acme = make_caller("acme")
    limit("acme", 20)
    if not is_first:
        acme.status("x")

    statuses = Counter(run_at_once(lambda: acme.status("x").status_code, threads=40))

    answered = 20 if is_first else 19
    assert statuses == {404: answered, 429: 40 - answered}
