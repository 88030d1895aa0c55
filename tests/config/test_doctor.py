"""`manage.py doctor` says what is configured, reachable and late, and never a secret."""

import json
import socket
import time
from contextlib import closing
from datetime import timedelta
from io import StringIO
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from config import doctor
from processes.models import ProcessModel
from scheduler.health import Check, Level
from tests.factories import ProcessModelFactory, make_due_schedule
from tests.outage import database_away
from tests.scheduler.test_health import make_live_parts

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def first_start(settings: Any, tmp_path: Path) -> None:
    """Let the embedded mode be as it is after the first start."""
    (tmp_path / "staticfiles.json").write_text("{}")
    settings.STATIC_ROOT = tmp_path
    settings.EMBEDDED = True


def examine() -> dict[str, dict[str, Check]]:
    return {
        section.title: {check.name: check for check in section.checks}
        for section in doctor.examine()
    }


def run(*arguments: str) -> tuple[int, str]:
    """Return exit code and output of the command."""
    output = StringIO()
    try:
        call_command("doctor", *arguments, stdout=output)
    except SystemExit as ended:
        return int(str(ended.code)), output.getvalue()
    return 0, output.getvalue()


def test_installation_that_is_well_has_no_line_in_error() -> None:
    make_live_parts()

    code, text = run()

    assert code == 0, text
    assert [line for line in text.splitlines() if not line.startswith(" ")] == [
        "configured",
        "reachable",
        "late",
    ]
    assert "error" not in text
    assert "\x1b" not in text
    assert "the last beat ticked 0 s ago, 1 beat online" in text
    assert "all are applied" in text
    assert "takes connections" in text


def test_what_is_late_is_in_error_with_a_remedy() -> None:
    make_live_parts()
    make_due_schedule(timedelta(seconds=50))

    code, text = run()

    assert code == 1
    line, remedy = next(
        (line, after)
        for line, after in zip(text.splitlines(), text.splitlines()[1:], strict=False)
        if "fires" in line
    )
    assert line.split()[0] == "error"
    assert "Start another beat" in remedy


def test_json_has_the_same_checks() -> None:
    make_live_parts()

    code, text = run("--json")

    found = json.loads(text)
    assert (code, found["level"]) == (0, "ok")
    assert set(found) == {"level", "configured", "reachable", "late"}
    assert {check["name"] for check in found["late"]} >= {"beat", "worker", "queue", "fires"}
    assert set(found["late"][0]) == {"name", "level", "message", "remedy"}


def test_json_says_the_worst_level() -> None:
    code, text = run("--json")

    assert (code, json.loads(text)["level"]) == (1, "error")


def test_no_secret_is_said(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CELERY_BROKER_URL = "redis://friend:open%2Fsesame@127.0.0.1:1/0"
    settings.SECRET_KEY = "the-signing-key"
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", "swordfish")

    _, text = run()
    broken = doctor._say(ValueError("swordfish open/sesame\nopen%2Fsesame"))

    assert "redis at 127.0.0.1 port 1" in text
    for secret in ("sesame", "friend", "the-signing-key", "swordfish"):
        assert secret not in text
    assert broken == "*** *** ***"


def test_broker_that_refuses_is_in_error(settings: Any) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"

    check = examine()["reachable"]["broker"]

    assert check.level is Level.ERROR
    assert "redis at 127.0.0.1 port 1 does not answer: " in check.message
    assert "refused" in check.message


def test_frozen_broker_does_not_hang_it(settings: Any) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as frozen:  # it takes, and says nothing
        settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{frozen.getsockname()[1]}/0"
        began = time.monotonic()
        check = examine()["reachable"]["broker"]

    assert check.level is Level.ERROR
    assert "does not answer" in check.message
    assert time.monotonic() - began < doctor.BROKER_SECONDS + 2


def test_broker_address_that_cannot_be_read_is_not_repeated(settings: Any) -> None:
    settings.CELERY_BROKER_URL = "redis://friend:open/sesame@127.0.0.1:6379/0"

    found = examine()

    assert found["configured"]["broker"].level is Level.ERROR
    assert "%2F" in found["configured"]["broker"].remedy
    assert "broker" not in found["reachable"]
    assert "open" not in found["configured"]["broker"].message


def test_missing_migration_is_in_error_and_nothing_is_said_to_be_late() -> None:
    newest = MigrationRecorder.Migration.objects.filter(app="scheduler").latest("pk")
    newest.delete()
    try:
        found = examine()
    finally:
        newest.save()

    check = found["reachable"]["migrations"]
    assert check.level is Level.ERROR
    assert check.message == f"1 not applied, the first is scheduler.{newest.name}"
    assert check.remedy == "Run `manage.py migrate`."
    assert "late" not in found


def test_database_that_is_away_is_in_error_with_its_reason() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("reading goes on while another process holds SQLite's write lock")
    with database_away():
        code, text = run()

    assert code == 1
    assert "does not answer: " in text
    assert "refused" in text
    assert "Start it, or correct DATABASE_URL." in text
    assert "\nlate" not in text


def test_missing_static_files_are_in_error(settings: Any, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path / "nothing"

    check = examine()["reachable"]["static files"]

    assert (check.level, check.remedy) == (Level.ERROR, "Run `manage.py collectstatic`.")


@pytest.mark.parametrize(
    ("ahead", "level"),
    [(0.5, Level.OK), (-0.5, Level.OK), (2.5, Level.WARNING), (-3600, Level.WARNING)],
)
def test_clocks_apart_are_a_warning(ahead: float, level: Level) -> None:
    check = doctor._check_clock(timedelta(seconds=ahead))

    assert check.level is level
    assert ("ahead of" if ahead > 0 else "behind") in check.message
    assert f"{abs(ahead):.3f} s" in check.message


@pytest.mark.parametrize(
    ("values", "name", "level"),
    [
        ({"HTTPS": True}, "https", Level.OK),
        ({"HTTPS": False, "HOST": "127.0.0.1"}, "https", Level.OK),
        ({"HTTPS": False, "HOST": "0.0.0.0"}, "https", Level.WARNING),  # noqa: S104 - a setting
        ({"HTTPS": False, "ALLOW_INSECURE_HTTP": True}, "https", Level.WARNING),
        ({"ALLOWED_HOSTS": ["*"]}, "danger", Level.WARNING),
        ({"TRUSTED_PROXIES": [ip_network("0.0.0.0/0")]}, "danger", Level.WARNING),
        ({"SECRET_KEY": "x" * 60}, "danger", Level.WARNING),
        ({"DEBUG": True}, "debug", Level.WARNING),
        ({"EMBEDDED": False}, "broker", Level.WARNING),
        ({"PROCESS_MODULES": ["no_such_module"]}, "processes", Level.ERROR),
    ],
    ids=lambda value: str(value),
)
def test_setting_that_is_risky_is_told(
    settings: Any, values: dict[str, Any], name: str, level: Level
) -> None:
    settings.CELERY_BROKER_URL = "embedded:////tmp/broker.sqlite3"
    for setting, value in values.items():
        setattr(settings, setting, value)

    check = {check.name: check for check in doctor._check_settings()}[name]

    assert check.level is level
    assert bool(check.remedy) is (level is not Level.OK)


def test_zone_and_its_rules_are_named() -> None:
    assert examine()["configured"]["zone"].message.startswith("UTC, zone rules 20")


@pytest.fixture
def programs(settings: Any, tmp_path: Path) -> Path:
    """Return a folder of programs that one command is run from."""
    folder = tmp_path / "programs"
    folder.mkdir(mode=0o755)
    (folder / "greet").touch(mode=0o755)
    settings.COMMANDS_DIR = folder
    ProcessModelFactory.create(name="Greet", executor="command", configuration={"argv": ["greet"]})
    return folder


def test_commands_that_can_be_run_are_told(programs: Path) -> None:
    check = examine()["reachable"]["commands"]

    assert (check.level, check.message) == (Level.OK, f"1 can be run, from {programs}")


def test_nothing_is_said_of_programs_that_nobody_runs(programs: Path) -> None:
    ProcessModel.objects.update(enabled=False)

    assert "commands" not in examine()["reachable"]


@pytest.mark.parametrize(
    ("spoil", "level", "message"),
    [
        (lambda folder: (folder / "greet").chmod(0o644), Level.ERROR, "is not executable"),
        (lambda folder: (folder / "greet").unlink(), Level.ERROR, "Greet: There is no program"),
        (lambda folder: folder.rename(f"{folder}.old"), Level.ERROR, "There is no folder"),
        (lambda folder: folder.chmod(0o777), Level.WARNING, "everybody on this host can change"),
        (lambda folder: (folder / "greet").chmod(0o757), Level.WARNING, "greet, and a worker"),
    ],
    ids=["not executable", "missing", "no folder", "open folder", "open program"],
)
def test_program_that_cannot_be_run_or_trusted_is_told_with_a_remedy(
    programs: Path, spoil: Any, level: Level, message: str
) -> None:
    spoil(programs)

    check = examine()["reachable"]["commands"]

    assert check.level == level
    assert message in check.message
    assert check.remedy
