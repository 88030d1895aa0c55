"""The types a value may have, and its way from a client to the database and on to a function.

A value has one stored form per type, and every form is JSON. `convert` reads what a client sent,
`to_stored` takes a Python value as it is, `to_python` goes back.
"""

import difflib
import enum
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from processes.secrets import Secret

MAX_DIGITS = 4300  # more than these CPython neither reads from text nor writes to it
INTEGER_LIMIT = 10**MAX_DIGITS
MAX_NESTING = 32
MAX_CHOICES_SHOWN = 10
MAX_EXACT_FLOAT = 2**53  # above it a float has already lost digits of the whole number it was

INTEGER = re.compile(r"(-?[0-9]{1,4300})(?:\.0{1,100})?")
NUMBER = re.compile(r"-?[0-9]{1,4300}(\.[0-9]{1,4300})?([eE][+-]?[0-9]{1,20})?")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DATE_TIME = re.compile(
    DATE.pattern
    + r"[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?"
)
FLAGS = {"true": True, "y": True, "1": True, "false": False, "n": False, "0": False}


class ValueType(enum.StrEnum):
    """What a parameter takes, or an output holds."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATE_TIME = "date-time"
    CHOICE = "choice"
    JSON = "json"
    SECRET = "secret"  # noqa: S105 - the name of a type


EXPECTED = {
    ValueType.TEXT: "text such as 'blue', without NUL characters or lone surrogates",
    ValueType.INTEGER: f"a whole number such as 5, of at most {MAX_DIGITS:,} digits",
    ValueType.NUMBER: "a finite number such as 2.5",
    ValueType.BOOLEAN: "true or false",
    ValueType.DATE: "a date such as 2026-11-23",
    ValueType.DATE_TIME: (
        "a date and time such as 2026-11-23 14:30:00 or 2026-11-23T14:30:00+03:00"
    ),
    ValueType.SECRET: "text, which is kept secret, without NUL characters or lone surrogates",
    ValueType.JSON: (
        "JSON such as {'a': [1, 2]}, with finite numbers, without NUL characters or lone"
        f" surrogates, at most {MAX_NESTING} levels deep"
    ),
}


class WrongType(ValueError):
    """The value is not of the type; `expected` says what is, to be used inside a sentence."""

    def __init__(self, expected: str) -> None:
        super().__init__(f"Expected {expected}.")
        self.expected = expected


def convert(value_type: ValueType, value: Any, *, choices: Sequence[str] = ()) -> Any:
    """Return the stored form of a value that a client sent. Raise WrongType where it has none.

    Clients send most values as text, so a text is read as the type where nothing is lost by it:
    "5" and "5.0" are the integer 5. Nothing is guessed or trimmed: a JSON number is no text, no
    choice and no boolean, " 5" is no integer, and digits are ASCII. Whole numbers have no limit
    but 4,300 digits, so a reader that only knows 64 bits may not hold all of them.

    - boolean: true/false, and in any case the texts "true"/"false", "Y"/"N", "1"/"0".
    - date-time: `yyyy-MM-dd HH:mm[:ss[.fraction]]`, "T" or a blank between, with or without an
      offset, which is kept; a fraction is cut to microseconds. A date alone is refused.
    - json: a text that is a JSON object or array is parsed; every other text stays a text.
    """
    read = READERS.get(value_type)
    if read and isinstance(value, str):
        value = read(value)
    return to_stored(value_type, value, choices=choices)


def to_stored(value_type: ValueType, value: Any, *, choices: Sequence[str] = ()) -> Any:
    """Return the stored form of a Python value; text is read as nothing but text and dates.

    Dates become ISO 8601 text, enum members their value, tuples lists; what is returned shares no
    list or dict with `value`. Raise WrongType as `convert` does.
    """
    if isinstance(value, enum.Enum):
        value = value.value
    if value_type == ValueType.CHOICE:
        return _store_choice(value, choices)
    return STORERS[value_type](value)


def to_python(value_type: ValueType, stored: Any) -> Any:
    """Return what a function is handed: dates as objects (aware if stored with an offset)."""
    if stored is None:
        return None
    if value_type == ValueType.DATE:
        return date.fromisoformat(stored)
    if value_type == ValueType.DATE_TIME:
        return datetime.fromisoformat(stored)
    if value_type == ValueType.SECRET:
        return Secret(stored)
    return stored


def _read_integer(text: str) -> int:
    match = INTEGER.fullmatch(text)
    if not match:
        raise WrongType(EXPECTED[ValueType.INTEGER])
    return int(match[1])


def _read_number(text: str) -> int | float:
    match = NUMBER.fullmatch(text)
    if not match:
        raise WrongType(EXPECTED[ValueType.NUMBER])
    return float(text) if match[1] or match[2] else int(text)


def _read_boolean(text: str) -> bool:
    flag = FLAGS.get(text.lower())
    if flag is None:
        raise WrongType(EXPECTED[ValueType.BOOLEAN])
    return flag


def _read_json(text: str) -> Any:
    if not text.lstrip(" \t\r\n").startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
    except (ValueError, RecursionError) as error:  # too many digits in a number, too many levels
        raise WrongType(EXPECTED[ValueType.JSON]) from error


def _store_text(value: Any) -> str:
    if not isinstance(value, str) or not _is_storable(value):
        raise WrongType(EXPECTED[ValueType.TEXT])
    return str.__str__(value)


def _store_secret(value: Any) -> str:
    try:
        return _store_text(value)
    except WrongType:
        # Not `from` it: what a traceback shows of a secret's way stays short.
        raise WrongType(EXPECTED[ValueType.SECRET]) from None


def _is_storable(text: str) -> bool:
    """Tell whether PostgreSQL's jsonb takes the text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _store_integer(value: Any) -> int:
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_EXACT_FLOAT:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= INTEGER_LIMIT:
        raise WrongType(EXPECTED[ValueType.INTEGER])
    return int(value)


def _store_number(value: Any) -> int | float:
    if not isinstance(value, float):
        try:
            return _store_integer(value)
        except WrongType as error:
            raise WrongType(EXPECTED[ValueType.NUMBER]) from error
    if not math.isfinite(value):
        raise WrongType(EXPECTED[ValueType.NUMBER])
    return float(value)


def _store_boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongType(EXPECTED[ValueType.BOOLEAN])
    return value


def _store_date(value: Any) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, str) or not DATE.fullmatch(value):
        raise WrongType(EXPECTED[ValueType.DATE])
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError as error:
        raise WrongType(EXPECTED[ValueType.DATE]) from error


def _store_date_time(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, str) or not DATE_TIME.fullmatch(value):
        raise WrongType(EXPECTED[ValueType.DATE_TIME])
    try:
        return datetime.fromisoformat(value).isoformat()
    except ValueError as error:
        raise WrongType(EXPECTED[ValueType.DATE_TIME]) from error


def _store_choice(value: Any, choices: Sequence[str]) -> str:
    if isinstance(value, str) and value in choices:
        return str.__str__(value)
    expected = "one of " + ", ".join(repr(choice) for choice in choices[:MAX_CHOICES_SHOWN])
    if len(choices) > MAX_CHOICES_SHOWN:
        expected += f" or {len(choices) - MAX_CHOICES_SHOWN} more"
    near = difflib.get_close_matches(value[:255], choices, n=1) if isinstance(value, str) else []
    if near:
        expected += f" (did you mean {near[0]!r}?)"
    raise WrongType(expected)


def _store_json(value: Any) -> Any:
    try:
        return _copy_json(value, MAX_NESTING)
    except WrongType as error:
        raise WrongType(EXPECTED[ValueType.JSON]) from error


def _copy_json(value: Any, levels: int) -> Any:
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _store_number(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping) and levels:
        return {_store_text(key): _copy_json(item, levels - 1) for key, item in value.items()}
    if isinstance(value, list | tuple) and levels:
        return [_copy_json(item, levels - 1) for item in value]
    return _store_text(value)


READERS: dict[str, Callable[[str], Any]] = {
    ValueType.INTEGER: _read_integer,
    ValueType.NUMBER: _read_number,
    ValueType.BOOLEAN: _read_boolean,
    ValueType.JSON: _read_json,
}
STORERS: dict[str, Callable[[Any], Any]] = {
    ValueType.TEXT: _store_text,
    ValueType.INTEGER: _store_integer,
    ValueType.NUMBER: _store_number,
    ValueType.BOOLEAN: _store_boolean,
    ValueType.DATE: _store_date,
    ValueType.DATE_TIME: _store_date_time,
    ValueType.JSON: _store_json,
    ValueType.SECRET: _store_secret,
}
