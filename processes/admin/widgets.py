"""Inputs of our own forms in the admin's look; each works without a script."""

from typing import Any

from django.forms.widgets import Select
from unfold.widgets import (
    UnfoldAdminExpandableTextareaWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)


class CodeInput(UnfoldAdminTextInputWidget):
    """One line of monospaced text, which no browser corrects."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        code = {"class": "ar-input-code", "spellcheck": "false", "autocapitalize": "off"}
        super().__init__(code | {"autocomplete": "off"} | (attrs or {}))


class MomentInput(UnfoldAdminTextInputWidget):
    """A wall-clock time to the second, with the browser's own calendar."""

    input_type = "datetime-local"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"step": "1", "class": "ar-input-moment"} | (attrs or {}))


class DateInput(UnfoldAdminTextInputWidget):
    """A day, with the browser's own calendar."""

    input_type = "date"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"class": "ar-input-moment"} | (attrs or {}))


class TextArea(UnfoldAdminExpandableTextareaWidget):
    """A text that grows with what is typed, and keeps its line breaks, the first one too."""

    template_name = "django/forms/widgets/textarea.html"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.attrs |= {"rows": 1, "cols": 20}


class CodeArea(TextArea):
    """Several lines of monospaced text."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"class": "ar-input-code", "spellcheck": "false"} | (attrs or {}))


class OneOf(UnfoldAdminSelectWidget):
    """A choice from texts; one that is stored and no longer offered stays visible."""

    def optgroups(self, name: str, value: list[str], attrs: dict[str, Any] | None = None) -> Any:
        """Return the options, with a stored value that is none of them."""
        offered: list[tuple[Any, Any]] = [*self.choices]  # type: ignore[has-type]  # Unfold is untyped
        known = {str(key) for key, _label in offered}
        self.choices = offered + [(text, text) for text in value if text not in known]
        return Select.optgroups(self, name, value, attrs)
