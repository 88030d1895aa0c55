"""`manage.py create_api_client` and `rotate_api_client`."""

import json
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from connector.models import ApiSecret
from processes.clock import database_now
from processes.models import ProcessModel
from tests.conftest import Caller
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def _create(*arguments: str) -> str:
    output = StringIO()
    call_command("create_api_client", *arguments, stdout=output)
    return output.getvalue()


def test_json_is_all_that_is_printed_and_opens_the_door(examples: dict[str, ProcessModel]) -> None:
    printed = json.loads(_create("acme", "--json"))

    assert printed.keys() == {"username", "password"}
    caller = Caller(printed["username"], printed["password"])
    assert caller.start({"name": "CountDown"}).status_code == 200


def test_existing_name_is_refused_with_the_remedy(acme: Caller) -> None:
    with pytest.raises(CommandError, match="--reset"):
        _create("acme")


def test_name_of_a_user_is_refused() -> None:
    UserFactory.create(username="ada")

    with pytest.raises(CommandError, match="A user of this name exists"):
        _create("ada")


def test_name_with_a_colon_is_refused() -> None:
    with pytest.raises(CommandError, match="no colon"):
        _create("a:b")


def test_reset_ends_the_old_password(acme: Caller, examples: dict[str, ProcessModel]) -> None:
    printed = json.loads(_create("acme", "--reset", "--json"))

    assert Caller("acme", printed["password"]).start({"name": "CountDown"}).status_code == 200
    assert acme.start({"name": "CountDown"}).status_code == 401


def _rotate(*arguments: str) -> str:
    output = StringIO()
    call_command("rotate_api_client", *arguments, stdout=output)
    return output.getvalue()


def test_a_rotation_lets_the_present_password_live_on(acme: Caller) -> None:
    printed = json.loads(_rotate("acme", "--json"))

    assert Caller("acme", printed["password"]).status("x").status_code == 404
    assert acme.status("x").status_code == 404
    until = datetime.fromisoformat(printed["previous_until"])
    assert abs(until - database_now() - timedelta(hours=24)) < timedelta(minutes=1)


def test_a_rotation_may_end_the_present_password_at_once(acme: Caller) -> None:
    printed = _rotate("acme", "--keep", "0")

    assert "No other password works." in printed
    assert acme.status("x").status_code == 401


def test_at_most_two_passwords_are_live(acme: Caller) -> None:
    for _ in range(3):
        _rotate("acme")

    assert ApiSecret.objects.live().count() == 2


def test_a_password_that_ends_sooner_anyway_does_so(acme: Caller) -> None:
    ApiSecret.objects.update(expires_at=Now() + timedelta(hours=1))

    _rotate("acme")

    end = ApiSecret.objects.earliest("pk").expires_at
    assert end is not None
    assert end - database_now() < timedelta(hours=1)


@pytest.mark.parametrize("keep", ["-1", "x", "nan", "9999999"])
def test_nonsensical_hours_are_refused(acme: Caller, keep: str) -> None:
    with pytest.raises(CommandError, match="no number of hours"):
        _rotate("acme", f"--keep={keep}")


def test_an_unknown_client_is_not_rotated() -> None:
    with pytest.raises(CommandError, match="There is no API client 'nobody'"):
        _rotate("nobody")
