"""A command that prints without end is drained, and little of it is kept."""

import sys

import pytest

from processes.executors.base import ProcessFailed
from processes.executors.output_lines import MAX_LINE, MORE
from processes.models import Run, RunLog
from processes.recording import MAX_LOG_CHARACTERS, TRUNCATED, RunReport
from tests.factories import RunFactory
from tests.processes.conftest import RunScript
from tests.processes.recorder import Recorder

SIZE = 50_000_000


def test_long_line_is_logged_in_pieces(run_script: RunScript, report: Recorder) -> None:
    run_script(f"head -c {2 * MAX_LINE + 5} /dev/zero | tr '\\0' x; echo; echo next")

    assert report.lines("stdout") == ["x" * MAX_LINE + MORE] * 2 + ["xxxxx", "next"]


def test_characters_are_never_cut(run_script: RunScript, report: Recorder) -> None:
    run_script(
        f"#!{sys.executable}\nimport sys\nsys.stdout.buffer.write('aç☺'.encode() * {10 * MAX_LINE})"
    )

    assert "".join(report.lines("stdout")).replace(MORE, "") == "aç☺" * (10 * MAX_LINE)


def test_bytes_that_are_no_text_are_replaced(run_script: RunScript, report: Recorder) -> None:
    run_script("printf 'a\\377b\\0c\\303'")

    assert report.lines("stdout") == ["a\ufffdb\0c\ufffd"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "script",
    [
        f"head -c {SIZE} /dev/zero | tr '\\0' x",
        f"yes | head -c {SIZE}",
        f"head -c {SIZE} /dev/zero >&2",
        f"head -c {SIZE} /dev/urandom",
    ],
    ids=["one line", "lines", "NUL", "binary"],
)
def test_log_is_capped_and_marked_and_the_command_ends(run_script: RunScript, script: str) -> None:
    run = RunFactory.create(running=True)
    report = RunReport(Run.objects.get(pk=run.pk))

    run_script(f"{script}; echo the end >&2", told=report)

    report.flush()
    kept = "".join(RunLog.objects.values_list("text", flat=True))
    assert MAX_LOG_CHARACTERS * 0.9 < len(kept) <= MAX_LOG_CHARACTERS + len(TRUNCATED) + 2
    assert kept.endswith(TRUNCATED + "\n")
    assert RunLog.objects.count() < 200


def test_last_line_is_known_although_the_log_is_full(
    run_script: RunScript, report: Recorder
) -> None:
    report.is_full = True

    with pytest.raises(ProcessFailed, match=r"The last it said: No paper\.$"):
        run_script("yes | head -c 1000000 >&2; echo No paper. >&2; exit 1")

    assert report.logged == []


def test_last_line_is_cut(run_script: RunScript) -> None:
    with pytest.raises(ProcessFailed) as failure:
        run_script("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1")

    assert str(failure.value).endswith("x" * 500 + MORE)
    assert len(str(failure.value)) < 600
