"""Readiness is judged by work done, and every red check says what is missing."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from scheduler.health import check_readiness
from scheduler.models import Beat
from tests.factories import WorkerNodeFactory
from tests.outage import database_away

LATELY, LONG_AGO = Now() - timedelta(seconds=10), Now() - timedelta(seconds=31)


def make_beat(**traits: Any) -> None:
    Beat.objects.create(boot_id=uuid4(), host="test-host", pid=1, **traits)


def red_checks() -> dict[str, str]:
    return {check.name: check.message for check in check_readiness() if not check.ok}


@pytest.mark.django_db
def test_all_is_green_while_everybody_works() -> None:
    make_beat(last_tick_at=LATELY)
    WorkerNodeFactory.create(last_seen_at=LATELY, last_message_at=LATELY)

    checks = check_readiness()

    assert [check.name for check in checks] == ["database", "worker", "beat", "broker"]
    assert all(check.ok for check in checks)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("beat", "node", "red"),
    [
        ({}, {"last_message_at": None}, {"broker": "no node has heard from the beat lately"}),
        ({}, {"last_message_at": LONG_AGO}, {"broker": "no node has heard from the beat lately"}),
        (
            {"last_tick_at": LONG_AGO},
            {},
            {"beat": "no beat has finished a tick in the last 30 seconds"},
        ),
        (
            {"stopped_at": Now()},
            {},
            {"beat": "no beat has finished a tick in the last 30 seconds"},
        ),
        (
            {},
            {"last_seen_at": LONG_AGO},
            {
                "worker": "no node of any worker is online",
                "broker": "no node has heard from the beat lately",
            },
        ),
        (
            {},
            {"stopped_at": Now()},
            {
                "worker": "no node of any worker is online",
                "broker": "no node has heard from the beat lately",
            },
        ),
    ],
    ids=["never heard", "heard long ago", "beat late", "beat stopped", "node late", "node stopped"],
)
def test_red_check_says_what_is_missing(
    beat: dict[str, Any], node: dict[str, Any], red: dict[str, str]
) -> None:
    make_beat(**beat)
    WorkerNodeFactory.create(**node)

    assert red_checks() == red


@pytest.mark.django_db
def test_one_of_many_is_enough() -> None:
    make_beat(last_tick_at=LONG_AGO)
    make_beat()
    WorkerNodeFactory.create(offline=True)
    WorkerNodeFactory.create()

    assert red_checks() == {}


@pytest.mark.django_db
def test_nothing_at_all_is_red() -> None:
    answer = Client().get("/readyz")

    assert answer.status_code == 503
    checks = answer.json()["checks"]
    assert {name for name, check in checks.items() if not check["ok"]} == {
        "worker",
        "beat",
        "broker",
    }


@pytest.mark.django_db(transaction=True)
def test_database_that_is_away_is_the_one_red_check() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("reading goes on while another process holds SQLite's write lock")
    with database_away():
        checks = check_readiness()

    assert [(check.name, check.ok) for check in checks] == [("database", False)]
