"""Secrets over the API: taken as text, answered masked, refused without a word of them."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from processes.encryption import decrypt, encrypt
from processes.models import ProcessModel, Run
from processes.secrets import ENCRYPTED
from scheduler.models import Schedule
from tests.conftest import START, Caller
from tests.factories import ParameterFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def model() -> ProcessModel:
    """Return a process model with a secret and a text."""
    parameter = ParameterFactory.create(name="password", value_type="secret")
    ParameterFactory.create(process_model=parameter.process_model, name="user", required=False)
    found: ProcessModel = parameter.process_model
    return found


def test_started_run_holds_it_encrypted(acme: Caller, model: ProcessModel) -> None:
    answer = acme.start({"name": model.name, "values": {"password": "hunter2", "user": "ada"}})

    assert answer.status_code == 200
    values = Run.objects.get().values
    assert decrypt(values["password"]) == "hunter2"
    assert "hunter2" not in json.dumps(values)
    status = acme.status(answer.json()["robustaSpid"])
    assert "hunter2" not in status.content.decode()


def test_plan_holds_it_encrypted_and_its_periodic_task_not_at_all(
    acme: Caller, model: ProcessModel
) -> None:
    body = {"name": model.name, "values": {"password": "hunter2"}, "quartzDef": "0 0 6 * * ?"}

    assert acme.start(body).status_code == 200

    schedule = Schedule.objects.get()
    assert decrypt(schedule.values["password"]) == "hunter2"
    assert (schedule.periodic_task.args, schedule.periodic_task.kwargs) == ("[]", "{}")


def test_dry_run_answers_a_mask(acme: Caller, model: ProcessModel) -> None:
    body = {"name": model.name, "values": {"password": "hunter2", "user": "ada"}}

    answer = acme.start(body, START + "?dryRun=true")

    assert answer.json()["values"] == {"password": "••••••", "user": "ada"}
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "values",
    [
        {"password": ["hunter2"]},
        {"password": {ENCRYPTED: "hunter2"}},
        {"password": "hunter2\0"},
        {"password": "x", "pasword": "hunter2"},
        {"user": {"hunter2": 1}, "password": "hunter2"},
        json.dumps({"password": "hunter2"}),
        ["hunter2"],
    ],
    ids=["list", "encrypted", "NUL", "misspelt", "other field", "text", "no object"],
)
def test_refusal_does_not_repeat_it(acme: Caller, model: ProcessModel, values: Any) -> None:
    answer = acme.start({"name": model.name, "values": values})

    assert answer.status_code == 400
    assert "hunter2" not in answer.content.decode()
    assert not Run.objects.exists()


def test_encrypted_value_of_another_run_is_refused(acme: Caller, model: ProcessModel) -> None:
    answer = acme.start({"name": model.name, "values": {"password": encrypt("hunter2")}})

    assert answer.status_code == 400
    assert "in clear" in answer.json()["errors"]["values.password"][0]


def test_without_a_key_it_is_refused_and_others_go_on(
    acme: Caller, model: ProcessModel, examples: dict[str, ProcessModel], settings: Any
) -> None:
    settings.SECRETS_KEYS = []

    with capture_logs() as logs:
        refused = acme.start({"name": model.name, "values": {"password": "hunter2"}})
    taken = acme.start({"name": "OneStepNotepadRunner", "values": {"username": "Ada"}})

    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert "SECRETS_KEY" in refused.json()["message"]
    assert "hunter2" not in json.dumps(logs, default=str)
    assert taken.status_code == 200
