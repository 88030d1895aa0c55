"""Secrets in the forms of the admin: typed, kept, replaced, removed, and never shown."""

import re
from typing import Any

import pytest
from django.test import Client

from processes.admin.run_again import TOKEN
from processes.encryption import decrypt, encrypt
from processes.models import Parameter, ProcessModel, Run
from processes.secrets import ENCRYPTED, MASK
from scheduler.models import Schedule
from tests.factories import ParameterFactory, ProcessModelFactory, RunFactory
from tests.processes.test_admin_commands import fill_page
from tests.scheduler.admin_pages import (
    DAILY,
    make_schedule,
    new_form,
    page_of,
    read_form,
    superuser,
)

pytestmark = pytest.mark.django_db

CONFIRMED = {"confirmed": "1"}


@pytest.fixture
def model() -> ProcessModel:
    """Return a process model with a secret that is required, and one that is not."""
    model: ProcessModel = ProcessModelFactory.create(name="LogIn")
    ParameterFactory.create(process_model=model, name="user", required=False)
    ParameterFactory.create(process_model=model, name="password", value_type="secret")
    ParameterFactory.create(process_model=model, name="pin", value_type="secret", required=False)
    return model


@pytest.fixture
def schedule(model: ProcessModel) -> Schedule:
    values = {"user": "ada", "password": encrypt("hunter2"), "pin": encrypt("12345678")}
    found: Schedule = make_schedule(process_model=model, values=values)
    return found


def input_of(model: ProcessModel, name: str) -> str:
    return f"value_{model.parameters.get(name=name).pk}"


def read_values(schedule: Schedule) -> dict[str, Any]:
    """Return what is stored, secrets in clear."""
    values = Schedule.objects.get(pk=schedule.pk).values
    return {
        name: decrypt(value) if isinstance(value, dict) else value for name, value in values.items()
    }


def assert_hidden(text: str) -> None:
    for told in ("hunter2", "12345678", "swordfish", ENCRYPTED, "gAAAA"):
        assert told not in text


def test_new_schedule_stores_what_is_typed_encrypted(model: ProcessModel) -> None:
    client = superuser()
    address, data = new_form(model, client, **{input_of(model, "password"): "hunter2"})

    answer = client.post(address, data)

    assert answer.status_code == 302
    schedule = Schedule.objects.get()
    assert decrypt(schedule.values["password"]) == "hunter2"
    assert "pin" not in schedule.values


def test_required_secret_that_is_not_typed_is_missed(model: ProcessModel) -> None:
    client = superuser()
    address, data = new_form(model, client)

    answer = client.post(address, data)

    assert "&#x27;password&#x27; is required" in answer.content.decode()
    assert not Schedule.objects.exists()


def test_pages_show_no_secret(schedule: Schedule) -> None:
    client = superuser()

    for page in (page_of(schedule), page_of(schedule, "delete"), page_of(schedule, "ledger")):
        assert_hidden(client.get(page).content.decode())


def test_input_left_empty_keeps_what_is_stored(schedule: Schedule) -> None:
    client = superuser()
    page = client.get(page_of(schedule))
    data = read_form(page) | {input_of(schedule.process_model, "user"): "grace"}

    client.post(page_of(schedule), data)

    assert "Stored, never shown; empty keeps it." in page.content.decode()
    assert read_values(schedule) == {"user": "grace", "password": "hunter2", "pin": "12345678"}


def test_typed_secret_replaces_the_stored_one(schedule: Schedule) -> None:
    client = superuser()
    data = read_form(client.get(page_of(schedule)))

    client.post(page_of(schedule), data | {input_of(schedule.process_model, "pin"): "swordfish"})

    assert read_values(schedule)["pin"] == "swordfish"
    assert read_values(schedule)["password"] == "hunter2"


def test_optional_secret_is_removed(schedule: Schedule) -> None:
    client = superuser()
    pin = input_of(schedule.process_model, "pin")
    page = client.get(page_of(schedule))

    client.post(page_of(schedule), read_form(page) | {f"{pin}_removed": "on"})

    assert page.content.decode().count("Remove the stored value") == 1
    assert read_values(schedule) == {"user": "ada", "password": "hunter2"}


def carried(page: str, name: str) -> str:
    match = re.search(rf'name="{name}_typed" value="([^"]+)"', page)
    assert match
    return match[1]


def test_typed_secret_survives_an_error_elsewhere_unseen(schedule: Schedule) -> None:
    client = superuser()
    name = input_of(schedule.process_model, "password")
    data = read_form(client.get(page_of(schedule))) | {name: "swordfish", "priority": "1000"}

    page = client.post(page_of(schedule), data).content.decode()

    assert "swordfish" not in page
    assert "Typed, not saved yet; empty keeps it." in page
    again = data | {name: "", f"{name}_typed": carried(page, name), "priority": "50"}
    client.post(page_of(schedule), again)
    assert read_values(schedule)["password"] == "swordfish"


def test_typed_secret_goes_through_the_comparison_unseen(schedule: Schedule) -> None:
    client = superuser()
    name = input_of(schedule.process_model, "password")
    data = read_form(client.get(page_of(schedule))) | {name: "swordfish", "quartz": DAILY}

    page = client.post(page_of(schedule), data).content.decode()

    assert "Compare the fire times" in page
    assert "swordfish" not in page
    fields = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page))
    assert read_values(schedule)["password"] == "hunter2"
    client.post(page_of(schedule), fields | {"_confirmed": "1"})
    assert read_values(schedule)["password"] == "swordfish"
    assert Schedule.objects.get().quartz == DAILY


def test_carried_secret_is_taken_only_from_a_form(schedule: Schedule) -> None:
    client = superuser()
    name = input_of(schedule.process_model, "password")
    stolen = schedule.values["pin"][ENCRYPTED]
    data = read_form(client.get(page_of(schedule))) | {f"{name}_typed": stolen}

    page = client.post(page_of(schedule), data).content.decode()

    assert "type it again" in page
    assert read_values(schedule)["password"] == "hunter2"


def test_copy_has_the_secrets_of_its_original(schedule: Schedule) -> None:
    client = superuser()

    client.post(page_of(schedule, "duplicate"), CONFIRMED)

    copy = Schedule.objects.exclude(pk=schedule.pk).get()
    assert read_values(copy) == read_values(schedule)


def again_form(client: Client, run: Run) -> tuple[str, dict[str, Any], str]:
    address = f"/admin/processes/run/{run.pk}/again/"
    page = client.get(address)
    form = page.context["form"]
    data = {bound.html_name: bound.value() for bound in form}
    data = {name: "" if value is None else value for name, value in data.items()}
    return address, data | {TOKEN: page.context["token"]}, page.content.decode()


def test_run_again_takes_the_secrets_along(schedule: Schedule) -> None:
    run = RunFactory.create(
        failed=True, process_model=schedule.process_model, values=schedule.values
    )
    client = superuser()
    address, data, page = again_form(client, run)

    client.post(address, data | {input_of(run.process_model, "pin"): "swordfish"})

    assert_hidden(page)
    assert_hidden(client.get(f"/admin/processes/run/{run.pk}/change/").content.decode())
    new = Run.objects.exclude(pk=run.pk).get()
    assert decrypt(new.values["password"]) == "hunter2"
    assert decrypt(new.values["pin"]) == "swordfish"


def test_secret_that_is_declared_no_more_is_shown_masked_and_kept() -> None:
    model = ProcessModelFactory.create(accepts_undeclared_values=True)
    run = RunFactory.create(
        failed=True, process_model=model, values={"old": encrypt("hunter2"), "user": "ada"}
    )
    client = superuser()
    address, data, page = again_form(client, run)

    client.post(address, data)

    assert MASK in page
    assert_hidden(page)
    assert decrypt(Run.objects.exclude(pk=run.pk).get().values["old"]) == "hunter2"


@pytest.fixture
def command(settings: Any) -> ProcessModel:
    settings.COMMANDS_DIR = settings.BASE_DIR / "commands"
    model: ProcessModel = ProcessModelFactory.create(
        executor="command", configuration={"argv": ["hello.py"]}
    )
    ParameterFactory.create(
        process_model=model, name="token", value_type="secret", default=encrypt("hunter2")
    )
    return model


def test_default_of_a_command_is_encrypted_kept_and_replaced(command: ProcessModel) -> None:
    client = superuser()
    address = f"/admin/processes/processmodel/{command.pk}/change/"
    data = fill_page(client.get(address))
    name = next(key for key in data if key.endswith("value_type") and data[key] == "secret")
    name = name.replace("value_type", "default")
    assert_hidden(client.get(address).content.decode())

    client.post(address, data | {"title": "Kept", name: ""})
    kept = decrypt(Parameter.objects.get().default or {})
    answer = client.post(address, data | {name: "swordfish"})
    replaced = decrypt(Parameter.objects.get().default or {})
    client.post(address, data | {name: "", f"{name}_removed": "on"})

    assert answer.status_code == 302
    assert (kept, replaced) == ("hunter2", "swordfish")
    assert Parameter.objects.get().default is None
    command.refresh_from_db()
    assert command.title == ""


def test_text_that_becomes_a_secret_is_encrypted(command: ProcessModel) -> None:
    Parameter.objects.update(value_type="text", default="hunter2")
    client = superuser()
    address = f"/admin/processes/processmodel/{command.pk}/change/"
    data = fill_page(client.get(address))
    name = next(key for key in data if key.endswith("-value_type"))

    client.post(address, data | {name: "secret"})

    assert decrypt(Parameter.objects.get().default or {}) == "hunter2"
    assert_hidden(client.get(address).content.decode())


def test_parameters_page_shows_a_placeholder(command: ProcessModel) -> None:
    ParameterFactory.create(process_model=command, name="pin", value_type="secret")

    page = superuser().get(f"/admin/parameters/{command.pk}/", follow=True).content.decode()

    assert "your secret" in page

    assert_hidden(page)
