"""SECURITY.md names tests that exist, and every check of settings."""

import re
from pathlib import Path

import pytest


@pytest.fixture
def document(project: Path) -> str:
    return (project / "SECURITY.md").read_text()


def test_tests_that_it_names_exist(project: Path, document: str) -> None:
    named = set(re.findall(r"`(tests/[^`]+)`", document))

    assert len(named) > 20
    assert [name for name in sorted(named) if not (project / name).is_file()] == []


def test_commands_that_it_names_exist(project: Path, document: str) -> None:
    named = set(re.findall(r"`make (\w+)`", document))

    targets = set(re.findall(r"(?m)^(\w+):", (project / "Makefile").read_text()))
    assert named
    assert named <= targets


def test_every_threat_has_its_test(document: str) -> None:
    table = document.split("| threat |")[1].split("\n\n")[0].splitlines()[2:]

    assert len(table) > 15
    assert [row for row in table if "`tests/" not in row.split("|")[3]] == []
