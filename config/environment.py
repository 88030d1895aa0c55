"""Typed readers of environment variables.

Each raises ImproperlyConfigured with one sentence that names the variable, so that a wrong value
stops the start instead of surfacing later.
"""

import os
import secrets
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import environ
from django.core.exceptions import ImproperlyConfigured

FLAGS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}

MIN_SECRETS_KEY = 32  # characters

POSTGRESQL_OPTIONS: dict[str, Any] = {
    "server_side_binding": True,
    "prepare_threshold": 2,
    # Compiling a query takes PostgreSQL ten times as long as carrying it out once runs are many.
    "options": "-c jit=off",
    "connect_timeout": 2,  # seconds; libpq takes no less
    # Of a host that is gone the kernel learns by asking; by itself it asks after two hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds until what was sent counts as lost
}


def read_text(name: str, default: str = "") -> str:
    """Return the variable without surrounding blanks; empty counts as not given."""
    return os.environ.get(name, "").strip() or default


def read_flag(name: str, *, default: bool = False) -> bool:
    """Return a yes-or-no variable: 1/0, true/false, yes/no, on/off."""
    text = read_text(name)
    if not text:
        return default
    if text.lower() not in FLAGS:
        raise ImproperlyConfigured(f"{name} is {text!r}; it takes 1 or 0.")
    return FLAGS[text.lower()]


def read_integer(name: str, default: int, *, minimum: int, maximum: int) -> int:
    """Return a whole number between `minimum` and `maximum`, both included."""
    text = read_text(name, str(default))
    if not (text.isascii() and text.isdigit() and minimum <= int(text) <= maximum):
        raise ImproperlyConfigured(
            f"{name} is {text!r}; it takes a whole number from {minimum} to {maximum}."
        )
    return int(text)


def read_choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    """Return one of `choices`."""
    text = read_text(name, default)
    if text not in choices:
        raise ImproperlyConfigured(f"{name} is {text!r}; it takes {' or '.join(choices)}.")
    return text


def read_list(name: str, default: str = "") -> list[str]:
    """Return the comma-separated items, without blanks and empty ones."""
    return [item.strip() for item in read_text(name, default).split(",") if item.strip()]


def read_networks(name: str) -> list[IPv4Network | IPv6Network]:
    """Return comma-separated addresses and networks (`10.0.0.0/8`)."""
    try:
        return [ip_network(item) for item in read_list(name)]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}.") from error


def read_time_zone(name: str, default: str) -> str:
    """Return an IANA time zone name."""
    text = read_text(name, default)
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ImproperlyConfigured(
            f"{name} is {text!r}; it takes an IANA time zone name such as Europe/Istanbul."
        ) from error
    return text


def read_path(name: str, default: Path) -> Path:
    """Return an absolute path, whether or not anything is there."""
    return Path(read_text(name, str(default))).expanduser().absolute()


def read_directory(name: str, default: Path) -> Path:
    """Return a folder that can be written to; made when it is missing, and then for its owner alone."""
    folder = read_path(name, default)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name} is {str(folder)!r}, which cannot be made: {error.strerror}."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ImproperlyConfigured(f"{name} is {str(folder)!r}, which cannot be written to.")
    return folder


def read_database(name: str, embedded: Path) -> dict[str, Any]:
    """Return Django's settings for a `postgres://` or `sqlite:///` URL; without one, SQLite at `embedded`."""
    url = read_text(name, f"sqlite:///{embedded}")
    scheme = url.partition(":")[0]
    if scheme not in {"sqlite", "postgres", "postgresql"}:
        raise ImproperlyConfigured(
            f"{name} starts with {scheme!r}; it takes postgres://user:password@host/name"
            " or sqlite:////absolute/path."
        )
    try:
        database: dict[str, Any] = environ.Env.db_url_config(url)
    except (ValueError, TypeError) as error:
        raise ImproperlyConfigured(f"{name} cannot be read as a database URL.") from error
    database["CONN_MAX_AGE"] = None
    options = database.setdefault("OPTIONS", {})
    if scheme == "sqlite":
        database["ENGINE"] = "config.sqlite3"
        options |= {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",  # deferred transactions fail when two writers meet
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
        return database
    return database | {"ENGINE": "config.postgresql", "OPTIONS": POSTGRESQL_OPTIONS | options}


def read_secret_key(name: str, file: Path | None) -> str:
    """Return the signing key; without one, that of `file`, made on first use (embedded mode)."""
    key = read_text(name)
    if key:
        return key
    if file is None:
        raise ImproperlyConfigured(
            f"{name} is not set; with a DATABASE_URL it is needed: 50 random characters or more,"
            " the same for every process."
        )
    return _read_or_make_key(file)


def read_secrets_keys(name: str, file: Path | None) -> list[str]:
    """Return the keys for secrets, of which the first encrypts and all decrypt; there may be none.

    Without the variable it is the key of `file`, made on first use (embedded mode).
    """
    keys = read_list(name)
    if not keys and file is not None:
        keys = [_read_or_make_key(file)]
    for number, key in enumerate(keys, start=1):
        if len(key) < MIN_SECRETS_KEY:
            raise ImproperlyConfigured(
                f"{name}: key number {number} has {len(key)} characters; it takes keys of"
                f" {MIN_SECRETS_KEY} random characters or more, separated by commas."
            )
    return keys


def _read_or_make_key(file: Path) -> str:
    try:
        # Linked into place whole, so that three processes starting at once read one key.
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        if not file.exists():
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_urlsafe(48))
            try:
                os.link(draft, file)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return file.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"The key in {str(file)!r} cannot be read: {error.strerror}."
        ) from error
