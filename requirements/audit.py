"""Look at the pinned packages: are they the installed ones, withdrawn, or known to be vulnerable?

python requirements/audit.py              everything has to be checked, and right
python requirements/audit.py --offline-ok what cannot be reached is told, and fails nothing
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).resolve().parent
LISTS = ("base", "production", "dev")
INSTALLED = "dev"
# Has had advisories for years: a service that knows none of them has not been asked at all.
KNOWN_TO_BE_VULNERABLE = "django==3.2"
PATIENCE = 600  # seconds


class NotChecked(Exception):
    """Nobody answered, so nothing is known; that is no good news."""


def main() -> int:
    """Print what was found; return 1 for anything wrong, or not known unless that is allowed."""
    offline_ok = "--offline-ok" in sys.argv[1:]
    failed = False
    for title, check in (
        ("pins", check_pins),
        ("withdrawn versions", check_index),
        ("advisories", check_advisories),
    ):
        try:
            findings = list(check())
        except NotChecked as reason:
            failed |= not offline_ok
            print(f"{title}: ***** NOT CHECKED ***** {reason}")
            continue
        failed |= bool(findings)
        print(f"{title}: {'; '.join(findings) or 'right'}")
    return int(failed)


def check_pins() -> Iterator[str]:
    """Yield what differs between the lists, what they were made from, and what is installed."""
    lists = {name: list(read_requirements(f"{name}.txt")) for name in LISTS}
    pins = {name: dict(map(read_pin, requirements)) for name, requirements in lists.items()}
    for name in LISTS:
        wanted = {canonicalize_name(one.name) for one in read_requirements(f"{name}.in")}
        yield from (
            f"{package} is in {name}.in and not pinned" for package in wanted - set(pins[name])
        )
        yield from (
            f"{package} is {pinned} in base and {pins[name].get(package)} in {name}"
            for package, pinned in pins["base"].items()
            if pins[name].get(package) != pinned
        )
    yield from compare_with_installed(lists[INSTALLED])


def compare_with_installed(requirements: list[Requirement]) -> Iterator[str]:
    """Yield each package of this platform that is not installed as pinned."""
    for requirement in requirements:
        if requirement.marker and not requirement.marker.evaluate():
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            installed = "missing"
        if not requirement.specifier.contains(installed, prereleases=True):
            yield f"{requirement.name} is pinned as {requirement.specifier} and is {installed}"


def read_requirements(file: str) -> Iterator[Requirement]:
    """Yield what a list names itself."""
    for line in (FOLDER / file).read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text and not text.startswith("-"):
            yield Requirement(text)


def read_pin(requirement: Requirement) -> tuple[str, str]:
    """Return name and version; a version that is not exact is said as it is."""
    return canonicalize_name(requirement.name), str(requirement.specifier).removeprefix("==")


def check_index() -> Iterator[str]:
    """Yield the pinned versions that their authors have withdrawn from the index."""
    files = [argument for name in LISTS for argument in ("-r", f"{name}.txt")]
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        # Isolated: a folder of wheels in this host's own configuration knows of no withdrawals.
        done = run(
            *(
                "-m",
                "pip",
                "--isolated",
                "install",
                "--dry-run",
                "--ignore-installed",
                "--no-deps",
                "--quiet",
            ),
            *("--disable-pip-version-check", "--report", report.name, *files),
        )
        if done.returncode:
            raise NotChecked(f"pip said: {last_line(done.stderr)}")
        yield from judge_report(json.loads(Path(report.name).read_text()))


def judge_report(report: dict[str, Any]) -> Iterator[str]:
    """Yield the withdrawn packages of pip's report."""
    for package in report["install"]:
        if package["is_yanked"]:
            metadata = package["metadata"]
            yield f"{metadata['name']} {metadata['version']} was withdrawn by its authors"


def check_advisories() -> Iterator[str]:
    """Yield each known vulnerability, and each package about which the service says nothing."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as control:
        control.write(KNOWN_TO_BE_VULNERABLE)
        control.flush()
        require_answer(ask_service(control.name))
    yield from judge_audit(ask_service("dev.txt", "production.txt"))


def ask_service(*files: str) -> dict[str, Any]:
    """Return the answer of pip-audit about the pins of some lists."""
    named = [argument for file in files for argument in ("-r", file)]
    done = run(
        *("-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off"),
        *("--format", "json", *named),
    )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise NotChecked(f"pip-audit said: {last_line(done.stderr)}") from error
    return answer


def require_answer(answer: dict[str, Any]) -> None:
    """Raise NotChecked unless the service knows what everybody knows."""
    if not any(package.get("vulns") for package in answer["dependencies"]):
        raise NotChecked(
            f"The advisory service cannot be asked from here: it knows nothing of"
            f" {KNOWN_TO_BE_VULNERABLE}. Run `make audit` where it can be reached."
        )


def judge_audit(answer: dict[str, Any]) -> Iterator[str]:
    """Yield the vulnerable and the skipped packages of an answer."""
    for package in answer["dependencies"]:
        if "skip_reason" in package:
            yield f"{package['name']} was skipped ({package['skip_reason']})"
        for found in package.get("vulns", ()):
            mended = " or ".join(found["fix_versions"]) or "no version yet"
            yield f"{package['name']} {package['version']} has {found['id']}, mended in {mended}"


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a module of this environment in the folder of the lists."""
    return subprocess.run(  # noqa: S603 - modules of this environment
        [sys.executable, *arguments],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def last_line(text: str) -> str:
    """Return the last line that says something."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "nothing")


if __name__ == "__main__":
    sys.exit(main())
