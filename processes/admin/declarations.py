"""Parameters and outputs on the page of a process model: shown, or edited where no code owns them."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import TextField
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from processes.admin.secret_fields import SecretField, resolve
from processes.models import Output, Parameter, ProcessModel
from processes.secrets import MASK, is_encrypted
from processes.value_types import ValueType


def is_owned_by_code(process_model: ProcessModel | None) -> bool:
    """Tell whether `sync_processes` would overwrite what is edited here."""
    return process_model is not None and process_model.executor == ProcessModel.Executor.PYTHON


class DeclarationInline(TabularInline):
    """Parameters or outputs, editable where no code owns them."""

    extra = 0
    hide_title = True
    formfield_overrides = TabularInline.formfield_overrides | {
        TextField: {"widget": UnfoldAdminTextareaWidget({"rows": 1})}
    }

    def has_view_permission(self, request: HttpRequest, obj: ProcessModel | None = None) -> bool:
        """Show them to whoever may see the process model."""
        return bool(request.user.has_perm("processes.view_processmodel"))

    def has_add_permission(self, request: HttpRequest, obj: ProcessModel | None) -> bool:
        """Leave the declaration to the code."""
        return not is_owned_by_code(obj) and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: ProcessModel | None = None) -> bool:
        """Leave the declaration to the code."""
        return not is_owned_by_code(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: ProcessModel | None = None) -> bool:
        """Leave the declaration to the code."""
        return not is_owned_by_code(obj) and super().has_delete_permission(request, obj)


class DefaultField(forms.CharField):
    """A default as a person writes it: the text `blue`, not the JSON `"blue"`."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        """Return text as it is, everything else as JSON."""
        if value is None or isinstance(value, str):
            return value
        if is_encrypted(value):  # of a parameter that is no secret any more
            return ""
        return json.dumps(value, ensure_ascii=False)


class ChoicesField(forms.CharField):
    """Texts, one a line."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        """Return a list as lines."""
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Return the lines that are not empty, each once."""
        return list(dict.fromkeys(filter(None, map(str.strip, (value or "").splitlines()))))


class ParameterForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic when it runs
    """A parameter as people declare it; its model reads the default as a client's value."""

    default = DefaultField(label=_("default"), required=False, strip=False, empty_value=None)
    choices = ChoicesField(
        label=_("choices"), required=False, widget=UnfoldAdminTextareaWidget({"rows": 1})
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        chosen = self.data.get(self.add_prefix("value_type"), self.instance.value_type)
        if chosen == ValueType.SECRET:
            self.fields["default"] = SecretField(
                label=_("default"),
                required=False,
                stored=self.instance.default,
                is_removable=True,
            )

    def clean_default(self) -> Any:
        """Return the default; that of a secret is encrypted, and stays when nothing is typed."""
        return resolve(self.cleaned_data["default"], self.instance.default)

    def clean(self) -> None:
        """Refuse a choice between nothing."""
        super().clean()
        data = self.cleaned_data
        if data.get("value_type") == ValueType.CHOICE and not data.get("choices"):
            self.add_error("choices", _("Write the texts to choose from, one a line."))


class ParameterInline(DeclarationInline):
    """The parameters of a process model."""

    model = Parameter
    form = ParameterForm
    readonly_fields = ["default_as_json", "choices_in_words"]

    @admin.display(description=_("default"))
    def default_as_json(self, parameter: Parameter) -> str:
        """Return the default as a client would write it."""
        if parameter.default is None:
            return "-"
        if parameter.is_secret:
            return MASK
        return json.dumps(parameter.default, ensure_ascii=False)

    @admin.display(description=_("choices"))
    def choices_in_words(self, parameter: Parameter) -> str:
        """Return the texts that a choice takes."""
        return ", ".join(map(str, parameter.choices)) or "-"

    def get_fields(self, request: HttpRequest, obj: ProcessModel | None = None) -> list[str]:
        """Return inputs, or the same in words for who may only read them."""
        if self.has_change_permission(request, obj):
            return ["name", "value_type", "required", "default", "choices", "help_text"]
        shown = ["default_as_json", "choices_in_words"]
        return ["name", "value_type", "required", *shown, "help_text"]


class OutputInline(DeclarationInline):
    """The outputs of a process model."""

    model = Output
    fields = ["name", "value_type", "help_text"]
