"""Values of a start, checked against what the process model declares."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from processes.exceptions import InvalidValues
from processes.models import Parameter, ProcessModel
from processes.secrets import is_encrypted
from processes.value_types import WrongType

SHOWN_NAME = 255
MAX_REMEDIES = 10
UNKNOWN = "is not a value of this process"
NOT_ENCRYPTED = "a value in clear, not an encrypted one"


def check_values(
    process_model: ProcessModel, values: Mapping[str, Any], *, encrypted: Collection[str] = ()
) -> dict[str, Any]:
    """Return `values` converted to their parameters' types, defaults filled in, secrets encrypted.

    A null value counts as missing. Text is never trimmed. Undeclared values are kept as they are
    where the process model takes them. `encrypted` names those that the caller knows to be
    encrypted already, such as a secret that an edit leaves as it is. Raise InvalidValues with every
    fault at once, none of which has a secret in it.
    """
    parameters = {parameter.name: parameter for parameter in process_model.parameters.all()}
    errors: dict[str, list[str]] = {}
    checked: dict[str, Any] = {}
    kept = {name for name in encrypted if is_encrypted(values.get(name))}
    for name, parameter in parameters.items():
        if name in kept and parameter.is_secret:
            checked[name] = values[name]
            continue
        try:
            _refuse_encrypted(values.get(name))
            _check_one(parameter, values.get(name), checked)
        except WrongType as error:
            errors[name] = [f"{name!r} takes {error.expected}."]
        except MissingValue as error:
            errors[name] = [str(error)]
    undeclared = [name for name in values if name not in parameters]
    if process_model.takes_any_value():
        smuggled = [n for n in undeclared if is_encrypted(values[n]) and n not in kept]
        errors |= {name: [f"{name!r} takes {NOT_ENCRYPTED}."] for name in smuggled}
        checked |= {name: values[name] for name in undeclared}
    else:
        errors |= _refuse_unknown(undeclared, list(parameters))
    if errors:
        raise InvalidValues(errors)
    return checked


def _refuse_encrypted(value: Any) -> None:
    # Or whoever has read an encrypted value somewhere could have it decrypted for a process.
    if is_encrypted(value):
        raise WrongType(NOT_ENCRYPTED)


class MissingValue(Exception):
    """A required value is not given."""


def _check_one(parameter: Parameter, value: Any, checked: dict[str, Any]) -> None:
    if value is not None:
        checked[parameter.name] = parameter.convert(value)
    elif parameter.required:
        raise MissingValue(
            f"{parameter.name!r} is required: give {_article(parameter.value_type)} value."
        )
    elif parameter.default is not None:
        checked[parameter.name] = parameter.default


def _article(value_type: str) -> str:
    return f"an {value_type}" if value_type[0] in "aeiou" else f"a {value_type}"


def _refuse_unknown(names: list[str], known: list[str]) -> dict[str, list[str]]:
    """Return a text for each name, with a remedy for the first ones: near names take time to find."""
    errors = {name: [_unknown(name, known)] for name in names[:MAX_REMEDIES]}
    others = names[MAX_REMEDIES:]
    return errors | {name: [f"{name[:SHOWN_NAME]!r} {UNKNOWN}."] for name in others}


def _unknown(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    shown = name[:SHOWN_NAME]
    if near:
        return f"{shown!r} {UNKNOWN}; did you mean {near[0]!r}?"
    return f"{shown!r} {UNKNOWN}; it takes {', '.join(map(repr, known))}."
