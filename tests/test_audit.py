"""`make audit` fails on vulnerable, skipped and withdrawn packages, and never takes silence for good news."""

from importlib.metadata import version
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from packaging.requirements import Requirement

from requirements import audit

SAFE = {"name": "django", "version": "5.2.19", "vulns": []}
VULNERABLE = {
    "name": "django",
    "version": "3.2",
    "vulns": [{"id": "PYSEC-2021-1", "fix_versions": ["3.2.1"], "aliases": []}],
}
SKIPPED = {"name": "django", "skip_reason": "Dependency not found"}


def answering(
    monkeypatch: pytest.MonkeyPatch, *packages: dict[str, Any], control: dict[str, Any]
) -> None:
    """Let the advisory service say this of the pins, and that of the control."""

    def ask_service(*files: str) -> dict[str, Any]:
        return {"dependencies": list(packages) if "dev.txt" in files else [control]}

    monkeypatch.setattr(audit, "ask_service", ask_service)
    monkeypatch.setattr(audit, "check_pins", lambda: iter(()))
    monkeypatch.setattr(audit, "check_index", lambda: iter(()))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["audit.py", *arguments])
    return audit.main()


@pytest.mark.parametrize("arguments", [(), ("--offline-ok",)])
@pytest.mark.parametrize(
    ("package", "told"),
    [
        (VULNERABLE, "django 3.2 has PYSEC-2021-1, mended in 3.2.1"),
        (SKIPPED, "django was skipped (Dependency not found)"),
    ],
    ids=["vulnerable", "skipped"],
)
def test_package_that_is_vulnerable_or_skipped_fails(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    package: dict[str, Any],
    told: str,
    arguments: tuple[str, ...],
) -> None:
    answering(monkeypatch, SAFE, package, control=VULNERABLE)

    code = run(monkeypatch, *arguments)

    assert code == 1
    assert told in capsys.readouterr().out


def test_packages_that_the_service_knows_and_finds_nothing_wrong_with_pass(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, SAFE, control=VULNERABLE)

    assert run(monkeypatch) == 0
    assert "advisories: right" in capsys.readouterr().out


@pytest.mark.parametrize("control", [SAFE, SKIPPED], ids=["knows nothing", "skips"])
@pytest.mark.parametrize(("arguments", "code"), [((), 1), (("--offline-ok",), 0)])
def test_service_that_does_not_know_the_control_has_checked_nothing(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    control: dict[str, Any],
    arguments: tuple[str, ...],
    code: int,
) -> None:
    answering(monkeypatch, SAFE, control=control)

    assert run(monkeypatch, *arguments) == code
    assert "advisories: ***** NOT CHECKED *****" in capsys.readouterr().out


def test_service_that_cannot_be_reached_has_checked_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        audit, "run", lambda *arguments: CompletedProcess(arguments, 1, "", "Could not connect")
    )

    with pytest.raises(audit.NotChecked, match="Could not connect"):
        list(audit.check_advisories())
    with pytest.raises(audit.NotChecked, match="Could not connect"):
        list(audit.check_index())


def test_withdrawn_version_is_told() -> None:
    packages = [
        {"is_yanked": yanked, "metadata": {"name": name, "version": "1.0"}}
        for name, yanked in (("good", False), ("bad", True))
    ]

    assert list(audit.judge_report({"install": packages})) == [
        "bad 1.0 was withdrawn by its authors"
    ]


def test_pins_of_this_checkout_are_right() -> None:
    assert list(audit.check_pins()) == []


def test_pins_that_differ_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in audit.LISTS:
        (tmp_path / f"{name}.in").write_text("# why\npytest  # tests\n-r base.in\nDjango>=5.2\n")
        (tmp_path / f"{name}.txt").write_text(f"pytest=={version('pytest')}\n    # via x\n")
    with (tmp_path / "production.txt").open("w") as production:
        production.write("pytest==1.0\n")
    monkeypatch.setattr(audit, "FOLDER", tmp_path)

    assert list(audit.check_pins()) == [
        "django is in base.in and not pinned",
        "django is in production.in and not pinned",
        f"pytest is {version('pytest')} in base and 1.0 in production",
        "django is in dev.in and not pinned",
    ]


def test_package_that_is_missing_or_another_version_is_told() -> None:
    lines = ("pytest==1.0", "no-such-package==2.0", "pywin32==3.0 ; sys_platform == 'win32'")

    assert list(audit.compare_with_installed(list(map(Requirement, lines)))) == [
        f"pytest is pinned as ==1.0 and is {version('pytest')}",
        "no-such-package is pinned as ==2.0 and is missing",
    ]
