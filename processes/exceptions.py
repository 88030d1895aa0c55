"""What can go wrong when a process is started or executed, named for whoever can act on it."""

from collections.abc import Mapping
from uuid import UUID


class ProcessesError(Exception):
    """Base of this app's errors; the text is a sentence for people."""


class InvalidValues(ProcessesError):
    """Values do not fit the declared parameters; `errors` holds the texts by value name."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__("; ".join(text for texts in errors.values() for text in texts))
        self.errors = dict(errors)


class LeaseLost(ProcessesError):
    """Another node, or the reconciler, has ended this attempt: its result counts no more."""

    def __init__(self, run_id: UUID) -> None:
        super().__init__(f"The lease on run {run_id} is lost.")


class SecretsUnusable(ProcessesError):
    """A secret can be neither stored nor read; the text says what to do, and nothing of a secret."""


class NoSecretsKey(SecretsUnusable):
    """This process has no key for secrets."""

    def __init__(self) -> None:
        super().__init__(
            "There is no key for secrets: set SECRETS_KEY for every process, to 32 random"
            " characters or more, and start them again."
        )


class WrongSecretsKey(SecretsUnusable):
    """No key of this process fits a stored secret; `name` is that of the value, where it is known."""

    def __init__(self, name: str = "") -> None:
        which = f"The secret value {name!r}" if name else "A stored secret"
        super().__init__(
            f"{which} cannot be decrypted: no key fits it. Add the key by which it was stored to"
            " SECRETS_KEY, or give the value again."
        )
