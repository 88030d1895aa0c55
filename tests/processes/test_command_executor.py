"""A program is started with values, and gives back outputs, a log and an end."""

import json
import os
import signal
import stat
from pathlib import Path

import pytest

from processes.executors.base import ProcessFailed
from tests.processes.conftest import RUN_ID, RunScript
from tests.processes.recorder import Recorder


def say(report: Recorder, stream: str = "stdout") -> str:
    return "\n".join(report.lines(stream))


def test_values_arrive_on_standard_input_and_in_a_file(
    run_script: RunScript, report: Recorder
) -> None:
    run_script('cat; echo; cat "$ARABICA_VALUES"', {"name": "Ada ☺", "n": 1.5, "none": None})

    first, second = map(json.loads, report.lines("stdout"))
    assert first == second == {"name": "Ada ☺", "n": 1.5, "none": None}


def test_outputs_are_what_the_command_writes(run_script: RunScript) -> None:
    outputs = run_script("""echo '{"x": [1, {"y": "ç"}], "z": null}' > "$ARABICA_OUTPUTS" """)

    assert outputs == {"x": [1, {"y": "ç"}], "z": None}


@pytest.mark.parametrize("script", ["true", ': > "$ARABICA_OUTPUTS"', 'echo > "$ARABICA_OUTPUTS"'])
def test_command_without_outputs_succeeds(run_script: RunScript, script: str) -> None:
    assert run_script(script) == {}


def test_arguments_pass_through_no_shell(run_script: RunScript, report: Recorder) -> None:
    run_script('printf "%s\\n" "$@"', None, "a b", "$HOME", ";", "*", "", "ç")

    assert report.lines("stdout") == ["a b", "$HOME", ";", "*", "", "ç"]


def test_what_is_printed_is_logged_by_stream(run_script: RunScript, report: Recorder) -> None:
    run_script("echo one; echo two >&2; echo; printf three")

    assert report.lines("stdout") == ["one", "", "three"]
    assert report.lines("stderr") == ["two"]


def test_exit_code_fails_the_run_with_the_last_line_of_standard_error(
    run_script: RunScript,
) -> None:
    with pytest.raises(ProcessFailed) as failure:
        run_script("echo first >&2; echo 'No paper.' >&2; echo >&2; exit 3")

    assert str(failure.value) == ("The command ended with exit code 3. The last it said: No paper.")
    assert (failure.value.exit_code, failure.value.signal) == (3, "")


def test_signal_fails_the_run_by_its_name(run_script: RunScript) -> None:
    with pytest.raises(ProcessFailed, match=r"^The command was killed by SIGSEGV\.$") as failure:
        run_script("kill -SEGV $$")

    assert (failure.value.exit_code, failure.value.signal) == (None, "SIGSEGV")


def test_environment_holds_nothing_of_the_worker(
    run_script: RunScript, report: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SECRET_KEY", "DATABASE_URL", "CELERY_BROKER_URL", "OTHER"):
        monkeypatch.setenv(name, "do not tell")

    run_script("exec env -0", environment={"COLOUR": "blue", "LANG": "C"})

    told = dict(entry.split("=", 1) for entry in say(report).split("\N{NULL}") if entry)
    assert set(told) == {
        *("PATH", "TZ", "LANG", "LC_ALL", "HOME", "TMPDIR", "COLOUR"),
        *("ARABICA_RUN_ID", "ARABICA_ATTEMPT", "ARABICA_VALUES", "ARABICA_OUTPUTS"),
        *("ARABICA_PROGRESS", "PWD"),  # the last one is the shell's
    }
    assert (told["COLOUR"], told["LANG"], told["LC_ALL"]) == ("blue", "C", "C.UTF-8")
    assert (told["ARABICA_RUN_ID"], told["ARABICA_ATTEMPT"]) == (str(RUN_ID), "2")
    assert "do not tell" not in say(report)


def test_working_directory_is_its_own_and_empty(run_script: RunScript, report: Recorder) -> None:
    run_script('pwd; echo "$HOME"; echo "$TMPDIR"; ls -A; umask; : > made; stat -c %a . made')

    here, home, temporary, *rest = report.lines("stdout")
    assert here == home == temporary
    assert rest == ["0077", "700", "600"]


def test_only_the_standard_descriptors_are_open(run_script: RunScript, report: Recorder) -> None:
    run_script("#!/usr/bin/env -S ls /proc/self/fd")

    # Listing the folder takes a descriptor itself.
    assert [line for line in report.lines("stdout") if line.isdigit()] == ["0", "1", "2", "3"]


def test_signals_are_treated_as_usual(run_script: RunScript, report: Recorder) -> None:
    run_script("grep -E '^Sig(Blk|Ign)' /proc/self/status")

    masks = [int(line.split()[1], 16) for line in report.lines("stdout")]
    # No program can treat the C library's own signals, 32 and 33; they are as they were inherited.
    ours = sum(1 << (number - 1) for number in signal.valid_signals())
    assert [mask & ours for mask in masks] == [0, 0]


def test_program_that_is_none_is_told(run_script: RunScript) -> None:
    with pytest.raises(ProcessFailed, match=r"could not be started: No such file"):
        run_script("#!/nowhere/at/all")


def test_command_that_makes_its_folder_unreadable_leaves_none(run_script: RunScript) -> None:
    run_script("mkdir -p a/b; : > a/b/c; ln -s / link; chmod 0 a/b a")


def test_mode_of_what_a_link_leads_to_is_left(run_script: RunScript, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)

    run_script(f"ln -s {outside} link")

    assert stat.S_IMODE(os.stat(outside).st_mode) == 0o755
