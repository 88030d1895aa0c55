"""The sample query of a process model."""

import json
import shlex
from typing import Any

import pytest

from connector.samples import Addresses, build_body, build_sample, start_with_curl
from processes.models import Output, Parameter, ProcessModel
from processes.models.process_models import VALUE_TYPES
from processes.value_types import ValueType
from processes.values import check_values
from tests.factories import ParameterFactory, ProcessModelFactory

pytestmark = pytest.mark.django_db

ADDRESSES = Addresses("https://example.org/start", "https://example.org/status/")


def declare(**options: Any) -> ProcessModel:
    """Return a process model with one parameter named `value`."""
    parameter: Parameter = ParameterFactory.create(name="value", **options)
    return parameter.process_model


@pytest.mark.parametrize("value_type", [value_type for value_type, _ in VALUE_TYPES])
def test_the_example_of_every_type_is_accepted(value_type: str) -> None:
    process_model = declare(value_type=value_type, choices=["red", "blue"])

    values = build_body(process_model, None)["values"]

    assert check_values(process_model, values) == values
    assert "value" in values


def test_a_default_stands_in_the_body() -> None:
    process_model = declare(value_type=ValueType.INTEGER, required=False, default=7)

    assert build_body(process_model, None)["values"] == {"value": 7}


def test_an_optional_parameter_without_a_default_is_left_out() -> None:
    process_model = declare(required=False)

    assert build_body(process_model, None)["values"] == {}


def test_a_choice_is_its_first_text() -> None:
    process_model = declare(value_type=ValueType.CHOICE, choices=["main", "tax"])

    assert build_body(process_model, None)["values"] == {"value": "main"}


def test_the_body_runs_the_process_once_and_now_on_the_worker() -> None:
    process_model = ProcessModelFactory.create(name="Post invoices")

    assert build_body(process_model, 3) == {
        "name": "Post invoices",
        "runImmediately": "Y",
        "runOnce": "Y",
        "values": {},
        "worker": 3,
    }


def test_without_a_worker_the_body_names_none() -> None:
    assert "worker" not in build_body(ProcessModelFactory.create(), None)


def test_the_answer_shows_every_declared_output() -> None:
    process_model = ProcessModelFactory.create()
    Output.objects.create(process_model=process_model, name="count", value_type=ValueType.INTEGER)
    Output.objects.create(process_model=process_model, name="colour", value_type=ValueType.CHOICE)

    sample = build_sample(process_model, addresses=ADDRESSES, user="demo", worker_id=None)

    assert json.loads(sample.answer) == {
        "status": "SUCCEEDED",
        "message": "Your transaction has ended.",
        "__out_count": 1,
        "__out_colour": "example",
    }


@pytest.mark.parametrize("text", ["it's", "$HOME", "`date`", "a\\b", "grüezi", '"quoted"', "!x"])
def test_a_shell_hands_curl_the_body_as_shown(text: str) -> None:
    body = json.dumps({"name": text}, ensure_ascii=False)

    words = shlex.split(start_with_curl("https://example.org/start", text, body))

    assert words[words.index("-d") + 1] == body
    assert words[words.index("-u") + 1] == f"{text}:$ARABICA_PASSWORD"
    assert words[-1] == "https://example.org/start"
