"""A setting that opens the installation to others is told at each start."""

import os
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from config.checks import find_dangers
from config.environment import read_directory

GOOD_KEY = "abcdefghij" * 5


@pytest.fixture(autouse=True)
def safe(settings: Any, tmp_path: Path) -> None:
    """Let nothing be dangerous but what a test makes so."""
    settings.VAR_DIR = tmp_path
    settings.SECRET_KEY = GOOD_KEY
    settings.ALLOWED_HOSTS = ["127.0.0.1"]


def ids() -> list[str | None]:
    return [danger.id for danger in find_dangers()]


def test_safe_settings_have_no_danger() -> None:
    assert ids() == []


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"ALLOW_INSECURE_HTTP": True}, []),
        ({"ALLOW_INSECURE_HTTP": True, "HOST": "0.0.0.0"}, ["config.W001"]),  # noqa: S104 - a setting
        (
            {"ALLOW_INSECURE_HTTP": True, "TRUSTED_PROXIES": [ip_network("10.0.0.1")]},
            ["config.W001"],
        ),
        ({"TRUSTED_PROXIES": [ip_network("10.0.0.0/8"), ip_network("fd00::/64")]}, []),
        ({"TRUSTED_PROXIES": [ip_network("0.0.0.0/0")]}, ["config.W002"]),
        ({"TRUSTED_PROXIES": [ip_network("::/0")]}, ["config.W002"]),
        ({"ALLOWED_HOSTS": ["*"]}, ["config.W003"]),
        ({"DEBUG": True}, []),
        ({"DEBUG": True, "HOST": "::"}, ["config.W004"]),
        ({"SECRET_KEY": GOOD_KEY[:-1]}, ["config.W005"]),
        ({"SECRET_KEY": "a" * 60}, ["config.W005"]),
        ({"SECRET_KEY": "django-insecure-" + GOOD_KEY}, ["config.W005"]),
        ({"SECRET_KEY_FALLBACKS": ["short"]}, ["config.W005"]),
    ],
    ids=str,
)
def test_dangerous_setting_is_told(settings: Any, values: dict[str, Any], found: list[str]) -> None:
    for name, value in values.items():
        setattr(settings, name, value)

    assert ids() == found


@pytest.mark.parametrize("name", ["arabica.sqlite3", "broker.sqlite3", "secret_key", "secrets_key"])
def test_file_that_everybody_can_read_is_told(settings: Any, tmp_path: Path, name: str) -> None:
    # Below a folder that lets everybody in, as pytest's own does not.
    folder = Path(f"/tmp/arabica-checks-{os.getpid()}")  # noqa: S108 - removed below
    folder.mkdir(mode=0o755)
    settings.VAR_DIR = folder
    file = folder / name
    file.touch(mode=0o644)
    try:
        assert ids() == ["config.W006"]
        file.chmod(0o640)
        assert ids() == []
        file.chmod(0o644)
        folder.chmod(0o750)
        assert ids() == []
    finally:
        file.unlink()
        folder.rmdir()


def test_folder_that_is_made_is_its_owners_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))

    folder = read_directory("VAR_DIR", tmp_path)

    assert folder.stat().st_mode & 0o777 == 0o700


def test_dangers_are_a_system_check(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]

    assert "config.W003" in [found.id for found in run_checks()]


def test_command_says_them_at_its_start(project: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--plan"],
        cwd=project,
        env={"VAR_DIR": str(tmp_path), "ALLOWED_HOSTS": "*", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "config.W003" in done.stderr
    assert "Name the hosts in ALLOWED_HOSTS." in done.stderr
