"""Functions are registered under a name, and found by it alone."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from processes import registry
from processes.registry import DuplicateProcess, NotRegistered, UnusableModule, process
from processes.signatures import UnusableProcess


@pytest.fixture(autouse=True)
def nothing_stays_registered() -> Iterator[None]:
    with registry.isolated():
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the import path; what is imported from it is forgotten."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def tidy(depth: int = 1) -> None:
    """Tidy up."""


def test_a_registered_function_is_found_by_its_name() -> None:
    decorated = process(name="Tidy", title="Tidy the desk")(tidy)

    found = registry.get("Tidy")
    assert decorated is tidy
    assert (found.function, found.title, found.description) == (tidy, "Tidy the desk", "Tidy up.")
    assert found.signature.parameters[0].name == "depth"
    assert registry.registered()["Tidy"] is found


def test_a_description_that_is_given_wins_over_the_docstring() -> None:
    process(name="Tidy", description="Clean.")(tidy)

    assert registry.get("Tidy").description == "Clean."


@pytest.mark.parametrize("name", ["tidy", "Tidy ", "tests.processes.test_registry.tidy", ""])
def test_a_name_is_matched_exactly(name: str) -> None:
    process(name="Tidy")(tidy)

    with pytest.raises(NotRegistered, match=f"registered as '{name}'"):
        registry.get(name)


def test_a_name_that_another_function_has_is_refused() -> None:
    def other() -> None: ...

    process(name="Tidy")(tidy)

    with pytest.raises(DuplicateProcess, match=r"'Tidy': .*\.tidy and .*\.other\. Rename one"):
        process(name="Tidy")(other)
    assert registry.get("Tidy").function is tidy


def test_a_module_that_is_imported_again_replaces_its_functions(folder: Path) -> None:
    source = folder / "reloaded_processes.py"
    source.write_text(MODULE)
    registry.load(["reloaded_processes"])
    before = registry.get("FromModule").function

    importlib.reload(sys.modules["reloaded_processes"])

    assert registry.get("FromModule").function is not before


@pytest.mark.parametrize(
    "name", ["", "x" * 201, "a\nb", "a\0", "\x7f", "\ud800"], ids=lambda name: ascii(name[:8])
)
def test_an_unusable_name_is_refused(name: str) -> None:
    with pytest.raises(UnusableProcess, match="cannot be the name of a process"):
        process(name=name)(tidy)


@pytest.mark.parametrize("name", ["x" * 200, "Fatura öde 2", "a/b?"])
def test_any_other_name_is_taken(name: str) -> None:
    process(name=name)(tidy)

    assert registry.get(name).name == name


def test_what_is_registered_cannot_be_changed_from_outside() -> None:
    with pytest.raises(TypeError):
        registry.registered()["Tidy"] = None  # type: ignore[index]  # the case


def test_an_isolated_registration_is_undone() -> None:
    process(name="Kept")(tidy)

    with registry.isolated():
        process(name="Tidy")(tidy)

    assert "Kept" in registry.registered()
    assert "Tidy" not in registry.registered()


MODULE = """
from processes.registry import process

@process(name="FromModule")
def from_module() -> None: ...
"""


def test_loading_a_module_registers_its_processes(folder: Path) -> None:
    (folder / "loaded_processes.py").write_text(MODULE)

    registry.load(["loaded_processes"])

    assert registry.get("FromModule").function.__module__ == "loaded_processes"


@pytest.mark.parametrize(
    ("module", "source", "message"),
    [
        (
            "absent_processes",
            None,
            "No module named 'absent_processes'. Put the folder that holds it on PYTHONPATH.",
        ),
        (
            "absent_package.processes",
            None,
            "No module named 'absent_package'. Put the folder that holds it on PYTHONPATH.",
        ),
        (
            "needy",
            "import absent_library",
            "No module named 'absent_library', which it imports. Install it where Arabica runs.",
        ),
        (
            "needy_absent",
            "import needy",
            "No module named 'needy', which it imports. Install it where Arabica runs.",
        ),
        ("raising", "1 / 0", "ZeroDivisionError: division by zero."),
        ("quiet", "raise ValueError", "ValueError."),
        ("leaving", "import sys; sys.exit(3)", "SystemExit: 3."),
        ("broken", "def", "SyntaxError: invalid syntax (broken.py, line 1)."),
        (
            "unusable",
            MODULE.replace("from_module()", "from_module(x)"),
            "UnusableProcess: unusable.from_module: the parameter 'x' has no annotation",
        ),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_in_one_sentence(
    folder: Path, module: str, source: str | None, message: str
) -> None:
    if source is not None:
        (folder / f"{module}.py").write_text(source)

    with pytest.raises(UnusableModule) as refusal:
        registry.load([module])

    assert str(refusal.value).startswith(f"PROCESS_MODULES: cannot import {module!r}: {message}")
