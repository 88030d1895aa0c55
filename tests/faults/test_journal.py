"""The journal: lines of many processes at once, read back whole."""

import uuid
from pathlib import Path

from tests.at_once import run_at_once
from tests.faults.journal import SUCCEEDED, Journal


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    journal, run_id = Journal(tmp_path / "journal"), uuid.uuid4()

    journal.acknowledge(run_id)
    journal.begin(run_id, 1)
    journal.go_on(run_id, 1)
    journal.end(run_id, 1, SUCCEEDED, "token")

    events = journal.read()
    assert events.acknowledged == [run_id]
    [attempt] = events.of_run(run_id)
    assert (attempt.outcome, attempt.token) == (SUCCEEDED, "token")
    assert attempt.starts[0] < attempt.last_seen


def test_no_line_is_torn_when_many_write_at_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")

    def write_many() -> None:
        for _ in range(200):
            journal.acknowledge(uuid.uuid4())

    run_at_once(write_many, threads=8)

    assert len(set(journal.read().acknowledged)) == 1600


def test_journal_that_nobody_wrote_to_is_empty(tmp_path: Path) -> None:
    events = Journal(tmp_path / "journal").read()

    assert events.acknowledged == []
    assert events.of_run(uuid.uuid4()) == []
