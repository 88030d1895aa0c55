"""The sample query of a process model: built from what it declares, valid exactly as shown."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from processes.models import Parameter, ProcessModel
from processes.secrets import MASK
from processes.value_types import ValueType

PASSWORD = "$ARABICA_PASSWORD"  # noqa: S105 - a variable of the reader's shell
SPID = "$ROBUSTA_SPID"

EXAMPLES: dict[str, Any] = {
    ValueType.TEXT: "example",
    ValueType.INTEGER: 1,
    ValueType.NUMBER: 2.5,
    ValueType.BOOLEAN: True,
    ValueType.DATE: "2026-11-23",
    ValueType.DATE_TIME: "2026-11-23T14:30:00+00:00",
    ValueType.JSON: {"key": "value"},
    ValueType.SECRET: "your secret",
}


@dataclass(frozen=True)
class Addresses:
    """The two calls as the reader's browser reaches them."""

    start: str
    status_prefix: str

    @property
    def status(self) -> str:
        """The address of the status call, with the id still to be put in."""
        return f"{self.status_prefix}{SPID}"


@dataclass(frozen=True)
class Sample:
    """What to send for one process model, and what comes back; texts to be copied."""

    body: str
    start_curl: str
    status_curl: str
    answer: str


def build_sample(
    process_model: ProcessModel, *, addresses: Addresses, user: str, worker_id: int | None
) -> Sample:
    """Return the sample for `user`; without a worker the body names none."""
    body = to_text(build_body(process_model, worker_id))
    return Sample(
        body=body,
        start_curl=start_with_curl(addresses.start, user, body),
        status_curl=ask_with_curl(addresses.status, user),
        answer=to_text(build_answer(process_model)),
    )


def build_body(process_model: ProcessModel, worker_id: int | None) -> dict[str, Any]:
    """Return a start call that runs the process once, now."""
    body: dict[str, Any] = {
        "name": process_model.name,
        "runImmediately": "Y",
        "runOnce": "Y",
        "values": build_values(process_model.parameters.all()),
    }
    return body if worker_id is None else body | {"worker": worker_id}


def build_values(parameters: Iterable[Parameter]) -> dict[str, Any]:
    """Return a value for each parameter: its default, else an example where one is required."""
    values = {parameter.name: example_value(parameter) for parameter in parameters}
    return {name: value for name, value in values.items() if value is not None}


def example_value(parameter: Parameter) -> Any:
    """Return a value that the parameter accepts; None for an optional one without a default.

    None too for a secret that has one, which applies where the value is left out.
    """
    if parameter.default is not None:
        return None if parameter.is_secret else parameter.default
    if not parameter.required:
        return None
    return example_of(parameter.value_type, parameter.choices)


def example_of(value_type: str, choices: Sequence[str] = ()) -> Any:
    """Return an example of a type; of a choice its first text."""
    if value_type == ValueType.CHOICE and choices:
        return choices[0]
    return EXAMPLES.get(value_type, EXAMPLES[ValueType.TEXT])


def show_default(parameter: Parameter) -> str:
    """Return the default as it is written in a body; empty without one."""
    if parameter.default is None:
        return ""
    if parameter.is_secret:
        return MASK
    return json.dumps(parameter.default, ensure_ascii=False)


def build_answer(process_model: ProcessModel) -> dict[str, Any]:
    """Return the status answer of a run that succeeded."""
    outputs = {
        f"__out_{output.name}": example_of(output.value_type)
        for output in process_model.outputs.all()
    }
    return {"status": "SUCCEEDED", "message": "Your transaction has ended."} | outputs


def to_text(value: Mapping[str, Any]) -> str:
    """Return JSON as people read it."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def start_with_curl(url: str, user: str, body: str) -> str:
    """Return a command for a shell; the password is read from the environment."""
    return " \\\n  ".join(
        [
            "curl -sS",
            _credentials(user),
            "-H 'Content-Type: application/json; charset=utf-8'",
            f"-d {shlex.quote(body)}",
            shlex.quote(url),
        ]
    )


def ask_with_curl(url: str, user: str) -> str:
    """Return the command for the status; the id is read from the environment too."""
    return " \\\n  ".join(["curl -sS", _credentials(user), f'"{url}"'])


def _credentials(user: str) -> str:
    return f'-u {shlex.quote(f"{user}:")}"{PASSWORD}"'
