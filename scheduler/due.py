"""What becomes of due fire times: misfire, pause, overlap and run once, decided without a database.

Instants are epoch seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from scheduler.fire_times import FireTimes
from scheduler.models import Fire, Schedule

ON_TIME_SECONDS = 60
MAX_CAUGHT_UP = 100
MAX_SINGLE_ROWS = 100

Outcome = Fire.Outcome


@dataclass(frozen=True, slots=True)
class Due:
    """A schedule some of whose fire times have come, and everything its policies look at.

    Fire times up to `after` are settled already; those up to `skip_until` are skipped on request.
    `paused_until` None with `is_paused` is a pause without an end. `unfinished` is how many runs
    of the schedule go on.
    """

    fire_times: FireTimes
    after: int
    now: int
    misfire: str = Schedule.Misfire.FIRE_ONCE
    overlap: str = Schedule.Overlap.ALLOW
    run_once: bool = False
    is_paused: bool = False
    paused_until: int | None = None
    pause_reason: str = ""
    skip_until: int | None = None
    skip_reason: str = ""
    runnable: bool = True
    is_enabled: bool = True
    unfinished: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the ledger to be: one fire time, or a stretch of them without a run."""

    first: int
    outcome: str
    reason: str = ""
    last: int | None = None
    count: int = 1


@dataclass(slots=True)
class Decision:
    """The rows to record, those that make a run among them, and the next fire time to wait for."""

    rows: list[Row] = field(default_factory=list)
    next_fire_time: int | None = None
    is_finished: bool = False

    @property
    def runs(self) -> int:
        """How many runs are to be made."""
        return sum(row.outcome == Outcome.RAN for row in self.rows)


def decide(due: Due) -> Decision:
    """Return what becomes of every fire time up to now."""
    decision = Decision()
    for row in _settle(due):
        decision.rows.append(row)
        if due.run_once and row.outcome == Outcome.RAN:
            decision.is_finished = True
            return decision
    if due.is_enabled:
        decision.next_fire_time = due.fire_times.next_after(max(due.now, due.after))
    return decision


def _settle(due: Due) -> Iterator[Row]:
    after = due.after
    for until, outcome, reason in _find_obstacles(due):
        yield from record(due.fire_times, after, until, outcome, reason)
        after = max(after, until)
    yield from _overlap(due, _catch_up(due, after))


def _find_obstacles(due: Due) -> Iterator[tuple[int, str, str]]:
    """Yield until when fire times make no run, with what they are recorded as."""
    if not due.is_enabled:
        reason = _("The schedule was disabled before a beat claimed it.")
        yield due.now, Outcome.MISSED, reason
    if due.skip_until is not None:
        yield min(due.now, due.skip_until), Outcome.SKIPPED_ASKED, due.skip_reason
    if due.is_paused:
        pause_end = due.now if due.paused_until is None else min(due.now, due.paused_until - 1)
        reason = due.pause_reason or _("The schedule is paused.")
        yield pause_end, Outcome.SKIPPED_PAUSED, reason
    if not due.runnable:
        reason = _("The process model is disabled.")
        yield due.now, Outcome.SKIPPED_DISABLED, reason


def _catch_up(due: Due, after: int) -> Iterator[Row]:
    """Yield a row for each fire time; the misfire policy decides when the oldest is late."""
    oldest = due.fire_times.next_after(after)
    if oldest is None or oldest > due.now:
        return
    if due.now - oldest <= ON_TIME_SECONDS:
        yield Row(oldest, Outcome.RAN)
        for fire_time in due.fire_times.take(ON_TIME_SECONDS, after=oldest, until=due.now):
            yield Row(fire_time, Outcome.RAN)
        return
    reason = _("Found %(seconds)d seconds late: no beat claimed it in time.") % {
        "seconds": due.now - oldest
    }
    match due.misfire:
        case Schedule.Misfire.SKIP:
            yield from record(due.fire_times, after, due.now, Outcome.MISSED, reason)
        case Schedule.Misfire.FIRE_ALL:
            caught_up = due.fire_times.take(MAX_CAUGHT_UP, after=after, until=due.now)
            for fire_time in caught_up:
                yield Row(fire_time, Outcome.RAN, reason)
            yield from record(due.fire_times, caught_up[-1], due.now, Outcome.MISSED, reason)
        case _:
            latest = due.fire_times.last_between(after, due.now)
            assert latest is not None  # noqa: S101 - `oldest` is one
            yield from record(due.fire_times, after, latest - 1, Outcome.MISSED, reason)
            yield Row(latest, Outcome.RAN, reason)


def _overlap(due: Due, rows: Iterator[Row]) -> Iterator[Row]:
    """Turn a run into a skip where the overlap policy has no room for it."""
    room = {Schedule.Overlap.SKIP: 1, Schedule.Overlap.QUEUE: 2}.get(Schedule.Overlap(due.overlap))
    unfinished = due.unfinished
    for row in rows:
        if row.outcome != Outcome.RAN or room is None:
            yield row
        elif unfinished < room:
            unfinished += 1
            yield row
        else:
            yield Row(row.first, Outcome.SKIPPED_OVERLAP, explain_overlap(room))


def explain_overlap(room: int) -> str:
    """Return why a fire time was skipped, when so many runs may be unfinished."""
    if room == 1:
        return _("The previous run was not finished.")
    return _("The previous run was not finished, and another one waited for it.")


def record(
    fire_times: FireTimes, after: int, until: int, outcome: str, reason: str
) -> Iterator[Row]:
    """Yield the rows of fire times without a run: one for each, or one stretch for over 100."""
    count = fire_times.count_between(after, until)
    if count <= MAX_SINGLE_ROWS:
        for fire_time in fire_times.take(count, after=after, until=until):
            yield Row(fire_time, outcome, reason)
        return
    first = fire_times.next_after(after)
    assert first is not None  # noqa: S101 - there are over 100
    last = fire_times.last_between(after, until)
    yield Row(first, outcome, reason, last, count)
