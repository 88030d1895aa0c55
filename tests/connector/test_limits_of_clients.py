"""What a client may use stays limited, whatever becomes of what is listed."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from connector import known_clients
from connector.models import ApiClient
from processes.models import Application, ProcessModel, Worker
from tests.conftest import START, Caller
from tests.factories import UserFactory, WorkerFactory

CALL = {"name": "CountDown", "values": {"seconds": 0}}


def save_form(client: ApiClient, **chosen: Any) -> None:
    """Save the client's page as a superuser, with what is chosen in its lists."""
    browser = Client()
    browser.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    address = reverse("admin:connector_apiclient_change", args=[client.pk])
    data = {"name": client.name, "enabled": "on"} | chosen
    assert browser.post(address, data).status_code == 302
    known_clients.clients.clear()


@pytest.mark.parametrize("listed", ["process_models", "applications"])
def test_a_client_whose_list_is_deleted_may_start_nothing(
    acme: Caller, examples: dict[str, ProcessModel], listed: str
) -> None:
    client = ApiClient.objects.get(name=acme.name)
    application = Application.objects.create(name="Accounting")
    ProcessModel.objects.filter(name="FailNTimes").update(application=application)
    only = {"process_models": examples["FailNTimes"].pk, "applications": application.pk}
    save_form(client, **{listed: only[listed]})
    assert acme.start(CALL).status_code == 400

    application.delete() if listed == "applications" else examples["FailNTimes"].delete()
    known_clients.clients.clear()

    assert acme.start(CALL).json()["errors"].keys() == {"name"}


def test_a_client_whose_worker_is_deleted_may_name_none(
    acme: Caller, examples: dict[str, ProcessModel], worker: Worker
) -> None:
    client, other = ApiClient.objects.get(name=acme.name), WorkerFactory.create()
    save_form(client, workers=worker.pk)
    tried = acme.start(CALL | {"worker": worker.pk}, f"{START}?dryRun=true")
    assert tried.status_code == 200

    worker.delete()
    known_clients.clients.clear()

    assert acme.start(CALL | {"worker": other.pk}).json()["errors"].keys() == {"worker"}


def test_a_limit_is_lifted_by_hand(acme: Caller, examples: dict[str, ProcessModel]) -> None:
    client = ApiClient.objects.get(name=acme.name)
    save_form(client, process_models=examples["FailNTimes"].pk)

    save_form(client)

    assert acme.start(CALL).status_code == 200
    client.refresh_from_db()
    assert not client.only_listed_process_models
