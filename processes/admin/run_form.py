"""What may be said of a run before it is made: who runs it, how it is tried again, its values."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.functional import cached_property
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from processes.admin.secret_fields import carry_on, resolve
from processes.admin.value_fields import (
    SecretValueField,
    TypedField,
    ValueField,
    parse_json,
    show,
)
from processes.admin.widgets import CodeArea, CodeInput
from processes.exceptions import InvalidValues, SecretsUnusable
from processes.models import Parameter, ProcessModel, Worker
from processes.models.process_models import MAX_RETRY_COUNT, MAX_RETRY_DELAY
from processes.models.runs import DEFAULT_PRIORITY, MAX_PRIORITY, MIN_PRIORITY
from processes.secrets import MASK, is_encrypted, mask
from processes.values import check_values

VALUE = "value_"
OTHER_VALUES = "other_values"


class RunForm(forms.Form):
    """The options of a run and one input for each parameter of its process model.

    An edit (`edited_values`) knows what it showed and changes only what the person did.
    """

    worker = forms.ModelChoiceField(
        label=_("Worker"),
        queryset=Worker.objects.all(),
        required=False,
        empty_label=_("default of the process model, or any"),
        widget=UnfoldAdminSelectWidget,
    )
    priority = forms.IntegerField(
        label=_("Priority"),
        initial=DEFAULT_PRIORITY,
        min_value=MIN_PRIORITY,
        max_value=MAX_PRIORITY,
        widget=CodeInput({"inputmode": "numeric"}),
        help_text=_("1 to 99; 99 is claimed first."),
    )
    retry_count = forms.IntegerField(
        label=_("Retries"),
        min_value=0,
        max_value=MAX_RETRY_COUNT,
        widget=CodeInput({"inputmode": "numeric"}),
        help_text=_("Additional runs after an error, 0 to 99."),
    )
    retry_delay = forms.DurationField(
        label=_("Delay before each retry"),
        widget=CodeInput,
        validators=[
            MinValueValidator(type(MAX_RETRY_DELAY)(0)),
            MaxValueValidator(MAX_RETRY_DELAY),
        ],
        help_text=_("Hours:minutes:seconds, up to a day."),
    )

    process_model: ProcessModel
    edited_values: dict[str, Any] | None = None
    _stored: dict[str, Any]
    checked_values: dict[str, Any] | None = None

    def add_values(self, stored: dict[str, Any] | None) -> None:
        """Add the inputs, with the stored values or else the defaults in them."""
        self._stored = stored or {}
        names = set()
        for parameter in self.process_model.parameters.all():
            names.add(parameter.name)
            self.fields[f"{VALUE}{parameter.pk}"] = _make_field(parameter, stored)
        undeclared = mask({name: self._stored[name] for name in self._stored if name not in names})
        if undeclared or self.process_model.takes_any_value():
            self.fields[OTHER_VALUES] = TypedField(
                label=_("Other values") if names else _("Values"),
                required=False,
                initial=show("json", undeclared) if undeclared else "",
                widget=CodeArea({"rows": 3, "placeholder": '{"name": "value"}'}),
                help_text=_("A JSON object of values that are not declared."),
            )

    @property
    def value_fields(self) -> Iterator[forms.BoundField]:
        """Yield the inputs of the working properties."""
        for name in self.fields:
            if name.startswith(VALUE) or name == OTHER_VALUES:
                yield self[name]

    def list_inputs(self) -> Iterator[tuple[str, str]]:
        """Yield all that was sent, for another page to send on; secrets are encrypted in it."""
        secrets = [name for name in self.fields if isinstance(self.fields[name], SecretValueField)]
        sent: Any = self.data  # a QueryDict
        for name in sent:
            if name in secrets:
                yield from carry_on(sent, name).items()
            elif name.removesuffix("_typed") not in secrets:
                for text in sent.getlist(name):
                    yield name, text

    def clean(self) -> dict[str, Any]:
        """Check everything else, then the values."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        self._encrypted: dict[str, Any] = {}
        given = self._given_values()
        if given is not None:
            self._check_values(given)
        return data

    def _given_values(self) -> dict[str, Any] | None:
        """Return the values as they are wanted; None when nobody changed one."""
        given = dict(self.edited_values) if self.edited_values is not None else {}
        touched = [
            name
            for name, field in self.fields.items()
            if isinstance(field, TypedField | SecretValueField)
            and name in self.cleaned_data
            and (self.edited_values is None or name in self.changed_data)
        ]
        for name in touched:
            try:
                self._take_value(name, given)
            except ValidationError as error:
                self.add_error(name, error)
        return given if touched or self.edited_values is None else None

    def _take_value(self, name: str, given: dict[str, Any]) -> None:
        field, cleaned = self.fields[name], self.cleaned_data[name]
        if isinstance(field, SecretValueField):
            value = resolve(cleaned, self._stored.get(field.parameter.name))
            self._encrypted[field.parameter.name] = value
        elif isinstance(field, ValueField):
            value = field.read(cleaned)
        else:
            self._take_undeclared(cleaned, given)
            return
        given.pop(field.parameter.name, None)
        if value is not None:
            given[field.parameter.name] = value

    def _take_undeclared(self, text: str, given: dict[str, Any]) -> None:
        other = parse_json(text) if text.strip() else {}
        if not isinstance(other, dict):
            raise ValidationError(_now('This is no JSON object, such as {"name": "value"}.'))
        for undeclared in given.keys() - self._declared.keys():
            del given[undeclared]
        for name, value in other.items():
            if name not in self._declared:
                given[name] = self._stored[name] if self._is_masked(name, value) else value

    def _is_masked(self, name: str, value: Any) -> bool:
        """Tell whether a value is a stored secret that nobody has changed."""
        return value == MASK and is_encrypted(self._stored.get(name))

    @cached_property
    def _declared(self) -> dict[str, str]:
        """The name of the input of each parameter."""
        return {
            field.parameter.name: name
            for name, field in self.fields.items()
            if isinstance(field, ValueField | SecretValueField)
        }

    def _check_values(self, given: dict[str, Any]) -> None:
        try:
            known = self._stored | self._encrypted
            encrypted = {name for name, value in given.items() if value == known.get(name)}
            self.checked_values = check_values(self.process_model, given, encrypted=encrypted)
        except InvalidValues as error:
            other = OTHER_VALUES if OTHER_VALUES in self.fields else None
            for name, messages in error.errors.items():
                at = self._declared.get(name, other)
                if at is None or at not in self.errors:
                    self.add_error(at, [ValidationError(message) for message in messages])
        except SecretsUnusable as error:
            self.add_error(None, ValidationError(str(error)))


def _make_field(parameter: Parameter, stored: dict[str, Any] | None) -> forms.Field:
    value = parameter.default if stored is None else stored.get(parameter.name)
    if parameter.is_secret:
        return SecretValueField(parameter, None if stored is None else value)
    # A value that was a secret, of a parameter that is none any more, has to be given again.
    return ValueField(parameter, show(parameter.value_type, None if is_encrypted(value) else value))
