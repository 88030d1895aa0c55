"""The code owns what a function says, admins own the rest."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypedDict

import pytest

from processes import registry
from processes.models import ProcessModel
from processes.synchronization import sync_processes
from tests.factories import ParameterFactory, ProcessModelFactory, RunFactory

pytestmark = pytest.mark.django_db


class Pay(TypedDict):
    net: float


@pytest.fixture(autouse=True)
def only_what_a_test_registers(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.COMMANDS_DIR = tmp_path
    with registry.isolated():
        registry._processes.clear()
        yield


def register_pay() -> None:
    @registry.process(name="Pay", title="Net pay")
    def pay(gross: float, currency: Literal["EUR", "USD"] = "EUR") -> Pay:
        """Compute the net pay.

        Args:
            gross: Gross pay in a month.
        """
        return {"net": gross}


def register_shorter_pay() -> None:
    registry._processes.clear()

    @registry.process(name="Pay", title="Pay")
    def pay(person: str, gross: int) -> dict[str, Any]:
        return {}


def read_parameters() -> list[dict[str, Any]]:
    fields = ("name", "value_type", "required", "default", "choices", "help_text")
    return list(ProcessModel.objects.get().parameters.values(*fields))


def test_function_becomes_a_process_model_with_parameters_and_outputs() -> None:
    register_pay()

    report = sync_processes()

    assert (report.created, report.updated, report.unregistered) == (["Pay"], [], [])
    model = ProcessModel.objects.get()
    assert (model.name, model.title, model.description) == (
        "Pay",
        "Net pay",
        "Compute the net pay.",
    )
    assert (model.executor, model.configuration) == ("python", {"process": "Pay"})
    assert read_parameters() == [
        {
            "name": "gross",
            "value_type": "number",
            "required": True,
            "default": None,
            "choices": [],
            "help_text": "Gross pay in a month.",
        },
        {
            "name": "currency",
            "value_type": "choice",
            "required": False,
            "default": "EUR",
            "choices": ["EUR", "USD"],
            "help_text": "",
        },
    ]
    assert list(model.outputs.values_list("name", "value_type")) == [("net", "number")]


def test_changed_function_brings_its_new_parameters_and_outputs() -> None:
    register_pay()
    sync_processes()
    register_shorter_pay()

    report = sync_processes()

    assert (report.created, report.updated) == ([], ["Pay"])
    names = [(row["name"], row["value_type"]) for row in read_parameters()]
    assert names == [("person", "text"), ("gross", "integer")]
    assert ProcessModel.objects.get().title == "Pay"
    assert not ProcessModel.objects.get().outputs.exists()


def test_what_admins_set_stays() -> None:
    register_pay()
    sync_processes()
    theirs = {
        "enabled": False,
        "time_limit": timedelta(minutes=5),
        "max_parallel_runs": 2,
        "default_retry_count": 3,
        "on_worker_lost": "retry",
        "max_output_bytes": 10,
        "accepts_undeclared_values": True,
    }
    ProcessModel.objects.update(**theirs)

    sync_processes()

    assert ProcessModel.objects.values(*theirs).get() == theirs


def test_second_time_changes_nothing() -> None:
    register_pay()
    sync_processes()
    before = list(ProcessModel.objects.values("pk", "parameters__pk", "outputs__pk"))

    sync_processes()

    assert list(ProcessModel.objects.values("pk", "parameters__pk", "outputs__pk")) == before


def test_process_model_whose_function_is_gone_is_left_and_reported() -> None:
    gone = ProcessModelFactory.create(name="Gone")
    ParameterFactory.create(process_model=gone)
    run = RunFactory.create(process_model=gone)

    report = sync_processes()

    assert report.unregistered == ["Gone"]
    assert gone.parameters.count() == 1
    run.refresh_from_db()
    assert run.process_model == gone


def test_example_of_a_command_is_made_once_where_its_program_is(
    settings: Any, project: Path
) -> None:
    settings.COMMANDS_DIR = project / "commands"

    assert sync_processes().created == ["HelloCommand"]

    model = ProcessModel.objects.get()
    assert (model.executor, model.configuration) == ("command", {"argv": ["hello.py"]})
    assert list(model.parameters.values_list("name", "value_type", "required")) == [
        ("name", "text", True)
    ]
    assert list(model.outputs.values_list("name", "value_type")) == [("greeting", "text")]


def test_what_admins_made_of_the_example_stays(settings: Any, project: Path) -> None:
    settings.COMMANDS_DIR = project / "commands"
    sync_processes()
    ProcessModel.objects.update(configuration={"argv": ["hello.py", "--loud"]})
    ProcessModel.objects.get().parameters.all().delete()

    report = sync_processes()

    assert (report.created, report.updated, report.unregistered) == ([], [], [])
    assert ProcessModel.objects.get().configuration == {"argv": ["hello.py", "--loud"]}
    assert not ProcessModel.objects.get().parameters.exists()
