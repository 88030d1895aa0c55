"""Settings that open the installation to others: told at each start, and by `manage.py doctor`."""

import stat
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register

from scheduler.addresses import is_loopback

SHORTEST_KEY = 50  # characters, as Django's own check wants it
LEAST_DIFFERENT = 5
# As examples and generators have them; such a key is known to everybody, or made to be changed.
KNOWN_KEYS = ("django-insecure", "put-50-random", "changeme")
GENERATE = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
# A proxy is one host or a few; whole networks of this size are strangers too.
WIDEST = {4: 8, 6: 32}  # bits by version


def find_dangers() -> Iterator[CheckMessage]:
    """Yield what is dangerous in the settings as they are."""
    for look in (_open_http, _wide_proxies, _any_host, _open_debug, _weak_key, _open_files):
        yield from look()


@register(Tags.security)
def check_dangers(**kwargs: Any) -> list[CheckMessage]:
    """Return the dangers as a system check, which every command but `doctor` prints at its start."""
    return list(find_dangers())


def is_reached_by_others() -> bool:
    """Tell whether web listens on more than this machine's own addresses."""
    return not (is_loopback(settings.HOST) or settings.HOST == "localhost")


def _open_http() -> Iterator[CheckMessage]:
    if settings.ALLOW_INSECURE_HTTP and (is_reached_by_others() or settings.TRUSTED_PROXIES):
        yield Warning(
            "API credentials are taken over plain HTTP from other machines.",
            hint="Serve over TLS, set HTTPS=1 and unset ALLOW_INSECURE_HTTP.",
            id="config.W001",
        )


def _wide_proxies() -> Iterator[CheckMessage]:
    wide = [network for network in settings.TRUSTED_PROXIES if _is_wide(network)]
    if wide:
        yield Warning(
            f"TRUSTED_PROXIES has {', '.join(map(str, wide))}: whoever is in there may claim any"
            " address, and TLS.",
            hint="Name the addresses of your proxies alone.",
            id="config.W002",
        )


def _is_wide(network: IPv4Network | IPv6Network) -> bool:
    return network.prefixlen < WIDEST[network.version]


def _any_host() -> Iterator[CheckMessage]:
    if "*" in settings.ALLOWED_HOSTS:
        yield Warning(
            "ALLOWED_HOSTS has *: links and redirects go wherever a request's Host header says.",
            hint="Name the hosts in ALLOWED_HOSTS.",
            id="config.W003",
        )


def _open_debug() -> Iterator[CheckMessage]:
    if settings.DEBUG and is_reached_by_others():
        yield Warning(
            "DEBUG is on and others reach this server: error pages show them settings and code.",
            hint="Unset DEBUG.",
            id="config.W004",
        )


def _weak_key() -> Iterator[CheckMessage]:
    for name, keys in (
        ("SECRET_KEY", [settings.SECRET_KEY]),
        ("SECRET_KEY_FALLBACKS", settings.SECRET_KEY_FALLBACKS),
    ):
        if any(map(_is_weak, keys)):
            yield Warning(
                f"{name} can be guessed: whoever has it makes sessions, and checks stolen digests.",
                hint=f"Set 50 random characters or more, and move the old key to"
                f" SECRET_KEY_FALLBACKS for a while: {GENERATE}",
                id="config.W005",
            )


def _is_weak(key: str) -> bool:
    known = any(key.lower().startswith(beginning) for beginning in KNOWN_KEYS)
    return known or len(key) < SHORTEST_KEY or len(set(key)) < LEAST_DIFFERENT


def _open_files() -> Iterator[CheckMessage]:
    """Look at the embedded mode's files, which hold values of runs and what signs sessions."""
    readable = [path for path in _own_files() if path.exists() and _others_read(path)]
    if readable:
        yield Warning(
            f"Everybody on this host can read {', '.join(map(str, readable))}.",
            hint=f"chmod o-rwx {settings.VAR_DIR}",
            id="config.W006",
        )


def _own_files() -> list[Path]:
    files = ("arabica.sqlite3", "broker.sqlite3", "secret_key", "secrets_key")
    return [settings.VAR_DIR / name for name in files]


def _others_read(path: Path) -> bool:
    """Tell whether the file and every folder above it let everybody in."""
    ways = ((folder, stat.S_IXOTH) for folder in path.resolve().parents)
    return all(_allows(*way) for way in ((path, stat.S_IROTH), *ways))


def _allows(path: Path, bit: int) -> bool:
    return bool(path.stat().st_mode & bit)
