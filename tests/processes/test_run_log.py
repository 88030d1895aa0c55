"""The log of a run is read in order and in bounded pieces: its end, what has come since, all."""

import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pytest_django import DjangoAssertNumQueries

from processes import run_log
from processes.models import Run, RunAttempt, RunLog
from processes.run_log import Piece, Place, read_on, read_tail, read_whole
from tests.factories import RunFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> Run:
    """Return a run of two attempts."""
    return RunFactory.create(succeeded=True, attempt=2)


def write(run: Run, *places: tuple[int, int], text: str = "") -> None:
    RunLog.objects.bulk_create(
        RunLog(
            run=run,
            attempt=attempt,
            sequence=sequence,
            stream="log",
            text=text or f"{attempt}.{sequence}\n",
        )
        for attempt, sequence in places
    )


def texts(piece: Piece) -> list[str]:
    return [chunk.shown.strip() for chunk in piece.chunks]


def test_log_is_read_on_from_a_place_into_the_next_attempts(run: Run) -> None:
    write(run, (1, 1), (1, 2), (2, 1), (2, 2), (3, 1))
    write(RunFactory.create(), (1, 3), (2, 3))

    piece = read_on(run.pk, Place(1, 1))

    assert texts(piece) == ["1.2", "2.1", "2.2", "3.1"]
    assert (piece.place, piece.is_cut) == (Place(3, 1), False)
    assert read_on(run.pk, piece.place) == Piece([], Place(3, 1), False)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        pytest.param("short", "MAX_STEP_CHUNKS", id="many chunks"),
        pytest.param("x" * 16_384, "MAX_STEP_CHARACTERS", id="long chunks"),
    ],
)
def test_piece_is_bounded_and_the_pieces_are_the_log(run: Run, text: str, limit: str) -> None:
    places = [(1, number) for number in range(1, 65)]
    write(run, *places, text=text)
    seen, place, steps = [], Place(), 0

    while True:
        piece = read_on(run.pk, place)
        assert sum(len(chunk.shown) for chunk in piece.chunks) <= run_log.MAX_STEP_CHARACTERS
        assert len(piece.chunks) <= run_log.MAX_STEP_CHUNKS
        seen += [(chunk.attempt, chunk.sequence) for chunk in piece.chunks]
        place, steps = piece.place, steps + 1
        if not piece.is_cut:
            break

    assert seen == places
    assert steps > 3


def test_chunk_of_a_megabyte_is_read_by_its_beginning(run: Run) -> None:
    write(run, (1, 1), text="x" * 1_048_576)
    write(run, (1, 2))

    piece = read_on(run.pk, Place())

    assert texts(piece) == ["x" * run_log.MAX_CHUNK_CHARACTERS, "1.2"]
    assert [chunk.size for chunk in piece.chunks] == [1_048_576, 4]


@pytest.mark.parametrize(("limit", "shown"), [(1_000, 4), (4, 4), (3, 3), (2, 2), (1, 1)])
def test_tail_is_the_end_of_the_log(
    run: Run, monkeypatch: pytest.MonkeyPatch, limit: int, shown: int
) -> None:
    monkeypatch.setattr(run_log, "MAX_TAIL_CHUNKS", limit)
    write(run, (1, 1), (1, 2), (2, 1), (2, 2))

    tail = read_tail(run.pk)

    assert texts(tail) == ["1.1", "1.2", "2.1", "2.2"][-shown:]
    assert (tail.place, tail.is_cut) == (Place(2, 2), shown < 4)


def test_tail_is_bounded_by_its_size(run: Run) -> None:
    write(run, *((1, number) for number in range(1, 65)), text="x" * 16_384)

    tail = read_tail(run.pk)

    assert tail.is_cut
    assert 100_000 < sum(len(chunk.shown) for chunk in tail.chunks) <= run_log.MAX_TAIL_CHARACTERS
    assert tail.chunks[-1].sequence == 64


def test_tail_of_nothing_is_empty(run: Run) -> None:
    assert read_tail(run.pk) == Piece([], Place(), False)


@pytest.mark.parametrize("read", [read_tail, lambda pk: read_on(pk, Place(1, 500))])
def test_pieces_take_a_bounded_number_of_queries(
    run: Run,
    read: Callable[[object], Piece],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    write(run, *((1, number) for number in range(1, 1_001)))

    with django_assert_max_num_queries(3):
        read(run.pk)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("2.17", Place(2, 17)),
        ("0.0", Place()),
        ("", Place()),
        ("x", Place()),
        ("1.-1", Place()),
        ("1.²", Place()),
        (f"{10**30}.1", Place()),
    ],
)
def test_place_that_is_none_is_the_beginning(text: str, place: Place) -> None:
    assert Place.read(text) == place


def test_whole_log_has_lines_around_each_attempt(run: Run) -> None:
    write(run, (1, 1), (2, 1), (2, 2))
    moment = datetime(2026, 3, 2, 12, 0, 5, tzinfo=UTC)
    ended = {"started_at": moment, "finished_at": moment, "node_name": "worker-1@host:7"}
    RunAttempt.objects.create(run=run, number=1, outcome="failed", error="No paper.", **ended)
    RunAttempt.objects.create(run=run, number=2, started_at=moment)

    assert "".join(read_whole(run)) == (
        "=== Attempt 1, begun at 2026-03-02 12:00:05 UTC on node worker-1@host:7 ===\n"
        "1.1\n"
        "=== Attempt 1 failed at 2026-03-02 12:00:05 UTC: No paper. ===\n\n"
        "=== Attempt 2, begun at 2026-03-02 12:00:05 UTC ===\n"
        "2.1\n2.2\n"
        "=== Attempt 2 has not ended ===\n\n"
    )


@pytest.mark.parametrize("count", [7, 8, 9, 16])
def test_whole_log_loses_no_chunk_at_the_edge_of_a_step(run: Run, count: int) -> None:
    RunAttempt.objects.create(run=run, number=1)
    write(run, *((1, number) for number in range(1, count + 1)))

    lines = "".join(read_whole(run)).splitlines()

    assert lines[1:-2] == [f"1.{number}" for number in range(1, count + 1)]


def test_whole_log_is_never_in_memory_at_once(run: Run) -> None:
    for number in range(1, 5):
        RunAttempt.objects.create(run=run, number=number)
        for sequence in range(1, 65):
            write(run, (number, sequence), text="x" * 65_536)

    tracemalloc.start()
    try:
        size = sum(len(text) for text in read_whole(run))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size > 16_000_000
    assert peak < 4_000_000
