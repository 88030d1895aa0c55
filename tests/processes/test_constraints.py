"""What the database itself refuses, whoever writes the row."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from processes.models import (
    Application,
    Output,
    Parameter,
    ProcessModel,
    Run,
    RunAttempt,
    RunLog,
    Worker,
)
from tests.factories import ParameterFactory, ProcessModelFactory, RunFactory, WorkerFactory

pytestmark = pytest.mark.django_db

TOKEN = uuid.UUID("0199c0de-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("traits", "change", "constraint"),
    [
        ({}, {"status": "DONE"}, "run_status_known|run_finished_at_when_finished"),
        ({}, {"status": "RUNNING"}, "run_lease_while_running"),
        ({}, {"lease_token": TOKEN}, "run_lease_while_running"),
        ({}, {"lease_expires_at": Now()}, "run_lease_while_running"),
        ({"running": True}, {"lease_token": None}, "run_lease_while_running"),
        ({"running": True}, {"lease_expires_at": None}, "run_lease_while_running"),
        (
            {"running": True},
            {"status": "SUCCEEDED", "finished_at": Now()},
            "run_lease_while_running",
        ),
        ({}, {"priority": 0}, "run_priority_in_range"),
        ({}, {"priority": 100}, "run_priority_in_range"),
        ({}, {"retry_count": 100}, "run_retry_count_in_range"),
        ({}, {"finished_at": Now()}, "run_finished_at_when_finished"),
        ({"running": True}, {"finished_at": Now()}, "run_finished_at_when_finished"),
        ({"succeeded": True}, {"finished_at": None}, "run_finished_at_when_finished"),
        ({"failed": True}, {"finished_at": None}, "run_finished_at_when_finished"),
        ({}, {"status": "CANCELLED"}, "run_finished_at_when_finished"),
    ],
)
def test_run_that_cannot_be_is_refused(
    traits: dict[str, Any], change: dict[str, Any], constraint: str
) -> None:
    RunFactory.create(**traits)

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Run.objects.update(**change)


def attempt_twice() -> None:
    run = RunFactory.create()
    for _ in range(2):
        RunAttempt.objects.create(run=run, number=1)


def log_twice() -> None:
    run = RunFactory.create()
    for _ in range(2):
        RunLog.objects.create(run=run, attempt=1, sequence=1, stream="log", text="")


def parameter_twice() -> None:
    process_model = ProcessModelFactory.create()
    for _ in range(2):
        ParameterFactory.create(process_model=process_model, name="x")


def output_twice() -> None:
    process_model = ProcessModelFactory.create()
    for _ in range(2):
        Output.objects.create(process_model=process_model, name="x")


def process_model_twice() -> None:
    for _ in range(2):
        ProcessModelFactory.create(name="Pay")


def application_twice() -> None:
    for _ in range(2):
        Application.objects.create(name="Payroll")


def worker_twice() -> None:
    for _ in range(2):
        WorkerFactory.create(name="first")


@pytest.mark.parametrize(
    ("make", "model"),
    [
        (attempt_twice, RunAttempt),
        (log_twice, RunLog),
        (parameter_twice, Parameter),
        (output_twice, Output),
        (process_model_twice, ProcessModel),
        (application_twice, Application),
        (worker_twice, Worker),
    ],
    ids=lambda value: value.__name__,
)
def test_second_row_of_the_same_thing_is_refused(make: Callable[[], None], model: Any) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make()

    assert not model.objects.exists()


def test_process_model_that_retries_for_ever_is_refused() -> None:
    with pytest.raises(IntegrityError, match="process_model_retry_count"), transaction.atomic():
        ProcessModelFactory.create(default_retry_count=100)


def test_same_names_under_different_parents_are_no_clash() -> None:
    for _ in range(2):
        run = RunFactory.create()
        RunAttempt.objects.create(run=run, number=1)
        RunLog.objects.create(run=run, attempt=1, sequence=1, stream="log", text="")
        ParameterFactory.create(process_model=run.process_model, name="x")

    assert RunAttempt.objects.count() == RunLog.objects.count() == Parameter.objects.count() == 2
