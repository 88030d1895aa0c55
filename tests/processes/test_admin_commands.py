"""People add a command in the browser, and are told at the field what cannot be run."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from processes.models import Output, Parameter, ProcessModel
from tests.factories import ProcessModelFactory, UserFactory

PROCESS_MODELS = "/admin/processes/processmodel/"


@pytest.fixture
def operator(db: None) -> Client:
    """Return the browser of a superuser."""
    client = Client()
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def command(db: None) -> ProcessModel:
    """Return a stored command."""
    model: ProcessModel = ProcessModelFactory.create(
        executor="command", configuration={"argv": ["hello.py"]}
    )
    return model


def fill(form: Any, **changes: str) -> dict[str, str]:
    """Return what a browser posts of a form that is shown, with changes."""
    values = {name: form[name].value() for name in form.fields}
    shown = {
        name: value for name, value in values.items() if value is not None and value is not False
    }
    return shown | changes


def fill_page(page: Any, **changes: str) -> dict[str, str]:
    """Return what a browser posts of a page with its inlines."""
    context = page.context
    posted = fill(context["adminform"].form)
    for inline in context["inline_admin_formsets"]:
        management = inline.formset.management_form
        posted |= {
            management.add_prefix(name): management[name].value() for name in management.fields
        }
        for form in inline.formset.forms:
            posted |= {form.add_prefix(name): value for name, value in fill(form).items()}
    return {name: str(value) for name, value in (posted | changes).items()}


def add(operator: Client, **changes: str) -> Any:
    address = f"{PROCESS_MODELS}add/"
    return operator.post(address, fill_page(operator.get(address), **changes))


def errors(answer: Any) -> list[str]:
    """Return what is told at the field of the configuration."""
    return list(answer.context["adminform"].form.errors.get("configuration", []))


def declare(number: int, **fields: str) -> dict[str, str]:
    return {
        "parameters-TOTAL_FORMS": str(number + 1),
        **{f"parameters-{number}-{name}": value for name, value in fields.items()},
    }


def test_command_is_added_with_parameters_and_outputs(operator: Client) -> None:
    parameters = (
        declare(0, name="name", value_type="text", required="on", help_text="Whom to greet.")
        | declare(1, name="loud", value_type="boolean", default="Y")
        | declare(
            2, name="colour", value_type="choice", choices="red\n\n blue \nred", default="red"
        )
    )
    outputs = {
        "outputs-TOTAL_FORMS": "1",
        "outputs-0-name": "greeting",
        "outputs-0-value_type": "text",
    }
    configuration = '{"argv": ["hello.py", "--loud"], "limits": {"memory_mb": 100}}'

    answer = add(operator, name="Greet", configuration=configuration, **parameters, **outputs)

    assert answer.status_code == 302
    model = ProcessModel.objects.get()
    assert (model.name, model.executor) == ("Greet", "command")
    assert model.configuration == {"argv": ["hello.py", "--loud"], "limits": {"memory_mb": 100}}
    fields = ("name", "value_type", "required", "default", "choices")
    assert list(Parameter.objects.values_list(*fields)) == [
        ("name", "text", True, None, []),
        ("loud", "boolean", False, True, []),
        ("colour", "choice", False, "red", ["red", "blue"]),
    ]
    assert Output.objects.get().name == "greeting"
    assert operator.get(f"/admin/parameters/{model.pk}/").status_code == 200


EXAMPLE = 'Write a JSON object such as {"argv": ["hello.py"]}.'


@pytest.mark.parametrize(
    ("configuration", "faults"),
    [
        ("{", ["Enter a valid JSON."]),
        ("[1]", [EXAMPLE]),
        ("", [EXAMPLE]),
        (
            '{"argv": ["missing"], "shell": true}',
            [
                "'shell' is not known here; what is: argv, environment, limits.",
                "There is no program 'missing' in the folder COMMANDS_DIR, which is {folder}.",
            ],
        ),
    ],
)
def test_faults_of_the_configuration_are_told_at_the_field(
    operator: Client, settings: Any, configuration: str, faults: list[str]
) -> None:
    answer = add(operator, name="Greet", configuration=configuration)

    assert errors(answer) == [
        fault.replace("{folder}", str(settings.COMMANDS_DIR)) for fault in faults
    ]
    assert not ProcessModel.objects.exists()
    kept = answer.context["adminform"].form["configuration"].value() or ""
    assert "".join(kept.split()) == "".join(configuration.split())


@pytest.mark.parametrize(
    ("fields", "field", "fault"),
    [
        ({"value_type": "integer", "default": "x"}, "default", "Expected a whole number"),
        ({"value_type": "choice"}, "choices", "Write the texts to choose from, one a line."),
        ({"value_type": "choice", "choices": "a", "default": "b"}, "default", "Expected"),
    ],
)
def test_faults_of_a_parameter_are_told_at_the_field(
    operator: Client, fields: dict[str, str], field: str, fault: str
) -> None:
    answer = add(operator, name="Greet", **declare(0, name="x", **fields))

    (form,) = answer.context["inline_admin_formsets"][0].formset.forms
    assert fault in form.errors[field][0]
    assert not ProcessModel.objects.exists()


def test_command_is_edited_but_its_kind_stays(operator: Client, command: ProcessModel) -> None:
    Parameter.objects.create(process_model=command, name="n", value_type="integer", default=5)
    Parameter.objects.create(process_model=command, name="j", value_type="json", default={"a": [1]})
    Parameter.objects.create(
        process_model=command, name="c", value_type="choice", choices=["a, b", "ç"], default="ç"
    )
    before = list(Parameter.objects.values().order_by("pk"))
    address = f"{PROCESS_MODELS}{command.pk}/change/"
    page = operator.get(address)

    posted = fill_page(page, executor="python", configuration='{"argv": ["hello.py", "x"]}')
    answer = operator.post(address, posted)

    assert answer.status_code == 302
    command.refresh_from_db()
    assert (command.executor, command.configuration) == ("command", {"argv": ["hello.py", "x"]})
    assert list(Parameter.objects.values().order_by("pk")) == before


def test_reader_of_a_command_sees_what_it_declares(command: ProcessModel) -> None:
    user = UserFactory.create(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_processmodel"))
    reader = Client()
    reader.force_login(user)
    Parameter.objects.create(process_model=command, name="n", value_type="integer", default=5)

    page = reader.get(f"{PROCESS_MODELS}{command.pk}/change/")

    assert page.status_code == 200
    assert "hello.py" in page.content.decode()
    assert reader.get(f"{PROCESS_MODELS}add/").status_code == 403
