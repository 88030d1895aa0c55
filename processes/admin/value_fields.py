"""One input for each declared parameter, and its way to the value that is checked and stored.

What a value has to be is said by `processes.values.check_values` alone; here text from a form is
only read, so that an empty input is a value that is not given.
"""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from processes.admin.secret_fields import SecretField
from processes.admin.widgets import CodeArea, CodeInput, DateInput, MomentInput, OneOf, TextArea
from processes.models import Parameter
from processes.value_types import ValueType

NOT_GIVEN = ("", _("not given"))
LENGTH_OF_ISO_SECONDS = len("2026-11-23T14:30:00")


class TypedField(forms.CharField):
    """A text that is kept to the letter; whoever checks the value says whether it is missing."""

    def __init__(self, **options: Any) -> None:
        super().__init__(strip=False, **options)

    def to_python(self, value: Any) -> str:
        """Return the text with the line breaks of a stored one, which browsers send as CR LF."""
        return str(super().to_python(value) or "").replace("\r\n", "\n")

    def validate(self, value: Any) -> None:
        """Leave a missing value to the check of all values."""


class ValueField(TypedField):
    """The input of one parameter."""

    def __init__(self, parameter: Parameter, shown: str) -> None:
        self.parameter = parameter
        super().__init__(
            label=parameter.name,
            help_text=parameter.help_text,
            required=parameter.required,
            widget=_choose_widget(parameter, shown),
            initial=shown,
        )

    def read(self, text: str) -> Any:
        """Return the value that the text stands for, None when it is not given."""
        if text == "":
            is_text = self.parameter.value_type == ValueType.TEXT
            return "" if is_text and self.parameter.default is not None else None
        return parse_json(text) if self.parameter.value_type == ValueType.JSON else text


class SecretValueField(SecretField):
    """The input of a parameter that is secret."""

    def __init__(self, parameter: Parameter, stored: Any) -> None:
        self.parameter = parameter
        super().__init__(
            stored=parameter.default if stored is None else stored,
            is_removable=stored is not None and not parameter.required,
            label=parameter.name,
            help_text=parameter.help_text,
            required=parameter.required,
        )


def parse_json(text: str) -> Any:
    """Return what a JSON text says. Raise ValidationError that says where it cannot be read."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValidationError(
            _now("This is no JSON: %(error)s.") % {"error": str(error)[:200]}
        ) from error


def show(value_type: str, value: Any) -> str:
    """Return a stored value as its input shows it."""
    if value is None:
        return ""
    if value_type == ValueType.JSON:
        return json.dumps(value, ensure_ascii=False, indent=2)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _choose_widget(parameter: Parameter, shown: str) -> Any:
    match parameter.value_type:
        case ValueType.BOOLEAN:
            return OneOf(choices=_offer(parameter, [("true", _("yes")), ("false", _("no"))]))
        case ValueType.CHOICE:
            return OneOf(choices=_offer(parameter, [(text, text) for text in parameter.choices]))
        case ValueType.INTEGER:
            return CodeInput({"inputmode": "numeric"})
        case ValueType.NUMBER:
            return CodeInput({"inputmode": "decimal"})
        case ValueType.DATE:
            return DateInput()
        case ValueType.DATE_TIME if _fits_calendar(shown):
            return MomentInput()
        case ValueType.DATE_TIME:
            return CodeInput()
        case ValueType.JSON:
            return CodeArea({"rows": 4})
        case _:
            return TextArea()


def _offer(parameter: Parameter, choices: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    is_optional = not parameter.required and parameter.default is None
    return [NOT_GIVEN, *choices] if is_optional or parameter.default is None else choices


def _fits_calendar(shown: str) -> bool:
    """Tell whether a browser's calendar can show it: it knows no offsets and no microseconds."""
    return len(shown) <= LENGTH_OF_ISO_SECONDS and not shown.endswith("Z")
