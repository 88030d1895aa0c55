"""The form of a process model that people add: a command."""

import json
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _now
from unfold.widgets import UnfoldAdminTextareaWidget

from processes.executors.command_configuration import (
    LIMITS,
    WrongConfiguration,
    read_configuration,
)
from processes.models import ProcessModel

NEW_COMMAND = {"executor": ProcessModel.Executor.COMMAND, "configuration": {"argv": ["hello.py"]}}


class ConfigurationField(forms.JSONField):
    """JSON on several lines, every letter as it is written."""

    def prepare_value(self, value: Any) -> Any:
        """Return text that was not understood as it was typed."""
        if value is None or isinstance(value, forms.fields.InvalidJSONInput):
            return value
        return json.dumps(value, ensure_ascii=False, indent=2)


def configuration_options() -> dict[str, Any]:
    """Return what the field of a configuration is made of."""
    limits = ", ".join(f"{name} ({limit.default:,})" for name, limit in LIMITS.items())
    return {
        "form_class": ConfigurationField,
        "widget": UnfoldAdminTextareaWidget({"rows": 8, "spellcheck": "false"}),
        "help_text": _now(
            "A JSON object. argv: the program, a path inside the folder COMMANDS_DIR of the"
            " workers, and its arguments. environment: more variables by name, which everybody who"
            " sees this page can read. limits: whole numbers by name, which are %(limits)s."
        )
        % {"limits": limits},
    }


class ProcessModelForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic when it runs
    """A process model, whose configuration is one that can be carried out on this host."""

    def clean_configuration(self) -> Any:
        """Tell every fault of the configuration at once."""
        configuration = self.cleaned_data["configuration"]
        if not isinstance(configuration, dict):
            raise ValidationError(
                _now("Write a JSON object such as %(example)s.")
                % {"example": '{"argv": ["hello.py"]}'}
            )
        try:
            read_configuration(configuration, settings.COMMANDS_DIR)
        except WrongConfiguration as wrong:
            faults = [_now(fault.sentence) % fault.facts for fault in wrong.faults]
            raise ValidationError(faults) from wrong
        return configuration
