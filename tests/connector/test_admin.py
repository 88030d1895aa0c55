"""The admin's pages for API clients."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from connector import known_clients, usage
from connector.models import ApiClient, ApiSecret
from processes.clock import database_now
from tests.conftest import STATUS, Caller, make_caller
from tests.factories import ApiClientFactory, ProcessModelFactory, UserFactory

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


def test_a_new_password_is_asked_for_first(operator: Client) -> None:
    make_caller("acme")
    client = ApiClient.objects.get()
    address = f"{CLIENTS}{client.pk}/new-password/"

    question = operator.get(address)
    unconfirmed = operator.post(address)

    assert "until the time that you choose" in question.content.decode()
    assert "Two at most" not in question.content.decode()
    assert unconfirmed.status_code == 200
    assert client.secrets.count() == 1


def new_password(operator: Client, client: ApiClient, **fields: str) -> Any:
    """Confirm the form of a new password as it is shown."""
    address = f"{CLIENTS}{client.pk}/new-password/"
    form = operator.get(address).context["form"]
    shown = {field.name: field.value() or "" for field in form}
    return operator.post(address, shown | {"confirmed": "1"} | fields)


@pytest.mark.parametrize(("keep", "old_status"), [("0", 401), ("1", 200), ("24", 200)])
def test_the_present_password_lives_on_as_long_as_chosen(
    operator: Client, examples: dict[str, Any], keep: str, old_status: int
) -> None:
    caller = make_caller("acme")
    client = ApiClient.objects.get()

    answer = new_password(operator, client, keep=keep)

    assert caller.start({"name": "CountDown"}).status_code == old_status
    assert Caller("acme", read_secret(answer)).start({"name": "CountDown"}).status_code == 200
    end = client.secrets.earliest("pk").expires_at
    assert end is not None
    assert abs(end - database_now() - timedelta(hours=int(keep))) < timedelta(minutes=1)


def test_a_third_password_replaces_the_oldest_as_the_form_says(operator: Client) -> None:
    first = make_caller("acme")
    client = ApiClient.objects.get()
    second = Caller("acme", read_secret(new_password(operator, client)))

    question = operator.get(f"{CLIENTS}{client.pk}/new-password/").content.decode()
    third = Caller("acme", read_secret(new_password(operator, client)))

    assert "Two at most are live: the older one" in question
    known_clients.clients.clear()
    assert [each.status("x").status_code for each in (first, second, third)] == [401, 404, 404]
    assert client.secrets.live().count() == 2


def test_a_form_that_is_sent_twice_makes_one_password(operator: Client) -> None:
    make_caller("acme")
    client = ApiClient.objects.get()
    newest = str(client.secrets.get().pk)
    first = new_password(operator, client)

    again = operator.post(
        f"{CLIENTS}{client.pk}/new-password/",
        {"confirmed": "1", "keep": "24", "newest": newest},
        follow=True,
    )

    assert read_secret(first)
    assert "A new password was made already." in again.content.decode()
    assert client.secrets.count() == 2


def test_a_new_password_may_expire_by_itself(operator: Client) -> None:
    make_caller("acme")
    client = ApiClient.objects.get()

    new_password(operator, client, days="90")

    end = client.secrets.latest("pk").expires_at
    assert end is not None
    assert abs(end - database_now() - timedelta(days=90)) < timedelta(minutes=1)


def test_a_password_is_kept_by_nobody(operator: Client) -> None:
    make_caller("acme")
    client = ApiClient.objects.get()

    made = operator.post(f"{CLIENTS}add/", {"name": "globex", "enabled": "on"})
    rotated = new_password(operator, client)

    for answer in (made, rotated):
        secret = read_secret(answer)
        assert "no-store" in answer.headers["Cache-Control"]
        assert secret not in str(operator.cookies)
        assert secret not in str(dict(operator.session))
        assert secret not in str(list(LogEntry.objects.values()))
        assert secret not in operator.get(CLIENTS).content.decode()


def test_a_password_can_be_revoked(operator: Client) -> None:
    caller = make_caller("acme")
    client = ApiClient.objects.get()
    client.add_secret()
    secret = client.secrets.earliest("pk")
    address = f"{CLIENTS}{client.pk}/passwords/{secret.pk}/revoke/"
    page = operator.get(f"{CLIENTS}{client.pk}/change/").content.decode()

    question = operator.get(address).content.decode()
    operator.post(address)
    before = caller.status("x").status_code
    operator.post(address, {"confirmed": "1"})
    known_clients.clients.clear()

    assert address in page
    assert "The other one goes on" in question
    assert (before, caller.status("x").status_code) == (404, 401)
    assert operator.get(address).status_code == 404
    assert "Password revoked." in LogEntry.objects.latest("pk").change_message


def test_a_password_of_another_client_is_not_revoked(operator: Client) -> None:
    make_caller("acme")
    other = ApiClientFactory.create()
    secret = ApiClient.objects.get(name="acme").secrets.get()

    answer = operator.post(f"{CLIENTS}{other.pk}/passwords/{secret.pk}/revoke/", {"confirmed": "1"})

    assert answer.status_code == 404
    assert ApiSecret.objects.live().count() == 1


def test_the_last_use_is_shown_and_written_once_a_minute(operator: Client) -> None:
    caller = make_caller("acme")
    client = ApiClient.objects.get()

    caller.status("x")
    with CaptureQueriesContext(connection) as queries:
        caller.status("x")

    client.refresh_from_db()
    assert client.last_used_at is not None
    assert client.secrets.get().last_used_at is not None
    assert [each for each in queries if each["sql"].startswith("UPDATE")] == []
    assert operator.get(f"{CLIENTS}?used=day").context["cl"].result_count == 1
    assert operator.get(f"{CLIENTS}?used=never").context["cl"].result_count == 0


def test_another_process_does_not_write_the_last_use_again(db: None) -> None:
    caller = make_caller("acme")
    caller.status("x")
    used = ApiClient.objects.get().last_used_at
    usage.forget_uses()

    caller.status("x")

    assert ApiClient.objects.get().last_used_at == used


def test_the_page_says_why_calls_were_refused(operator: Client) -> None:
    caller = make_caller("acme")
    client = ApiClient.objects.get()
    for _ in range(11):
        Caller("acme", "wrong").status("x")
    ApiClient.objects.update(allowed_networks=["192.0.2.0/24"])
    known_clients.clients.clear()
    caller.client.get(STATUS + "x", headers=caller.headers, REMOTE_ADDR="::1")

    page = operator.get(f"{CLIENTS}{client.pk}/change/").content.decode()

    assert "right password, but not from an allowed network" in page
    assert "unknown user name or wrong password" in page
    assert re.search(r"locked for \d+ s", page)
    assert "Locked for everybody" not in page


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("192.0.2.17", ["192.0.2.17"]),
        ("10.0.0.0/8\r\n2001:db8::/32", ["10.0.0.0/8", "2001:db8::/32"]),
        ("10.0.0.0/8, ::ffff:192.0.2.7", ["10.0.0.0/8", "192.0.2.7"]),
        ("2001:DB8:0::1", ["2001:db8::1"]),
        ("", []),
    ],
)
def test_networks_are_stored_in_their_usual_form(
    operator: Client, typed: str, stored: list[str]
) -> None:
    operator.post(f"{CLIENTS}add/", {"name": "acme", "enabled": "on", "allowed_networks": typed})

    assert ApiClient.objects.get().allowed_networks == stored
    page = operator.get(f"{CLIENTS}{ApiClient.objects.get().pk}/change/").content.decode()
    assert "\n".join(stored) in page


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("10.0.0.1/8", "write 10.0.0.0/8 for all of it"),
        ("partner.example", "partner.example is no address or network"),
        ("10.0.0.0/33", "10.0.0.0/33 is no address or network"),
    ],
)
def test_what_is_no_network_is_refused(operator: Client, typed: str, told: str) -> None:
    answer = operator.post(f"{CLIENTS}add/", {"name": "acme", "allowed_networks": typed})

    assert told in answer.content.decode()
    assert not ApiClient.objects.exists()


def test_a_limit_of_no_request_is_refused(operator: Client) -> None:
    operator.post(f"{CLIENTS}add/", {"name": "acme", "rate_limit": "0"})

    assert not ApiClient.objects.exists()


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
    revoked = reader.post(f"{CLIENTS}{client.pk}/passwords/{before}/revoke/", {"confirmed": "1"})

    assert "new-password" not in page
    assert "revoke" not in page
    assert answer.status_code == revoked.status_code == 403
    assert client.secrets.get().pk == before
