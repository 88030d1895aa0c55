"""`manage.py create_api_client`."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

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
