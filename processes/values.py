"""Values of a start, checked against what the process model declares."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from processes.exceptions import InvalidValues
from processes.models import Parameter, ProcessModel
from processes.value_types import WrongType

SHOWN_NAME = 255
MAX_REMEDIES = 10
UNKNOWN = "is not a value of this process"


def check_values(process_model: ProcessModel, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` converted to their parameters' types, defaults filled in.

    A null value counts as missing. Text is never trimmed. Raise InvalidValues with every fault at
    once. Undeclared values are kept as they are where the process model takes them.
    """
    parameters = {parameter.name: parameter for parameter in process_model.parameters.all()}
    errors: dict[str, list[str]] = {}
    checked: dict[str, Any] = {}
    for name, parameter in parameters.items():
        try:
            _check_one(parameter, values.get(name), checked)
        except WrongType as error:
            errors[name] = [f"{name!r} takes {error.expected}."]
        except MissingValue as error:
            errors[name] = [str(error)]
    undeclared = [name for name in values if name not in parameters]
    if process_model.takes_any_value():
        checked |= {name: values[name] for name in undeclared}
    else:
        errors |= _refuse_unknown(undeclared, list(parameters))
    if errors:
        raise InvalidValues(errors)
    return checked


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
