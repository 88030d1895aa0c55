"""Secrets at rest: the one place that knows the keys.

An encrypted value is an object with one key, `processes.secrets.ENCRYPTED`, whose text is a Fernet
token (AES-128-CBC with HMAC-SHA256). It stands at the top level of the values, or is a default.
"""

import base64
from collections.abc import Mapping
from functools import cache
from typing import Any

from django.conf import settings

from processes.exceptions import NoSecretsKey, WrongSecretsKey
from processes.secrets import ENCRYPTED, is_encrypted

INFO = b"arabica.secrets.1"


def encrypt(text: str) -> dict[str, str]:
    """Return the stored form of a secret. Raise NoSecretsKey without a key."""
    return {ENCRYPTED: _ciphers()[0].encrypt(text.encode()).decode()}


def decrypt(value: Mapping[str, Any]) -> str:
    """Return the secret of a stored form. Raise NoSecretsKey or WrongSecretsKey."""
    text, _ = _decrypt(value)
    return text


def renew(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the stored form encrypted by the first key; itself if it is so already.

    Raise NoSecretsKey or WrongSecretsKey.
    """
    text, number = _decrypt(value)
    return encrypt(text) if number else value


def is_current(value: Mapping[str, Any]) -> bool:
    """Tell whether the first key has encrypted it. Raise NoSecretsKey or WrongSecretsKey."""
    _, number = _decrypt(value)
    return number == 0


def decrypt_values(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return values in clear, and the secrets among them. Raise NoSecretsKey or WrongSecretsKey."""
    clear, secrets = dict(values), []
    for name, value in values.items():
        if is_encrypted(value):
            try:
                clear[name] = decrypt(value)
            except WrongSecretsKey as error:
                raise WrongSecretsKey(name) from error
            secrets.append(clear[name])
    return clear, secrets


def _decrypt(value: Mapping[str, Any]) -> tuple[str, int]:
    """Return the secret, and the number of the key that fits."""
    from cryptography.fernet import InvalidToken

    for number, cipher in enumerate(_ciphers()):
        try:
            return cipher.decrypt(str(value[ENCRYPTED]).encode()).decode(), number
        except InvalidToken:
            continue
    raise WrongSecretsKey


def _ciphers() -> tuple[Any, ...]:
    if not settings.SECRETS_KEYS:
        raise NoSecretsKey
    return _make_ciphers(tuple(settings.SECRETS_KEYS))


@cache
def _make_ciphers(keys: tuple[str, ...]) -> tuple[Any, ...]:
    # Imported only here: who has no secrets does not pay for it with memory in each process.
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = (
        HKDF(algorithm=SHA256(), length=32, salt=None, info=INFO).derive(key.encode())
        for key in keys
    )
    return tuple(Fernet(base64.urlsafe_b64encode(key)) for key in derived)
