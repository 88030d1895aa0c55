"""A start that is sent again with the same Idempotency-Key is made once."""

import json
import string
from datetime import timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.apps import apps
from django.db import IntegrityError, connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from connector import known_clients, retention
from connector.models import ApiClient, IdempotencyRecord
from connector.retention import purge_idempotency_records
from processes import queueing
from processes.models import ProcessModel, Run
from scheduler.models import Schedule
from tests.at_once import run_at_once
from tests.conftest import START, Caller
from tests.factories import ProcessModelFactory

SAMPLE = {"name": "OneStepNotepadRunner", "values": {"username": "Ada"}}
PLAN = {"name": "CountDown", "quartzDef": "0 6 6 ? * FR", "startDate": "2020-11-16 16:56:00"}
VISIBLE = string.digits + string.ascii_letters + string.punctuation

Examples = dict[str, ProcessModel]


def start(caller: Caller, body: Any, key: str | None, path: str = START) -> Any:
    """Post a start call with a key."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = caller.headers | ({} if key is None else {"Idempotency-Key": key})
    return caller.client.post(path, data, content_type="application/json", headers=headers)


def let_pass(hours: float) -> None:
    """Have all records be so much older."""
    IdempotencyRecord.objects.update(created_at=F("created_at") - timedelta(hours=hours))


def test_same_key_and_body_are_answered_the_same_and_make_one_run(
    acme: Caller, examples: Examples
) -> None:
    first, again = start(acme, SAMPLE, "order-1"), start(acme, SAMPLE, "order-1")

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert [str(run.pk) for run in Run.objects.all()] == [first.json()["robustaSpid"]]


def test_warnings_of_a_plan_come_again_and_there_is_one_schedule(
    acme: Caller, examples: Examples
) -> None:
    body = PLAN | {"runImmediately": "Y"}

    first, again = start(acme, body, "plan-1"), start(acme, body, "plan-1")

    assert first.json() == again.json()
    assert len(first.json()["warnings"]) == 2
    assert [str(plan.pk) for plan in Schedule.objects.all()] == [first.json()["robustaSpid"]]
    assert Run.objects.count() == 1
    assert acme.status(first.json()["robustaSpid"]).status_code == 200


@pytest.mark.parametrize(
    "other", [SAMPLE | {"priority": 60}, json.dumps(SAMPLE).encode() + b" "], ids=["value", "bytes"]
)
def test_same_key_with_another_body_is_refused(
    acme: Caller, examples: Examples, other: Any
) -> None:
    start(acme, SAMPLE, "order-1")

    answer = start(acme, other, "order-1")

    assert answer.status_code == 409
    assert answer.json()["code"] == "idempotency_key_reused"
    assert "Idempotent-Replayed" not in answer.headers
    assert Run.objects.count() == 1


def test_key_is_each_callers_own(acme: Caller, globex: Caller, examples: Examples) -> None:
    answers = [start(caller, SAMPLE, "order-1") for caller in (acme, globex)]

    assert len({answer.json()["robustaSpid"] for answer in answers}) == 2
    assert Run.objects.count() == 2


def test_refused_start_does_not_use_up_a_key(acme: Caller, examples: Examples) -> None:
    refused = start(acme, SAMPLE | {"retryCount": -1}, "order-1")
    taken = start(acme, SAMPLE, "order-1")

    assert (refused.status_code, taken.status_code) == (400, 200)
    assert Run.objects.count() == 1


@pytest.mark.parametrize("key", ["k", "k" * 255, VISIBLE], ids=["short", "long", "visible"])
def test_visible_characters_are_a_key(acme: Caller, examples: Examples, key: str) -> None:
    first, again = start(acme, SAMPLE, key), start(acme, SAMPLE, key)

    assert first.json() == again.json()
    assert IdempotencyRecord.objects.get().key == key


@pytest.mark.parametrize(
    "key",
    ["", "k" * 256, "a key", "a\tkey", "anahtar-ç", "key\x7f", "one, two"],
    ids=["empty", "long", "blank", "tab", "not ASCII", "control", "two and a blank"],
)
@pytest.mark.parametrize("path", [START, f"{START}?dryRun=true"], ids=["start", "dry run"])
def test_anything_else_is_refused(acme: Caller, examples: Examples, key: str, path: str) -> None:
    answer = start(acme, SAMPLE, key, path)

    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["Idempotency-Key"]
    assert not Run.objects.exists()


def test_dry_run_neither_stores_a_key_nor_answers_for_one(acme: Caller, examples: Examples) -> None:
    dry = start(acme, SAMPLE, "order-1", f"{START}?dryRun=true")
    assert not IdempotencyRecord.objects.exists()
    made = start(acme, SAMPLE, "order-1")
    dry_again = start(acme, SAMPLE, "order-1", f"{START}?dryRun=true")

    assert dry.json()["message"] == dry_again.json()["message"]
    assert "robustaSpid" not in dry_again.json()
    assert "Idempotent-Replayed" not in dry_again.headers
    assert made.json()["robustaSpid"]
    assert Run.objects.count() == 1


def test_key_counts_for_24_hours_purged_or_not(acme: Caller, examples: Examples) -> None:
    first = start(acme, SAMPLE, "order-1")
    let_pass(hours=23.9)
    within = start(acme, SAMPLE, "order-1")
    let_pass(hours=0.2)
    after = start(acme, SAMPLE | {"priority": 60}, "order-1")
    again = start(acme, SAMPLE | {"priority": 60}, "order-1")

    assert within.json() == first.json()
    assert after.status_code == 200
    assert after.json() == again.json() != first.json()
    assert Run.objects.count() == 2


def test_only_old_records_are_purged(
    acme: Caller, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PURGED_AT_ONCE", 2)
    for number in range(5):
        start(acme, SAMPLE, f"old-{number}")
    let_pass(hours=24.1)
    start(acme, SAMPLE, "new")

    assert purge_idempotency_records() == 5

    assert [record.key for record in IdempotencyRecord.objects.all()] == ["new"]


def test_beat_has_old_records_purged(db: None) -> None:
    from django_celery_beat.models import PeriodicTask

    from config.celery import app

    # Again, since a test before this one may have flushed what migrations make.
    migration = import_module("connector.migrations.0003_idempotent_answers_come_again")
    migration.make_entry(apps, None)
    entry = PeriodicTask.objects.get(task="connector.purge_idempotency_records")

    app.loader.import_default_modules()
    assert entry.enabled
    assert entry.schedule.run_every == timedelta(hours=1)
    assert entry.task in app.tasks


def test_answer_outlives_what_it_was_about(acme: Caller, examples: Examples) -> None:
    first = start(acme, SAMPLE, "order-1")
    Run.objects.all().delete()
    ProcessModel.objects.filter(name=SAMPLE["name"]).delete()

    again = start(acme, SAMPLE, "order-1")

    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert not Run.objects.exists()


def test_dates_are_not_read_again(acme: Caller, examples: Examples) -> None:
    body = {"name": "CountDown", "startDate": "2031-01-01 00:00:00"}
    first = start(acme, body, "order-1")

    with time_machine.travel("2031-06-01"):
        again = start(acme, body, "order-1")

    assert again.json() == first.json()
    assert "warnings" not in again.json()


def test_disabled_caller_gets_no_answer_of_before(acme: Caller, examples: Examples) -> None:
    start(acme, SAMPLE, "order-1")
    ApiClient.objects.update(enabled=False)
    known_clients.clients.clear()

    assert start(acme, SAMPLE, "order-1").status_code == 401


@pytest.mark.django_db(transaction=True)
def test_statements_with_and_without_a_key(acme: Caller, examples: Examples) -> None:
    acme.start(SAMPLE)

    def count(key: str | None) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert start(acme, SAMPLE, key).status_code == 200
        return len([one for one in queries if not one["sql"].startswith(("BEGIN", "COMMIT"))])

    assert (count(None), count("order-1"), count("order-1")) == (1, 3, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "body", [SAMPLE, PLAN, PLAN | {"runImmediately": "Y"}], ids=["run", "plan", "plan and run"]
)
def test_fifty_at_once_make_one(
    acme: Caller, examples: Examples, monkeypatch: pytest.MonkeyPatch, body: Any
) -> None:
    bells: list[Any] = []
    monkeypatch.setattr(queueing, "ring", lambda queue, hint=None, times=1: bells.append(hint))
    acme.start(SAMPLE)  # warms what is kept
    Run.objects.all().delete()
    bells.clear()

    answers = run_at_once(lambda: start(Caller(acme.name, acme.password), body, "one"), threads=50)

    assert {answer.status_code for answer in answers} == {200}
    assert len({json.dumps(answer.json()) for answer in answers}) == 1
    replayed = [answer for answer in answers if "Idempotent-Replayed" in answer.headers]
    assert len(replayed) == 49
    made = Schedule.objects.all() if "quartzDef" in body else Run.objects.all()
    assert [one.pk for one in made] == [UUID(answers[0].json()["robustaSpid"])]
    assert Run.objects.count() == len(bells) == (0 if body is PLAN else 1)


@pytest.mark.django_db(transaction=True)
def test_two_bodies_at_once_make_one_run_and_one_refusal(acme: Caller, examples: Examples) -> None:
    bodies = iter([SAMPLE, SAMPLE | {"priority": 60}])

    answers = run_at_once(
        lambda: start(Caller(acme.name, acme.password), next(bodies), "one"), threads=2
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert Run.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_outdated_key_at_once_makes_one_run(acme: Caller, examples: Examples) -> None:
    first = start(acme, SAMPLE, "one")
    let_pass(hours=25)

    answers = run_at_once(lambda: start(Caller(acme.name, acme.password), SAMPLE, "one"), threads=8)

    spids = {answer.json()["robustaSpid"] for answer in answers}
    assert len(spids) == 1
    assert spids != {first.json()["robustaSpid"]}
    assert Run.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_what_else_the_database_refuses_leaves_the_key_free(
    acme: Caller, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise IntegrityError

    with monkeypatch.context() as patch:
        patch.setattr("connector.starting.queue_run", refuse)
        refused = start(acme, SAMPLE, "order-1")
    taken = start(acme, SAMPLE, "order-1")

    assert refused.status_code == 500
    assert taken.status_code == 200
    assert "Idempotent-Replayed" not in taken.headers


def test_other_process_model_is_another_body(acme: Caller, examples: Examples) -> None:
    other = ProcessModelFactory.create(name="Other")
    start(acme, SAMPLE, "order-1")

    assert start(acme, {"name": other.name}, "order-1").status_code == 409
