"""Asking for the status."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connector.models import ApiClient
from processes.models import ProcessModel, Run
from tests.conftest import Caller
from tests.factories import RunFactory, WorkerFactory, WorkerNodeFactory

Examples = dict[str, ProcessModel]


@pytest.fixture
def owner(acme: Caller) -> str:
    """Return the owner text of acme's runs."""
    return f"client:{ApiClient.objects.get(name='acme').pk}"


def test_succeeded_run_answers_its_outputs(acme: Caller, owner: str) -> None:
    run = RunFactory.create(succeeded=True, owner=owner, outputs={"x": "Ada Lovelace", "n": 2})

    answer = acme.status(run.pk)

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "SUCCEEDED",
        "message": "Your transaction has ended.",
        "__out_x": "Ada Lovelace",
        "__out_n": 2,
    }


def test_running_run_answers_its_progress(acme: Caller, owner: str) -> None:
    run = RunFactory.create(running=True, owner=owner, progress_done=3, progress_total=10)

    answer = acme.status(run.pk)

    assert answer.json() == {
        "status": "RUNNING",
        "message": "Your transaction is running. Progress: 3 of 10.",
    }


def test_failed_run_answers_the_process_own_words(acme: Caller, owner: str) -> None:
    run = RunFactory.create(failed=True, owner=owner)

    answer = acme.status(run.pk)

    assert answer.json() == {"status": "FAILED", "message": "The printer is out of paper."}


def test_waiting_run_answers_why_it_waits(acme: Caller, owner: str) -> None:
    worker = WorkerFactory.create()
    WorkerNodeFactory.create(worker=worker, offline=True)
    run = RunFactory.create(owner=owner, worker=worker)

    answer = acme.status(run.pk)

    assert answer.json()["status"] == "WAITING"
    assert answer.json()["message"].startswith(
        f"Your transaction is waiting: worker {worker.pk} is offline since "
    )


def test_status_of_an_ended_run_takes_one_statement(acme: Caller, owner: str) -> None:
    run = RunFactory.create(succeeded=True, owner=owner)
    acme.status(run.pk)

    with CaptureQueriesContext(connection) as queries:
        acme.status(run.pk)

    assert len(queries) == 1


@pytest.mark.parametrize("spell", [str, lambda pk: str(pk).upper(), lambda pk: f"{pk}/"])
def test_letter_case_and_slash_do_not_matter(acme: Caller, owner: str, spell: object) -> None:
    run = RunFactory.create(succeeded=True, owner=owner)

    answer = acme.status(spell(run.pk))  # type: ignore[operator]

    assert answer.status_code == 200


def test_unknown_malformed_and_foreign_ids_look_alike(
    acme: Caller, globex: Caller, owner: str
) -> None:
    foreign = RunFactory.create(succeeded=True, owner=owner)
    unowned = RunFactory.create(succeeded=True)

    answers = [
        globex.status(spid) for spid in (uuid.uuid4(), "nonsense", foreign.pk, unowned.pk, "a" * 99)
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["code"] == "not_found"


def test_head_works(acme: Caller, owner: str) -> None:
    run = RunFactory.create(succeeded=True, owner=owner)

    answer = acme.client.head(
        f"/scheduler/connector-API/process/status/{run.pk}", headers=acme.headers
    )

    assert answer.status_code == 200


def test_start_and_status_belong_together(acme: Caller, examples: Examples) -> None:
    started = acme.start({"name": "CountDown"}).json()

    answer = acme.status(started["robustaSpid"])

    assert answer.json() == {
        "status": "WAITING",
        "message": "Your transaction is waiting: no worker is online.",
    }
    assert Run.objects.get(pk=started["robustaSpid"]).values == {"seconds": 10}
