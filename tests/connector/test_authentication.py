"""Who may call."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connector import credentials, known_clients
from connector.models import ApiClient
from processes.models import ProcessModel, Run
from tests.conftest import START, Caller
from tests.factories import ApiClientFactory, UserFactory

Examples = dict[str, ProcessModel]
BODY = {"name": "CountDown"}


def _basic(text: str | bytes) -> dict[str, str]:
    data = text.encode() if isinstance(text, str) else text
    return {"Authorization": f"Basic {base64.b64encode(data).decode()}"}


@pytest.fixture
def permitted(db: None) -> Caller:
    """Return a Django user who may use the connector API."""
    user = UserFactory.create(username="partner")
    user.user_permissions.add(Permission.objects.get(codename="use_connector_api"))
    return Caller("partner", "open sesame")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Bearer abc"},
        _basic("acme"),
        _basic("acme:wrong"),
        _basic("nobody:wrong"),
        _basic(":"),
        _basic("acme:\x00"),
        _basic("nobody\x00:x"),
        _basic(b"acme:\xff\xfe"),
    ],
    ids=repr,
)
def test_every_failure_gets_the_same_answer(
    acme: Caller, examples: Examples, headers: dict[str, str]
) -> None:
    answer = Client().post(START, BODY, content_type="application/json", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Basic realm="')
    assert answer.json() == {
        "message": "User name or password is wrong; send them with HTTP Basic authentication.",
        "code": "unauthorized",
    }
    assert not Run.objects.exists()


def test_scheme_is_taken_in_any_case(acme: Caller, examples: Examples) -> None:
    encoded = base64.b64encode(f"acme:{acme.password}".encode()).decode()

    answer = Client().post(
        START, BODY, content_type="application/json", headers={"Authorization": f"bAsIc {encoded}"}
    )

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "change",
    [{"enabled": False}, {"expires_at": timezone.now() - timedelta(seconds=1)}],
    ids=["disabled", "expired"],
)
def test_disabled_or_expired_client_is_refused(
    acme: Caller, examples: Examples, change: dict[str, Any]
) -> None:
    ApiClient.objects.filter(name="acme").update(**change)

    assert acme.start(BODY).status_code == 401


def test_expiry_holds_for_a_client_that_is_known_already(acme: Caller, examples: Examples) -> None:
    soon = timezone.now() + timedelta(hours=1)
    ApiClient.objects.filter(name="acme").update(expires_at=soon)
    assert acme.start(BODY).status_code == 200

    known = known_clients.clients.get("acme")

    assert known is not None
    assert known.expires_at == soon


def test_both_secrets_open_during_a_rotation(acme: Caller, examples: Examples) -> None:
    second = Caller("acme", ApiClient.objects.get(name="acme").add_secret())

    assert acme.start(BODY).status_code == 200
    assert second.start(BODY).status_code == 200


def test_expired_secret_is_refused(acme: Caller, examples: Examples) -> None:
    client = ApiClient.objects.get(name="acme")
    client.secrets.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert acme.start(BODY).status_code == 401


def test_secret_is_stored_as_a_digest_only(acme: Caller) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT digest FROM connector_apisecret")
        (digest,) = cursor.fetchone()

    assert len(bytes(digest)) == 32
    assert acme.password.encode() not in bytes(digest)


def test_secret_survives_a_change_of_the_signing_key(
    acme: Caller, examples: Examples, settings: Any
) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key of more than fifty characters, as it should be"

    assert acme.start(BODY).status_code == 200


def test_permitted_user_may_start(permitted: Caller, examples: Examples) -> None:
    answer = permitted.start(BODY)

    assert answer.status_code == 200
    user = get_user_model().objects.get(username="partner")
    assert Run.objects.get().owner == f"user:{user.pk}"


def test_permission_may_come_from_a_group(examples: Examples) -> None:
    user = UserFactory.create(username="member")
    group = Group.objects.create(name="partners")
    group.permissions.add(Permission.objects.get(codename="use_connector_api"))
    user.groups.add(group)

    assert Caller("member", "open sesame").start(BODY).status_code == 200


def test_user_without_the_permission_is_refused(examples: Examples) -> None:
    UserFactory.create(username="colleague", is_staff=True)

    assert Caller("colleague", "open sesame").start(BODY).status_code == 401


@pytest.mark.parametrize("change", ["password", "lock", "permission"])
def test_change_of_a_user_holds_at_once(permitted: Caller, examples: Examples, change: str) -> None:
    assert permitted.start(BODY).status_code == 200
    user = get_user_model().objects.get(username="partner")

    if change == "password":
        user.set_password("another one")
    elif change == "lock":
        user.is_active = False
    else:
        user.user_permissions.clear()
    user.save()

    assert permitted.start(BODY).status_code == 401


def test_user_is_checked_with_one_query_and_no_hash_once_known(
    permitted: Caller, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    permitted.start(BODY)
    monkeypatch.setattr(credentials, "check_password", pytest.fail)

    with CaptureQueriesContext(connection) as queries:
        answer = permitted.start(BODY)

    assert answer.status_code == 200
    assert [query["sql"].split()[0] for query in queries] == ["SELECT", "INSERT"]


def test_session_is_no_credential(examples: Examples) -> None:
    user = UserFactory.create(is_superuser=True, is_staff=True)
    browser = Client()
    browser.force_login(user)

    assert browser.post(START, BODY, content_type="application/json").status_code == 401


@pytest.mark.parametrize(
    ("address", "secure", "status"),
    [
        ("127.0.0.1", False, 200),
        ("::1", False, 200),
        ("::ffff:127.0.0.1", False, 200),
        ("192.0.2.7", False, 403),
        ("192.0.2.7", True, 200),
        ("", False, 403),
    ],
)
def test_plain_http_is_for_this_machine_only(
    acme: Caller, examples: Examples, address: str, secure: bool, status: int
) -> None:
    answer = acme.start(BODY, REMOTE_ADDR=address, secure=secure)

    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "insecure_http"


def test_plain_http_from_afar_can_be_allowed(acme: Caller, examples: Examples) -> None:
    with override_settings(ALLOW_INSECURE_HTTP=True):
        assert acme.start(BODY, REMOTE_ADDR="192.0.2.7").status_code == 200


def test_credentials_are_checked_before_the_body(db: None) -> None:
    answer = Client().post(START, b"{", content_type="text/plain")

    assert answer.status_code == 401


def test_client_may_not_take_a_users_name(db: None) -> None:
    UserFactory.create(username="ada")

    with pytest.raises(Exception, match="A user of this name exists"):
        ApiClientFactory.build(name="ada").full_clean()


def test_user_may_not_take_a_clients_name(db: None) -> None:
    ApiClientFactory.create(name="acme")
    browser = Client()
    browser.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    passwords = {"password1": "a long enough one", "password2": "a long enough one"}

    refused = browser.post("/admin/auth/user/add/", passwords | {"username": "acme"})
    taken = browser.post("/admin/auth/user/add/", passwords | {"username": "ada"})

    assert "An API client of this name exists" in refused.content.decode()
    assert taken.status_code == 302
    assert not get_user_model().objects.filter(username="acme").exists()


def test_user_may_not_be_renamed_to_a_clients_name(db: None) -> None:
    ApiClientFactory.create(name="acme")
    user = UserFactory.create(username="ada")
    user.username = "acme"

    with pytest.raises(ValidationError, match="An API client of this name exists"):
        user.full_clean()


def test_administrator_may_not_take_a_clients_name(db: None) -> None:
    ApiClientFactory.create(name="acme")

    with pytest.raises(CommandError, match="An API client of this name exists"):
        call_command(
            "createsuperuser", "--noinput", "--username", "acme", "--email", "a@example.com"
        )


def test_names_that_differ_in_case_are_two(acme: Caller, examples: Examples) -> None:
    UserFactory.create(username="Acme", is_superuser=True)

    assert Caller("Acme", "open sesame").start(BODY).status_code == 200
    assert acme.start(BODY).status_code == 200
    assert Caller("ACME", acme.password).start(BODY).status_code == 401


def test_a_right_password_brings_an_old_hash_up_to_date(
    permitted: Caller, examples: Examples, settings: Any
) -> None:
    old = get_user_model().objects.get(username="partner").password
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.ScryptPasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]

    statuses = [permitted.start(BODY).status_code for _ in range(3)]

    new = get_user_model().objects.get(username="partner").password
    assert statuses == [200] * 3
    assert old.startswith("md5$")
    assert new.startswith("scrypt$")


@pytest.mark.parametrize(
    "header",
    [
        "Basic YWNtZTp4,Basic YWNtZTp4",
        "Basic YWNtZTp4, Basic YWNtZTp4",
        "Basic  YWNtZTp4 YWNtZTp4",
        "Basic YWNtZTp4=",
        "Basic YWNtZTp4\u00e9",
        "Basic YWNtZTp4\x00",
        "Basic YWNt-Tp4",
        "Basic" + " A" * 2000,
        "Basic " + base64.b64encode(b"a" * 60_000 + b":x").decode(),
        "Basic " + base64.b64encode(b"acme:" + b"x" * 60_000).decode(),
        "Basic " + base64.b64encode("acme\x85:x".encode()).decode(),
        "Basic " + base64.b64encode("\U0001f600:\U0001f600".encode()).decode(),
        "Basic " + base64.b64encode("acme:x".encode("utf-16")).decode(),
        "Digest username=acme",
    ],
    ids=lambda header: repr(header[:30]),
)
def test_header_of_any_kind_is_401(acme: Caller, header: str) -> None:
    answer = Client().post(START, BODY, content_type="application/json", HTTP_AUTHORIZATION=header)

    assert answer.status_code == 401
