"""The type of a secret value, and how secrets are shown: never."""

from collections.abc import Collection, Mapping
from typing import Any

MASK = "••••••"
# The one key of the object by which an encrypted value is stored; see `processes.encryption`.
ENCRYPTED = "arabica:secret"


class Secret(str):
    """A text that is not shown by accident: its `repr` is masked.

    Annotate the parameter of a process with it. It is a `str` everywhere else, so that a library
    takes it as a password; an f-string has it in clear.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Return the mask, for tracebacks with variables and for lists that are printed."""
        return repr(MASK)


def is_encrypted(value: Any) -> bool:
    """Tell whether a stored value is an encrypted one."""
    return isinstance(value, Mapping) and value.keys() == {ENCRYPTED}


def mask(values: Mapping[str, Any], secret_names: Collection[str] = ()) -> dict[str, Any]:
    """Return values as people and clients may see them.

    What is encrypted is masked, and what is declared secret now though it was stored in clear.
    """
    return {
        name: MASK if name in secret_names or is_encrypted(value) else value
        for name, value in values.items()
    }
