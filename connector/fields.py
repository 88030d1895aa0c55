"""Fields of a start call, as the published text and its known clients send them."""

import json
import re
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils.dateparse import parse_datetime
from rest_framework import serializers

DATE_AND_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}", re.ASCII)
DIGITS = re.compile(r"[0-9]{1,19}\Z", re.ASCII)
FLAGS = {"y": True, "true": True, "n": False, "false": False}
SHOWN = 40
FIRST_YEAR, LAST_YEAR = 1970, 2199


def shorten(value: Any) -> str:
    """Return a value for a message: text in quotes, the rest as JSON; 40 characters at most."""
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def name_type(value: Any) -> str:
    """Return what kind of JSON a value is."""
    names = {str: "text", list: "a list", bool: "a boolean", dict: "an object"}
    return names.get(type(value), "a number")


class StartField(serializers.Field[Any, Any, Any, Any]):
    """A field of the start call, able to say as JSON schema what it takes."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the checked value; say by name that a required field is missing."""
        if data is serializers.empty and self.required:
            raise serializers.ValidationError(f"{self.field_name} is required; add it to the body.")
        return super().run_validation(data)

    def describe(self) -> dict[str, Any]:
        """Return the JSON schema; an optional field takes null for *not given*."""
        schema = self.describe_given()
        if not self.required:
            schema["type"] = [*_as_list(schema["type"]), "null"]
        return schema

    def describe_given(self) -> dict[str, Any]:
        """Return the JSON schema of a value that is given."""
        return {"type": "string"}


def _as_list(types: Any) -> list[str]:
    return types if isinstance(types, list) else [types]


class TextField(StartField):
    """Text, matched exactly: never trimmed, never converted."""

    def __init__(self, *, max_length: int, **options: Any) -> None:
        super().__init__(**options)
        self.max_length = max_length

    def describe_given(self) -> dict[str, Any]:
        """Return the JSON schema."""
        shortest = {"minLength": 1} if self.required else {}
        return {"type": "string", "maxLength": self.max_length} | shortest

    def to_internal_value(self, data: Any) -> str:
        """Return the text."""
        if not isinstance(data, str):
            raise serializers.ValidationError(f"{self.field_name} takes text, not {shorten(data)}.")
        if len(data) > self.max_length:
            raise serializers.ValidationError(
                f"{self.field_name} takes at most {self.max_length:,} characters; it has {len(data):,}."
            )
        return data


class ObjectField(StartField):
    """A JSON object."""

    def describe_given(self) -> dict[str, Any]:
        """Return the JSON schema."""
        return {"type": "object", "additionalProperties": True}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the object as it is."""
        if not isinstance(data, dict):
            raise serializers.ValidationError(
                f'{self.field_name} takes an object such as {{"username": "Ada"}}, not'
                f" {name_type(data)}."  # quoted, a text with the values in it would tell secrets
            )
        return data


class WholeNumberField(StartField):
    """A whole number in a range, as a number or as text of ASCII digits."""

    def __init__(self, *, minimum: int, maximum: int, expected: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.minimum = minimum
        self.maximum = maximum
        self.expected = expected or f"a whole number from {minimum} to {maximum}"

    def describe_given(self) -> dict[str, Any]:
        """Return the JSON schema."""
        return {
            "type": ["integer", "string"],
            "minimum": self.minimum,
            "maximum": self.maximum,
            "pattern": "^[0-9]*$",
        }

    def to_internal_value(self, data: Any) -> int:
        """Return the number."""
        number = int(data) if isinstance(data, str) and DIGITS.match(data) else data
        if (
            not isinstance(number, int)
            or isinstance(number, bool)
            or not self.minimum <= number <= self.maximum
        ):
            raise serializers.ValidationError(
                f"{self.field_name} takes {self.expected}, not {shorten(data)}."
            )
        return number


class FlagField(StartField):
    """`Y` or `N` in any case, a JSON boolean, or "true" or "false"."""

    def describe_given(self) -> dict[str, Any]:
        """Return the JSON schema."""
        return {
            "type": ["string", "boolean"],
            "pattern": "^([yYnN]|[tT][rR][uU][eE]|[fF][aA][lL][sS][eE])?,?$",
        }

    def to_internal_value(self, data: Any) -> bool:
        """Return the flag."""
        if isinstance(data, bool):
            return data
        if isinstance(data, str) and data.lower() in FLAGS:
            return FLAGS[data.lower()]
        raise serializers.ValidationError(f"{self.field_name} takes Y or N, not {shorten(data)}.")


class MomentField(StartField):
    """`yyyy-MM-dd HH:mm:ss`, or ISO 8601 with or without an offset; may come back naive."""

    def to_internal_value(self, data: Any) -> datetime:
        """Return the date and time, naive where no offset was given."""
        moment = _parse_moment(data) if isinstance(data, str) else None
        if moment is None:
            raise serializers.ValidationError(
                f"{self.field_name} takes a date and time such as 2026-11-16 16:56:00 or"
                f" 2026-11-16T16:56:00+03:00, not {shorten(data)}."
            )
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise serializers.ValidationError(
                f"{self.field_name} takes a year from {FIRST_YEAR} to {LAST_YEAR},"
                f" not {moment.year}."
            )
        return moment


def _parse_moment(text: str) -> datetime | None:
    if not DATE_AND_TIME.match(text):
        return None
    try:
        moment = parse_datetime(text)
        # An offset at the edge of the calendar cannot be turned into UTC.
        return moment if moment is None or moment.tzinfo is None else _checked(moment)
    except (ValueError, OverflowError):
        return None


def _checked(moment: datetime) -> datetime:
    if moment.date() == date.min or moment.date() == date.max:
        raise OverflowError
    return moment


class TimeZoneField(StartField):
    """An IANA time zone name."""

    def to_internal_value(self, data: Any) -> ZoneInfo:
        """Return the zone."""
        try:
            return ZoneInfo(data)
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
            raise serializers.ValidationError(
                f"timezone takes an IANA name such as Europe/Istanbul, not {shorten(data)}."
            ) from error
