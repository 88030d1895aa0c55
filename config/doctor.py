"""What an admin has to know about an installation: its settings, what it reaches, what is late."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from urllib.parse import unquote, urlsplit

import tzdata
from celery import current_app
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from config.checks import find_dangers, is_reached_by_others
from config.commands_check import Commands, check_commands, list_commands
from config.secrets_check import check_secrets
from processes.registration import load_processes
from processes.registry import UnusableModule
from scheduler.clock import database_now
from scheduler.deadline import Unanswered, call_within
from scheduler.health import MIGRATE, Check, Level, check_health_soon

# Longer than the five seconds in which a connection to the database gives up by itself.
DATABASE_SECONDS = 6.0
BROKER_SECONDS = 4.0
# Times are compared by the database's clock, but logs and housekeeping turns go by this host's.
CLOCK_DIFFERENCE_LIMIT = timedelta(seconds=2)

START_DATABASE = "Start it, or correct DATABASE_URL."
START_BROKER = "Start it, or correct CELERY_BROKER_URL; until then runs begin only when a node looks by itself."


@dataclass(frozen=True)
class Section:
    """Checks of one kind, under the title that people read."""

    title: str
    checks: list[Check]


@dataclass(frozen=True)
class Database:
    """What a look at the database found."""

    version: str
    missing: list[str]
    clock_ahead: timedelta
    commands: Commands = field(default_factory=list)
    secrets: Check | None = None


def examine() -> Iterator[Section]:
    """Yield what is configured, reachable and late, each as soon as it is known.

    It ends within seconds, whatever is frozen, and no text has a secret in it.
    """
    yield Section("configured", list(_check_settings()))
    database = _look_at_database()
    yield Section("reachable", list(_check_reach(database)))
    if isinstance(database, Database) and not database.missing:
        yield Section("late", check_health_soon().checks)


def _check_settings() -> Iterator[Check]:
    yield Check("database", Level.OK, describe_database())
    yield _check_broker_setting()
    yield Check("zone", Level.OK, f"{settings.TIME_ZONE}, zone rules {_describe_zone_rules()}")
    yield _check_hosts()
    yield _check_https()
    yield Check("proxies", Level.OK, f"trusted: {_join(settings.TRUSTED_PROXIES)}")
    networks = _join(settings.METRICS_ALLOWED_NETWORKS)
    yield Check("metrics", Level.OK, f"open to this machine and to: {networks}")
    yield _check_debug()
    yield from _check_dangers()
    yield _check_processes()


def _check_dangers() -> Iterator[Check]:
    dangers = [
        Check("danger", Level.WARNING, danger.msg, danger.hint or "") for danger in find_dangers()
    ]
    yield from dangers or [Check("dangers", Level.OK, "no setting opens it to others")]


def describe_database() -> str:
    """Return which database it is, without its password."""
    database = settings.DATABASES["default"]
    if connection.vendor == "sqlite":
        return f"SQLite in {database['NAME']}"
    host = f"{database['HOST'] or 'local socket'}:{database['PORT'] or 5432}"
    return f"PostgreSQL at {host}, database {database['NAME']}, user {database['USER']}"


def describe_broker() -> str:
    """Return which broker it is, without user and password."""
    url = urlsplit(settings.CELERY_BROKER_URL)
    if url.scheme == "embedded":
        return f"embedded, in {unquote(url.path[1:])}"
    port = f" port {url.port}" if url.port else ""
    return f"{url.scheme} at {url.hostname or 'its default host'}{port}"


def _check_broker_setting() -> Check:
    if not _is_broker_readable():
        message = "CELERY_BROKER_URL cannot be read as an address"
        remedy = (
            "Write it as redis://host:6379, and / # ? @ : in a password as %2F %23 %3F %40 %3A."
        )
        return Check("broker", Level.ERROR, message, remedy)
    if settings.CELERY_BROKER_URL.startswith("embedded") and not settings.EMBEDDED:
        message = f"{describe_broker()}: it serves the processes of this host only"
        remedy = "Set CELERY_BROKER_URL if web, worker and beat run on several hosts."
        return Check("broker", Level.WARNING, message, remedy)
    return Check("broker", Level.OK, describe_broker())


def _is_broker_readable() -> bool:
    try:
        return urlsplit(settings.CELERY_BROKER_URL).port != 0
    except ValueError:
        return False


def _describe_zone_rules() -> str:
    return f"{tzdata.IANA_VERSION} (package tzdata {version('tzdata')})"


def _check_hosts() -> Check:
    message = (
        f"answers to {_join(dict.fromkeys(settings.ALLOWED_HOSTS))}, listens on {settings.HOST}"
    )
    return Check("hosts", Level.OK, f"{message} port {settings.PORT}")


def _check_https() -> Check:
    if settings.HTTPS:
        return Check("https", Level.OK, "on: plain HTTP is redirected")
    remedy = "Put a server with TLS in front, name it in TRUSTED_PROXIES, and set HTTPS=1."
    if settings.ALLOW_INSECURE_HTTP:
        message = "off, and API credentials are taken over plain HTTP from anywhere"
        return Check("https", Level.WARNING, message, remedy)
    if not is_reached_by_others():
        return Check("https", Level.OK, "off: API credentials are taken from this machine only")
    message = "off: other machines reach the admin over plain HTTP, and the API refuses them"
    return Check("https", Level.WARNING, message, remedy)


def _check_debug() -> Check:
    if settings.DEBUG:
        message = "on: error pages show settings and code to everybody"
        return Check("debug", Level.WARNING, message, "Unset DEBUG.")
    return Check("debug", Level.OK, "off")


def _check_processes() -> Check:
    try:
        load_processes()
    except UnusableModule as error:
        remedy = "Correct PROCESS_MODULES and PYTHONPATH; no worker starts until then."
        return Check("processes", Level.ERROR, str(error), remedy)
    return Check("processes", Level.OK, f"modules of your own: {_join(settings.PROCESS_MODULES)}")


def _check_reach(database: Database | Exception) -> Iterator[Check]:
    yield from _check_database(database)
    if _is_broker_readable():
        yield _check_broker()
    yield _check_static_files()
    if isinstance(database, Database) and database.commands:
        yield check_commands(database.commands)
    if isinstance(database, Database) and database.secrets:
        yield database.secrets


def _look_at_database() -> Database | Exception:
    try:
        return call_within(DATABASE_SECONDS, _ask_database)
    except (Error, Unanswered) as error:
        return error


def _ask_database() -> Database:
    number = ".".join(map(str, connection.get_database_version()))
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    before = time.time()
    moment = database_now().timestamp()
    here = (before + time.time()) / 2
    commands = [] if plan else list_commands()
    return Database(
        version=f"{connection.display_name} {number}",
        missing=[f"{migration.app_label}.{migration.name}" for migration, _ in plan],
        clock_ahead=timedelta(seconds=moment - here),
        commands=commands,
        secrets=None if plan else check_secrets(),
    )


def _check_database(found: Database | Exception) -> Iterator[Check]:
    if isinstance(found, Exception):
        message = f"{describe_database()} does not answer: {_say(found)}"
        yield Check("database", Level.ERROR, message, START_DATABASE)
        return
    yield Check("database", Level.OK, f"{found.version} answers")
    yield _check_migrations(found.missing)
    yield _check_clock(found.clock_ahead)


def _check_migrations(missing: list[str]) -> Check:
    if missing:
        message = f"{len(missing)} not applied, the first is {missing[0]}"
        return Check("migrations", Level.ERROR, message, MIGRATE)
    return Check("migrations", Level.OK, "all are applied")


def _check_clock(ahead: timedelta) -> Check:
    seconds = ahead.total_seconds()
    where = "ahead of" if seconds > 0 else "behind"
    message = f"the database's clock is {abs(seconds):.3f} s {where} this host's"
    if abs(ahead) < CLOCK_DIFFERENCE_LIMIT:
        return Check("clock", Level.OK, message)
    return Check("clock", Level.WARNING, message, "Let both hosts follow the same time server.")


def _check_broker() -> Check:
    try:
        call_within(BROKER_SECONDS, _connect_to_broker)
    except Exception as error:  # each broker's client has exceptions of its own
        message = f"{describe_broker()} does not answer: {_say(error)}"
        return Check("broker", Level.ERROR, message, START_BROKER)
    return Check("broker", Level.OK, "takes connections")


def _connect_to_broker() -> None:
    connection = current_app.connection_for_write(
        settings.CELERY_BROKER_URL,
        connect_timeout=BROKER_SECONDS / 2,
        transport_options={"max_retries": 0},
    )
    with connection:
        connection.connect()


def _check_static_files() -> Check:
    if (settings.STATIC_ROOT / "staticfiles.json").is_file():
        return Check("static files", Level.OK, f"in {settings.STATIC_ROOT}")
    message = f"not in {settings.STATIC_ROOT}: pages of the admin cannot be shown"
    return Check("static files", Level.ERROR, message, "Run `manage.py collectstatic`.")


def _say(error: Exception) -> str:
    """Return what an error says, on one line and without the passwords that could be in it."""
    text = " ".join(str(error).split()) or type(error).__name__
    broker = urlsplit(settings.CELERY_BROKER_URL).password
    secrets = {settings.DATABASES["default"].get("PASSWORD"), broker, unquote(broker or "")}
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return text


def _join(items: object) -> str:
    return ", ".join(map(str, items)) or "none"  # type: ignore[call-overload]  # any list of settings
