"""A configuration that cannot be carried out is told in words, all of it at once."""

from pathlib import Path
from typing import Any

import pytest

from processes.executors.command_configuration import WrongConfiguration, read_configuration


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    folder = tmp_path / "programs"
    (folder / "inner").mkdir(parents=True)
    for name in ("ok", "inner/ok", "plain", "../outside"):
        (folder / name).touch(mode=0o644 if name == "plain" else 0o755)
    (folder / "link").symlink_to("inner/ok")
    (folder / "leading-out").symlink_to("../outside")
    (folder / "inner-out").symlink_to("..")
    (folder / "broken").symlink_to("nowhere")
    return folder


def read_faults(configuration: dict[str, Any], programs: Path) -> list[str]:
    with pytest.raises(WrongConfiguration) as wrong:
        read_configuration(configuration, programs)
    return list(map(str, wrong.value.faults))


@pytest.mark.parametrize("name", ["ok", "inner/ok", "link", "./ok", "inner/../ok"])
def test_program_inside_the_folder_is_found(programs: Path, name: str) -> None:
    command = read_configuration({"argv": [name, "--loud"]}, programs)

    assert command.program == (programs / name).resolve()
    assert command.arguments == [str(command.program), "--loud"]


@pytest.mark.parametrize(
    "name", ["../outside", "leading-out", "inner-out/outside", "/bin/true", "inner/../../outside"]
)
def test_program_outside_the_folder_is_refused(programs: Path, name: str) -> None:
    assert read_faults({"argv": [name]}, programs) == [
        f"The program {name!r} leads out of the folder COMMANDS_DIR, which is {programs}."
    ]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("missing", "There is no program 'missing' in the folder COMMANDS_DIR, which is {folder}."),
        ("broken", "There is no program 'broken' in the folder COMMANDS_DIR, which is {folder}."),
        ("inner", "'inner' in {folder} is no file."),
        ("", "'' in {folder} is no file."),
        (
            "plain",
            "The program 'plain' in {folder} is not executable; `chmod +x` makes it so.",
        ),
    ],
)
def test_program_that_cannot_be_run_is_told(programs: Path, name: str, fault: str) -> None:
    assert read_faults({"argv": [name]}, programs) == [fault.format(folder=programs)]


def test_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    assert read_faults({"argv": ["ok"]}, tmp_path / "nowhere") == [
        f"There is no folder {tmp_path}/nowhere; set COMMANDS_DIR to one."
    ]


ARGV = '\'argv\' takes a list of texts, the program first, such as ["hello.py", "--loud"].'


@pytest.mark.parametrize(
    ("configuration", "faults"),
    [
        ({}, [ARGV]),
        ([], ['It takes a JSON object such as {"argv": ["hello.py"]}.']),
        ({"argv": []}, [ARGV]),
        ({"argv": "ok"}, [ARGV]),
        ({"argv": ["ok", 5]}, [ARGV]),
        ({"argv": ["ok", "a\0b"]}, [ARGV]),
        (
            {"argv": ["ok"], "cwd": "/"},
            ["'cwd' is not known here; what is: argv, environment, limits."],
        ),
        (
            {"argv": ["ok"], "environment": ["A=b"]},
            ["'environment' takes an object of texts by name."],
        ),
        (
            {"argv": ["ok"], "environment": {"A=": "b"}},
            ["'environment' takes texts by name, and no = in a name; see 'A='."],
        ),
        (
            {"argv": ["ok"], "environment": {"A": 5, "HOME": "/", "ARABICA_X": ""}},
            [
                "'environment' takes texts by name, and no = in a name; see 'A'.",
                "'HOME' in 'environment' is set for each run; leave it out.",
                "'ARABICA_X' in 'environment' is set for each run; leave it out.",
            ],
        ),
        ({"argv": ["ok"], "limits": 5}, ["'limits' takes an object of whole numbers by name."]),
        (
            {"argv": ["ok"], "limits": {"memory": 5}},
            [
                "'memory' is no limit; those that are: memory_mb, cpu_seconds, open_files, file_mb,"
                " processes."
            ],
        ),
        (
            {"argv": ["ok"], "limits": {"memory_mb": True, "cpu_seconds": 0, "file_mb": 1.5}},
            [
                "The limit 'memory_mb' takes a whole number from 32 to 1048576.",
                "The limit 'cpu_seconds' takes a whole number from 1 to 604800.",
                "The limit 'file_mb' takes a whole number from 1 to 1048576.",
            ],
        ),
    ],
)
def test_every_fault_is_told(programs: Path, configuration: Any, faults: list[str]) -> None:
    assert read_faults(configuration, programs) == faults
