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

from processes.admin.value_fields import TypedField, ValueField, parse_json, show
from processes.admin.widgets import CodeArea, CodeInput
from processes.exceptions import InvalidValues
from processes.models import ProcessModel, Worker
from processes.models.process_models import MAX_RETRY_COUNT, MAX_RETRY_DELAY
from processes.models.runs import DEFAULT_PRIORITY, MAX_PRIORITY, MIN_PRIORITY
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
    checked_values: dict[str, Any] | None = None

    def add_values(self, stored: dict[str, Any] | None) -> None:
        """Add the inputs, with the stored values or else the defaults in them."""
        names = set()
        for parameter in self.process_model.parameters.all():
            names.add(parameter.name)
            value = parameter.default if stored is None else stored.get(parameter.name)
            shown = show(parameter.value_type, value)
            self.fields[f"{VALUE}{parameter.pk}"] = ValueField(parameter, shown)
        undeclared = {name: value for name, value in (stored or {}).items() if name not in names}
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

    def clean(self) -> dict[str, Any]:
        """Check everything else, then the values."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
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
            if isinstance(field, TypedField)
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
        field, text = self.fields[name], self.cleaned_data[name]
        if not isinstance(field, ValueField):
            other = parse_json(text) if text.strip() else {}
            if not isinstance(other, dict):
                raise ValidationError(_now('This is no JSON object, such as {"name": "value"}.'))
            for undeclared in given.keys() - self._declared.keys():
                del given[undeclared]
            given |= {key: value for key, value in other.items() if key not in self._declared}
            return
        value = field.read(text)
        given.pop(field.parameter.name, None)
        if value is not None:
            given[field.parameter.name] = value

    @cached_property
    def _declared(self) -> dict[str, str]:
        """The name of the input of each parameter."""
        return {
            field.parameter.name: name
            for name, field in self.fields.items()
            if isinstance(field, ValueField)
        }

    def _check_values(self, given: dict[str, Any]) -> None:
        try:
            self.checked_values = check_values(self.process_model, given)
        except InvalidValues as error:
            other = OTHER_VALUES if OTHER_VALUES in self.fields else None
            for name, messages in error.errors.items():
                at = self._declared.get(name, other)
                if at is None or at not in self.errors:
                    self.add_error(at, [ValidationError(message) for message in messages])
