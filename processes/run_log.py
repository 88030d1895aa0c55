"""Reads the log of a run: its end, what has come since, or all of it; never much at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Length, Substr

from processes.models import Run, RunAttempt, RunLog
from processes.moments import format_moment

MAX_TAIL_CHARACTERS = 200_000
MAX_TAIL_CHUNKS = 1_000
MAX_STEP_CHARACTERS = 64_000
MAX_STEP_CHUNKS = 20
# A chunk is longer only where a process has logged one line that is.
MAX_CHUNK_CHARACTERS = 20_000
CHUNKS_IN_MEMORY = 8


@dataclass(frozen=True, order=True)
class Place:
    """Where a reader of a log is: behind this chunk of this attempt; written "2.17"."""

    attempt: int = 0
    sequence: int = 0

    def __str__(self) -> str:
        return f"{self.attempt}.{self.sequence}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the place that a text names, the beginning if it names none."""
        attempt, _, sequence = text.partition(".")
        numbers = attempt, sequence
        if not all(each.isascii() and each.isdigit() and len(each) < 10 for each in numbers):
            return cls()
        return cls(int(attempt), int(sequence))


@dataclass(frozen=True)
class Piece:
    """Chunks in order, the place behind them, and whether there is more: before or after.

    Each chunk has its beginning in `shown` and its whole length in `size`.
    """

    chunks: list[Any]
    place: Place
    is_cut: bool


def read_tail(run_id: UUID) -> Piece:
    """Return the end of a log; what is cut lies before."""
    newest = _chunks_of(run_id).order_by("-attempt", "-sequence")
    sizes = newest.values_list("attempt", "sequence", Length("text"))[: MAX_TAIL_CHUNKS + 1]
    first, room, is_cut = Place(), MAX_TAIL_CHARACTERS, False
    for number, (attempt, sequence, size) in enumerate(sizes):
        room -= min(size, MAX_CHUNK_CHARACTERS)
        if number and (room < 0 or number == MAX_TAIL_CHUNKS):
            is_cut = True
            break
        first = Place(attempt, sequence)
    before = Place(first.attempt, max(first.sequence - 1, 0))
    chunks = _read_chunks(run_id, before, MAX_TAIL_CHUNKS)
    return Piece(chunks, _behind(chunks, Place()), is_cut)


def read_on(run_id: UUID, place: Place) -> Piece:
    """Return what comes behind `place`, at most a screenful or two; what is cut comes after."""
    found = _read_chunks(run_id, place, MAX_STEP_CHUNKS + 1)
    chunks: list[Any] = []
    room = MAX_STEP_CHARACTERS
    for chunk in found[:MAX_STEP_CHUNKS]:
        room -= min(chunk.size, MAX_CHUNK_CHARACTERS)
        if chunks and room < 0:
            break
        chunks.append(chunk)
    return Piece(chunks, _behind(chunks, place), is_cut=len(chunks) < len(found))


def read_whole(run: Run) -> Iterator[str]:
    """Yield all of a log as text, with a line above and below each attempt."""
    for attempt in run.attempts.all():
        yield f"=== Attempt {attempt.number}, {_describe_start(attempt)} ===\n"
        yield from _read_attempt(run.pk, attempt.number)
        yield f"=== Attempt {attempt.number} {_describe_end(attempt)} ===\n\n"


def _read_attempt(run_id: UUID, number: int) -> Iterator[str]:
    rest = _chunks_of(run_id).filter(attempt=number).order_by("sequence")
    sequence = 0
    while True:
        found = rest.filter(sequence__gt=sequence).values_list("sequence", "text")
        chunks = list(found[:CHUNKS_IN_MEMORY])
        for sequence, text in chunks:  # noqa: B007 - the last one is where the next step begins
            yield text
        if len(chunks) < CHUNKS_IN_MEMORY:
            return


def _describe_start(attempt: RunAttempt) -> str:
    node = f" on node {attempt.node_name}" if attempt.node_name else ""
    return f"begun at {format_moment(attempt.started_at)}{node}"


def _describe_end(attempt: RunAttempt) -> str:
    if attempt.finished_at is None:
        return "has not ended"
    error = f": {attempt.error}" if attempt.error else ""
    return f"{attempt.outcome} at {format_moment(attempt.finished_at)}{error}"


def _chunks_of(run_id: UUID) -> QuerySet[RunLog]:
    return RunLog.objects.filter(run=run_id)


def _read_chunks(run_id: UUID, place: Place, limit: int) -> list[Any]:
    """Return chunks behind `place`: in two steps, each of which the index answers in order."""
    chunks = (
        _chunks_of(run_id)
        .annotate(shown=Substr("text", 1, MAX_CHUNK_CHARACTERS), size=Length("text"))
        .defer("text")
        .order_by("attempt", "sequence")
    )
    here = chunks.filter(attempt=place.attempt, sequence__gt=place.sequence)[:limit]
    found = list(here) if place.attempt else []
    if len(found) < limit:
        found += chunks.filter(attempt__gt=place.attempt)[: limit - len(found)]
    return found


def _behind(chunks: list[Any], place: Place) -> Place:
    return Place(chunks[-1].attempt, chunks[-1].sequence) if chunks else place
