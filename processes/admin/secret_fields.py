"""The input of a secret: what is stored is never shown, and an input left empty keeps it.

What was typed is shown no more either: a form that comes back (another field is wrong, or the fire
times are compared first) carries it encrypted, and signed, so that it takes none from elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldBooleanWidget

from processes.encryption import decrypt, encrypt
from processes.exceptions import SecretsUnusable
from processes.secrets import ENCRYPTED
from processes.value_types import ValueType, WrongType, convert

SALT = "processes.typed_secret"
KEEP = object()
LASTS = 86_400  # seconds in which a form that carries a secret has to be sent


@dataclass(frozen=True)
class SecretChange:
    """What a form says of a secret: a text was typed, was typed before, or it is to be removed."""

    typed: str = field(default="", repr=False)
    carried: str = ""
    is_removed: bool = False

    def __bool__(self) -> bool:
        """Tell whether it changes anything."""
        return bool(self.typed or self.carried or self.is_removed)


class SecretInput(UnfoldAdminPasswordWidget):
    """A password input, with what it carries from before and the offer to remove what is stored."""

    def __init__(self, *, is_stored: bool = False, is_removable: bool = False) -> None:
        super().__init__({"autocomplete": "new-password", "spellcheck": "false"})
        self.is_stored = is_stored
        self.is_removable = is_removable

    def value_from_datadict(self, data: Any, files: Any, name: str) -> SecretChange:
        """Return what was sent."""
        return SecretChange(
            data.get(name, ""), data.get(f"{name}_typed", ""), f"{name}_removed" in data
        )

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """Tell whether the form had no such input."""
        return name not in data

    def format_value(self, value: Any) -> str:
        """Return nothing: an input never shows a secret."""
        return ""

    def use_required_attribute(self, initial: Any) -> bool:
        """Let it be empty where that keeps something."""
        return not self.is_stored and super().use_required_attribute(initial)

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        """Return the inputs, none of which has a secret in clear."""
        change = value if isinstance(value, SecretChange) else SecretChange()
        placeholder = ""
        if change.carried:
            placeholder = _("Typed, not saved yet; empty keeps it.")
        elif self.is_stored:
            placeholder = _("Stored, never shown; empty keeps it.")
        given = {"placeholder": placeholder} | (attrs or {})
        remove = UnfoldBooleanWidget().render(
            f"{name}_removed", change.is_removed, {"id": f"id_{name}_removed"}
        )
        context = {
            "name": name,
            "input": super().render(name, None, given, renderer),
            "carried": change.carried,
            "remove": remove if self.is_stored and self.is_removable else "",
        }
        return render_to_string("admin/secret_input.html", context)


class SecretField(forms.Field):
    """A secret; its cleaned value is the encrypted form, None to remove it, KEEP to leave it."""

    def __init__(self, *, stored: Any = None, is_removable: bool = False, **options: Any) -> None:
        widget = SecretInput(is_stored=stored is not None, is_removable=is_removable)
        super().__init__(widget=widget, **options)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Tell whether anything was typed, or is to be removed."""
        return bool(data)

    def prepare_value(self, value: Any) -> SecretChange | None:
        """Return what a form shows: nothing of what is stored."""
        return value if isinstance(value, SecretChange) else None

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return what the input shows when the form comes back."""
        return carry(data) if isinstance(data, SecretChange) else initial

    def clean(self, value: Any) -> Any:
        """Return what becomes of the secret. Raise ValidationError for what cannot be stored."""
        change = value if isinstance(value, SecretChange) else SecretChange()
        try:
            if change.typed:
                return encrypt(convert(ValueType.SECRET, change.typed))
            if change.is_removed:
                return None
            return _read_carried(change.carried) if change.carried else KEEP
        except WrongType as error:
            raise ValidationError(str(error)) from None
        except SecretsUnusable as error:
            raise ValidationError(str(error)) from error


def carry(change: SecretChange) -> SecretChange:
    """Return what was typed, encrypted and signed; as it is where it cannot be stored."""
    if not change.typed:
        return change
    try:
        stored = encrypt(convert(ValueType.SECRET, change.typed))
    except (WrongType, SecretsUnusable):
        return SecretChange()
    return SecretChange(carried=signing.dumps(stored[ENCRYPTED], salt=SALT))


def carry_on(data: Mapping[str, Any], name: str) -> dict[str, str]:
    """Return the inputs by which another page sends a secret on, by name."""
    change = carry(SecretInput().value_from_datadict(data, None, name))
    return {f"{name}_typed": change.carried} if change.carried else {}


def _read_carried(text: str) -> dict[str, str]:
    try:
        stored = {ENCRYPTED: signing.loads(text, salt=SALT, max_age=LASTS)}
    except signing.BadSignature as error:
        raise ValidationError(_("This was typed too long ago; type it again.")) from error
    decrypt(stored)
    return stored


def resolve(cleaned: Any, stored: Any) -> Any:
    """Return what is to be stored, given what is: encrypted, or in clear from before; or None."""
    return stored if cleaned is KEEP else cleaned
