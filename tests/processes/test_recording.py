"""What a run reports is written in chunks, capped, in order."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from processes import nodes
from processes.execution import claim_run
from processes.models import Run, RunLog
from processes.recording import MAX_LOG_CHARACTERS, TRUNCATED, RunReport
from tests.factories import RunFactory


@pytest.fixture
def run(node: nodes.Node) -> Run:
    """Return a run that is being executed."""
    RunFactory.create()
    run = claim_run(node)
    assert run is not None
    return run


@pytest.fixture
def report(run: Run) -> RunReport:
    """Return its report, which has just written."""
    report = RunReport(run)
    report.flush()
    return report


def read_log(run: Run) -> str:
    return "".join(run.logs.values_list("text", flat=True))


def test_first_line_is_written_at_once(run: Run) -> None:
    RunReport(run).log("begun")

    assert read_log(run) == "begun\n"


def test_lines_within_a_second_are_written_as_one_chunk(run: Run, report: RunReport) -> None:
    for number in range(1000):
        report.log(str(number))
    assert not RunLog.objects.exists()

    report.flush()

    assert RunLog.objects.get().text == "".join(f"{number}\n" for number in range(1000))


def test_lines_are_written_once_a_second_is_over(
    run: Run, report: RunReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    report.log("one")
    monkeypatch.setattr(report, "_next_write", 0.0)

    report.log("two")

    assert read_log(run) == "one\ntwo\n"


def test_streams_keep_their_order(run: Run, report: RunReport) -> None:
    report.log("first")
    report.log("second", "stdout")
    report.log("third")

    report.flush()

    rows = RunLog.objects.values_list("attempt", "sequence", "stream", "text")
    assert list(rows) == [
        (1, 1, "log", "first\n"),
        (1, 2, "stdout", "second\n"),
        (1, 3, "log", "third\n"),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["x" * (2 * MAX_LOG_CHARACTERS)], id="one long line"),
        pytest.param(["x" * 1000] * 2000, id="many lines"),
        pytest.param([""] * (2 * MAX_LOG_CHARACTERS), id="empty lines"),
    ],
)
def test_log_beyond_the_limit_is_cut_and_says_so(
    run: Run, report: RunReport, lines: list[str]
) -> None:
    for line in lines:
        report.log(line)
    report.log("more")
    report.flush()

    text = read_log(run)
    assert text.endswith(f"{TRUNCATED}\n")
    assert text.count(TRUNCATED) == 1
    kept = len(text) - len(TRUNCATED) - 2
    assert MAX_LOG_CHARACTERS - 1000 <= kept <= MAX_LOG_CHARACTERS


def test_chunk_that_was_written_just_before_the_connection_broke_is_no_fault(
    run: Run, report: RunReport
) -> None:
    report.log("one")
    RunLog.objects.create(run=run, attempt=1, sequence=1, stream="log", text="one\n")

    report.flush()
    report.log("two")
    report.flush()

    assert read_log(run) == "one\ntwo\n"


@pytest.mark.django_db(transaction=True)
def test_log_of_a_run_that_is_gone_is_dropped(run: Run, report: RunReport) -> None:
    Run.objects.all().delete()
    report.log("nobody reads this")

    report.flush()

    with CaptureQueriesContext(connection) as queries:
        report.flush()
    assert not queries.captured_queries


def test_progress_is_written_at_most_once_a_second_and_at_its_end(
    run: Run, report: RunReport
) -> None:
    progress = Run.objects.values_list("progress_done", "progress_total")
    report.progress(1, 3)
    before = progress.get()

    report.progress(3, 3)

    assert (before, progress.get()) == ((None, None), (3.0, 3.0))


@pytest.mark.parametrize(
    ("done", "total"),
    [(float("nan"), 1), (1, float("inf")), (10**400, None), ("half", None)],
    ids=["nan", "infinity", "huge", "text"],
)
def test_progress_that_is_no_finite_number_is_left_out(
    run: Run, done: float, total: float | None
) -> None:
    RunReport(run).progress(done, total)

    run.refresh_from_db()
    assert (run.status, run.progress_done, run.progress_total) == ("RUNNING", None, None)


def test_progress_of_a_lost_lease_is_refused(run: Run) -> None:
    Run.objects.update(lease_token="0199c0de-0000-7000-8000-000000000001")

    RunReport(run).progress(1, 3)

    run.refresh_from_db()
    assert run.progress_done is None
