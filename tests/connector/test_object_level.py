"""What a caller may not see or use looks, and costs, like what does not exist."""

import uuid
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connector import known_clients
from connector.models import ApiClient
from connector.throttling import suspects
from processes import catalog
from processes.models import Application, ProcessModel, Worker
from scheduler.models import Schedule
from tests.conftest import START, Caller
from tests.factories import (
    ParameterFactory,
    ProcessModelFactory,
    RunFactory,
    UserFactory,
    WorkerFactory,
    make_schedule,
)

Examples = dict[str, ProcessModel]
CALL_HEADERS = {"X-Request-ID"}  # of every answer one of its own


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing that is kept for a while grow too old in between, however slow the machine is."""
    for kept in (catalog.process_models, catalog.workers, known_clients.clients, suspects):
        monkeypatch.setattr(kept, "_clock", lambda: 0.0)


@pytest.fixture
def partner(db: None) -> Caller:
    """Return a Django user who may call."""
    user = UserFactory.create(username="partner")
    user.user_permissions.add(Permission.objects.get(codename="use_connector_api"))
    return Caller("partner", "open sesame")


@pytest.fixture
def client(acme: Caller) -> ApiClient:
    """Return what is stored of acme."""
    return ApiClient.objects.get(name=acme.name)


@pytest.fixture
def ids(acme: Caller, partner: Caller) -> dict[str, Any]:
    """Return ids that globex has nothing to do with, by whose they are."""
    owners = {
        "a client's": f"client:{ApiClient.objects.get(name='acme').pk}",
        "a user's": f"user:{get_user_model().objects.get(username='partner').pk}",
        "the admin's": "",
    }
    runs = {f"{whose} run": RunFactory.create(owner=owner) for whose, owner in owners.items()}
    plans = {f"{whose} plan": make_plan(owner) for whose, owner in owners.items()}
    foreign = {label: row.pk for label, row in (runs | plans).items()}
    spelled = {f"{label}, in capitals": str(pk).upper() for label, pk in foreign.items()}
    return foreign | spelled


def make_plan(owner: str) -> Schedule:
    """Return a stored plan of an owner."""
    schedule = make_schedule()
    schedule.owner = owner
    schedule.save()
    return schedule


NOBODYS = {
    "unknown": str(uuid.uuid4()),
    "unknown, in capitals": str(uuid.uuid4()).upper(),
    "nil": str(uuid.UUID(int=0)),
    "malformed": "nonsense",
    "too long": "a" * 5000,
    "no ASCII": "%C3%A4",
    "NUL": "%00",
}


def shape(answer: Any) -> tuple[Any, ...]:
    """Return all that a caller sees, but for the id of the request."""
    headers = {name: text for name, text in answer.items() if name not in CALL_HEADERS}
    return answer.status_code, headers, answer.content


def watch(call: Callable[[], Any]) -> tuple[tuple[Any, ...], list[str]]:
    """Return what a call answers and the statements it takes, without their parameters."""
    with CaptureQueriesContext(connection) as queries:
        answer = call()
    return shape(answer), [query["sql"].partition(" WHERE ")[0] for query in queries]


def differences(seen: Iterable[Any]) -> list[Any]:
    """Return each thing that differs from the first."""
    first, *others = seen
    return [other for other in others if other != first]


def test_ids_of_others_look_like_unknown_and_malformed_ones(
    globex: Caller, ids: dict[str, Any]
) -> None:
    globex.status("unknown")

    seen = [watch(partial(globex.status, pk)) for pk in (ids | NOBODYS).values()]

    (status, _, _), statements = seen[0]
    assert status == 404
    assert len(statements) == 2
    assert differences(seen) == []


def test_head_tells_no_more(globex: Caller, ids: dict[str, Any]) -> None:
    def ask(pk: Any) -> Any:
        path = f"/scheduler/connector-api/process/status/{pk}"
        return globex.client.head(path, headers=globex.headers)

    globex.status("unknown")

    seen = [watch(partial(ask, pk)) for pk in (ids | NOBODYS).values()]

    assert differences(seen) == []


def test_users_and_clients_see_nothing_of_each_other(
    acme: Caller, partner: Caller, ids: dict[str, Any]
) -> None:
    assert acme.status(ids["a client's run"]).status_code == 200
    assert acme.status(ids["a client's plan"]).status_code == 200
    assert partner.status(ids["a user's run"]).status_code == 200
    assert partner.status(ids["a user's plan"]).status_code == 200
    others = [pk for label, pk in ids.items() if not label.startswith("a user's")]
    assert {partner.status(pk).status_code for pk in others} == {404}
    others = [pk for label, pk in ids.items() if not label.startswith("a client's")]
    assert {acme.status(pk).status_code for pk in others} == {404}


def _application(name: str) -> Application:
    return Application.objects.create(name=name)


@pytest.fixture
def models(client: ApiClient) -> dict[str, str]:
    """Return names that acme, which may start one process model and one application, may not."""
    mine: ProcessModel = ProcessModelFactory.create(
        name="Mine", application=_application("Billing")
    )
    ProcessModelFactory.create(name="Same application", application=mine.application)
    for name, enabled in (("Of others", True), ("Off", False)):
        model: ProcessModel = ProcessModelFactory.create(
            name=name, enabled=enabled, default_worker=WorkerFactory.create()
        )
        ParameterFactory.create(process_model=model)
    other: ProcessModel = ProcessModelFactory.create(
        name="Of another application", application=_application("Payroll")
    )
    ParameterFactory.create(process_model=other)
    switched_off: ProcessModel = ProcessModelFactory.create(name="Mine, but off", enabled=False)
    client.process_models.add(switched_off)
    client.applications.add(mine.application)  # type: ignore[arg-type]
    return {
        "unknown": "Nobody's",
        "disabled": "Off",
        "disabled, but allowed": "Mine, but off",
        "forbidden": "Of others",
        "of another application": "Of another application",
        "near to a forbidden one": "Of other",
        "near to an allowed one": "mine",
    }


@pytest.mark.parametrize("path", [START, f"{START}?dryRun=true"], ids=["start", "dry run"])
@pytest.mark.parametrize("body", [{}, {"quartzDef": "0 6 6 ? * FRI"}, {"values": {"x": 1}}])
def test_process_models_of_others_look_like_unknown_ones(
    acme: Caller, models: dict[str, str], body: dict[str, Any], path: str
) -> None:
    acme.start({"name": "Mine"})  # who calls is known from here on

    def seen() -> list[Any]:
        bodies = [{"name": name} | body for name in models.values()]
        return [watch(partial(acme.start, sent, path)) for sent in bodies]

    cold, warm = seen(), seen()

    (status, _, content), statements = cold[0]
    assert (status, len(statements)) == (400, 1)
    assert differences(cold) == []
    assert differences(warm) == []
    assert [len(statements) for _, statements in warm] == [0] * len(models)
    assert not any(model.name.encode() in content for model in ProcessModel.objects.all())


def test_an_application_opens_each_of_its_process_models(
    acme: Caller, models: dict[str, str]
) -> None:
    assert acme.start({"name": "Mine"}).status_code == 200
    assert acme.start({"name": "Same application"}).status_code == 200


def test_workers_of_others_look_like_unknown_ones(
    acme: Caller, client: ApiClient, examples: Examples, worker: Worker
) -> None:
    client.workers.add(worker)
    mine_but_off: Worker = WorkerFactory.create(enabled=False)
    client.workers.add(mine_but_off)
    others: list[Worker] = [WorkerFactory.create(), WorkerFactory.create(enabled=False)]
    ids = [10**6, 2**63 - 1, mine_but_off.pk, *(other.pk for other in others)]
    acme.start({"name": "CountDown"})

    def seen() -> list[Any]:
        bodies = [{"name": "CountDown", "worker": pk} for pk in ids]
        return [watch(partial(acme.start, sent)) for sent in bodies]

    cold, warm = seen(), seen()

    (status, _, _), statements = cold[0]
    assert (status, len(statements)) == (400, 1)
    assert differences(cold) == []
    assert differences(warm) == []
    assert [len(statements) for _, statements in warm] == [0] * len(ids)


def test_worker_that_the_process_model_names_needs_no_permission(
    acme: Caller, client: ApiClient, examples: Examples, worker: Worker
) -> None:
    """The default worker is the admin's choice, for whoever may start the process model."""
    client.workers.add(WorkerFactory.create())
    ProcessModel.objects.update(default_worker=worker)
    catalog.process_models.clear()

    by_default = acme.start({"name": "CountDown"}, f"{START}?dryRun=true")
    by_name = acme.start({"name": "CountDown", "worker": worker.pk})

    assert by_default.json()["worker"] == worker.pk
    assert by_name.status_code == 400
    assert list(by_name.json()["errors"]) == ["worker"]


def test_values_are_not_looked_at_for_a_process_model_of_others(
    acme: Caller, models: dict[str, str]
) -> None:
    """Neither its declarations nor a worker's id may be learned by way of its name."""
    plain = acme.start({"name": "Of others"})
    wrong = acme.start({"name": "Of others", "values": {"value": 1}, "worker": 10**6})

    assert shape(plain) == shape(wrong)
