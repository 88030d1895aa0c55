"""The admin's pages for API clients."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from connector import known_clients
from connector.models import ApiClient
from tests.conftest import Caller, make_caller
from tests.factories import ProcessModelFactory, UserFactory

CLIENTS = "/admin/connector/apiclient/"


@pytest.fixture
def operator(db: None) -> Client:
    """Return the browser of a superuser."""
    client = Client()
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    return client


def read_secret(answer: Any) -> str:
    """Return the password that a page shows."""
    found = re.findall(r"<code data-copy-source>([^<]{40,})</code>", answer.content.decode())
    assert len(found) == 1
    return str(found[0])


def test_a_new_clients_password_works_and_is_shown_once(
    operator: Client, examples: dict[str, Any]
) -> None:
    answer = operator.post(
        f"{CLIENTS}add/", {"name": "acme", "enabled": "on", "_continue": "1"}, follow=True
    )
    client = ApiClient.objects.get()
    again = operator.get(f"{CLIENTS}{client.pk}/change/")

    secret = read_secret(answer)
    started = Caller("acme", secret).start({"name": "CountDown"})
    assert started.status_code == 200
    assert secret not in again.content.decode()


def test_a_refused_client_gets_no_password(operator: Client) -> None:
    answer = operator.post(f"{CLIENTS}add/", {"name": "a:b", "enabled": "on"})

    assert "no colon" in answer.content.decode()
    assert not ApiClient.objects.exists()


def test_a_name_that_a_user_has_is_refused(operator: Client) -> None:
    UserFactory.create(username="ada")

    answer = operator.post(f"{CLIENTS}add/", {"name": "ada", "enabled": "on"})

    assert "A user of this name exists" in answer.content.decode()
    assert not ApiClient.objects.exists()


def test_a_new_password_is_asked_for_first_and_replaces_the_old_one(
    operator: Client, examples: dict[str, Any]
) -> None:
    caller = make_caller("acme")
    client = ApiClient.objects.get()
    address = f"{CLIENTS}{client.pk}/new-password/"

    question = operator.get(address)
    unconfirmed = operator.post(address)
    before = client.secrets.get()
    answer = operator.post(address, {"confirmed": "1"}, follow=True)

    assert "stops working within five seconds" in question.content.decode()
    assert unconfirmed.status_code == 200
    assert bytes(before.digest) != bytes(client.secrets.get().digest)
    assert caller.start({"name": "CountDown"}).status_code == 401
    caller.password = read_secret(answer)
    known_clients.clients.clear()
    assert caller.start({"name": "CountDown"}).status_code == 200


def test_saving_a_client_again_leaves_its_password(operator: Client) -> None:
    make_caller("acme")
    client = ApiClient.objects.get()
    process_model = ProcessModelFactory.create()
    before = client.secrets.get().pk

    operator.post(
        f"{CLIENTS}{client.pk}/change/", {"name": "acme", "process_models": [process_model.pk]}
    )

    client.refresh_from_db()
    assert not client.enabled
    assert list(client.process_models.all()) == [process_model]
    assert client.secrets.get().pk == before


def test_what_nothing_enforces_yet_is_not_offered(operator: Client) -> None:
    page = operator.get(f"{CLIENTS}add/").content.decode()

    assert "allowed_networks" not in page
    assert "rate_limit" not in page


def test_readers_of_clients_cannot_make_passwords(db: None) -> None:
    user = UserFactory.create(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_apiclient"))
    reader = Client()
    reader.force_login(user)
    make_caller("acme")
    client = ApiClient.objects.get()
    before = client.secrets.get().pk

    page = reader.get(f"{CLIENTS}{client.pk}/change/").content.decode()
    answer = reader.post(f"{CLIENTS}{client.pk}/new-password/", {"confirmed": "1"})

    assert "new-password" not in page
    assert answer.status_code == 403
    assert client.secrets.get().pk == before
