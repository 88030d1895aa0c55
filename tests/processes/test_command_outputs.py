"""What a command leaves as outputs and progress is read within limits, whatever it is."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from processes.executors.base import ProcessFailed, Work
from processes.executors.command_folder import CommandFolder, make_folder
from tests.processes.conftest import RunScript
from tests.processes.recorder import Recorder

NO_FILE = (
    "What the command put in the place of the file ARABICA_OUTPUTS is no regular file that can be"
    " read."
)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("printf '{\"x\": '", "holds no JSON: Expecting value"),
        ("echo '{\"x\": NaN}'", "holds no JSON: NaN is no number of JSON."),
        ("echo '{\"x\": -Infinity}'", "holds no JSON: -Infinity is no number of JSON."),
        ("printf '\\377\\376\\377'", "holds no JSON: "),
        ("head -c 9000 /dev/zero | tr '\\0' '['", "holds no JSON: it is nested too deeply."),
        ("head -c 5000 /dev/zero | tr '\\0' '9'", "holds no JSON: Exceeds the limit"),
        ("echo '[1]'", """takes a JSON object such as {"greeting": "hello"}, not a list."""),
        ("echo '\"x\"'", "not a text."),
        ("echo 5", "not a number."),
        ("echo null", "not null."),
        ("head -c 10001 /dev/zero", "has 10,001 bytes; the limit of the outputs is 10,000 bytes."),
    ],
)
def test_outputs_that_are_no_object_fail_the_run(
    run_script: RunScript, script: str, message: str
) -> None:
    with pytest.raises(ProcessFailed) as failure:
        run_script(f'{script} > "$ARABICA_OUTPUTS"')

    assert message in str(failure.value)


@pytest.mark.parametrize(
    "script",
    [
        'mkfifo "$ARABICA_OUTPUTS"',
        'mkdir "$ARABICA_OUTPUTS"',
        'ln -s /etc/hostname "$ARABICA_OUTPUTS"',
        'ln -s nowhere "$ARABICA_OUTPUTS"',
        'ln -s /dev/zero "$ARABICA_OUTPUTS"',
    ],
)
def test_what_is_no_file_is_not_read(run_script: RunScript, script: str) -> None:
    with pytest.raises(ProcessFailed) as failure:
        run_script(script)

    assert str(failure.value) == NO_FILE


def test_sparse_file_of_a_gigabyte_is_not_read(run_script: RunScript) -> None:
    with pytest.raises(ProcessFailed, match="has 1,073,741,824 bytes"):
        run_script('truncate -s 1G "$ARABICA_OUTPUTS"')


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    with make_folder(tmp_path / "commands", Work(uuid.uuid4(), 1, {}, {})) as folder:
        yield folder


@pytest.mark.parametrize(
    ("written", "progress"),
    [
        ("3 10\n", (3.0, 10.0)),
        ("3", (3.0, None)),
        ("1 10\n2 10\n2.5 10", (2.5, 10.0)),
        ("1 10\n2 x\nnan 10\ninf\n1 2 3\n\n", (1.0, 10.0)),
        ("x" * 100_000 + "\n7 8\n", (7.0, 8.0)),
        ("", None),
        ("nothing", None),
        ("x" * 100_000, None),
    ],
)
def test_progress_is_the_last_line_that_has_numbers(
    folder: CommandFolder, written: str, progress: Any
) -> None:
    folder.progress.write_text(written)

    assert folder.read_progress() == progress


def test_progress_that_is_not_told_or_no_file_is_none(folder: CommandFolder) -> None:
    assert folder.read_progress() is None

    folder.progress.mkdir()

    assert folder.read_progress() is None


def test_progress_is_told_while_the_command_runs(
    run_script: RunScript, report: Recorder, tmp_path: Path
) -> None:
    def progress(done: float, total: float | None) -> None:
        report.progressed.append((done, total))
        (tmp_path / "seen").touch()

    report.progress = progress  # type: ignore[method-assign]  # to answer the script

    run_script(f"""
    echo 1 2 > "$ARABICA_PROGRESS"
    while ! [ -e {tmp_path}/seen ]; do sleep 0.01; done
    echo 2 2 >> "$ARABICA_PROGRESS"
    """)

    assert report.progressed == [(1.0, 2.0), (2.0, 2.0)]
