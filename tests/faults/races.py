"""What a schedule was told and when, and whether its runs and its ledger agree with that.

A change takes effect at some moment between its call and its return. A fire time inside that
window may go by the state before or by the one after it; outside only one of them is possible.
Moments are epoch seconds of the machine's clock, which is the database's too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django_celery_beat.models import PeriodicTask

from processes.models import Run
from scheduler.fire_times import FireTimes
from scheduler.models import Fire, Schedule
from scheduler.planning import BELL_TASK
from tests.faults.findings import Findings

Outcome = Fire.Outcome
CLOCK_STEP = 0.001  # seconds; SQLite's clock shows no less
DISABLE_IN_BULK = "disable in bulk"


@dataclass(frozen=True)
class State:
    """How a schedule stands; `plan` is a number that its values carry into its runs."""

    plan: int
    fire_times: FireTimes
    enabled: bool = True
    paused: bool = False
    deleted: bool = False

    def names(self, second: int) -> bool:
        """Tell whether the second is a fire time that has to be accounted for."""
        return (
            self.enabled and not self.deleted and self.fire_times.next_after(second - 1) == second
        )

    def runs_at(self, second: int, plan: int) -> bool:
        """Tell whether a run of that plan is asked for at this second."""
        return self.names(second) and not self.paused and self.plan == plan


@dataclass(frozen=True)
class Change:
    """One change: how it was made, between which moments, and how the schedule stood after it."""

    kind: str
    called: float
    returned: float
    after: State

    def __str__(self) -> str:
        return f"{self.kind} {self.called:.3f}-{self.returned:.3f}"


@dataclass
class History:
    """A schedule's changes in order; the first is its creation."""

    schedule_id: UUID
    task_id: int
    changes: list[Change] = field(default_factory=list)

    @property
    def state(self) -> State:
        """How the schedule stands after the last change."""
        return self.changes[-1].after

    def note(self, kind: str, called: float, returned: float, **changes: Any) -> None:
        """Add a change."""
        self.changes.append(Change(kind, called, returned, replace(self.state, **changes)))

    def possible_at(self, moment: float) -> list[State]:
        """Return the states that may have been in force: one, or the two around a change."""
        return [
            change.after
            for number, change in enumerate(self.changes)
            if change.called < moment <= self._end_of(number)
        ]

    def first_after(self, moment: float, is_wanted: Callable[[State], bool]) -> float:
        """Return when the first change to a wanted state was called that ended after `moment`."""
        calls = (
            change.called
            for change in self.changes
            if change.returned >= moment and is_wanted(change.after)
        )
        return next(calls, float("inf"))

    def near(self, second: int) -> str:
        """Return the changes about that second, for people."""
        return "; ".join(str(c) for c in self.changes if abs(c.called - second) < 2)

    def _end_of(self, number: int) -> float:
        following = self.changes[number + 1 :]
        return following[0].returned if following else float("inf")


def check_history(history: History, *, until: int) -> Findings:
    """Compare a schedule's runs and ledger with what it was told, up to the second `until`."""
    findings = Findings()
    runs = list(Run.objects.filter(schedule_id=history.schedule_id))
    rows: dict[int, list[Fire]] = {}
    for row in Fire.objects.filter(schedule_id=history.schedule_id).select_related("run"):
        for second in _seconds_of(row, history):
            rows.setdefault(second, []).append(row)
    _check_runs(history, runs, findings)
    if history.state.deleted:
        _check_deleted(history, findings)
        return findings
    # One that comes while the schedule is being made need not exist for it.
    for second in range(int(history.changes[0].returned) + 1, until + 1):
        _check_second(history, second, rows.get(second, []), findings)
    named = {row.run_id for found in rows.values() for row in found}
    findings.unasked += [f"no row names run {run.pk}" for run in runs if run.pk not in named]
    return findings


def _seconds_of(row: Fire, history: History) -> Iterator[int]:
    first = int(row.fire_time.timestamp())
    last = int((row.last_fire_time or row.fire_time).timestamp())
    yield first
    yield from range(first + 1, last + 1)


def _check_runs(history: History, runs: list[Run], findings: Findings) -> None:
    seen: set[int] = set()
    for run in runs:
        second, plan = int(run.ready_at.timestamp()), int(run.values["plan"])
        where = f"{history.schedule_id} at {second} ({history.near(second)})"
        if second in seen:
            findings.twice.append(f"two runs of {where}")
        seen.add(second)
        if not any(state.runs_at(second, plan) for state in history.possible_at(second)):
            findings.unasked.append(f"a run by plan {plan} of {where}")
        made = run.created_at.timestamp()
        possible = history.possible_at(made)
        if all(state.deleted or not state.enabled for state in possible):
            findings.unasked.append(f"a run made at {made:.3f}, when not enabled, of {where}")


def _check_deleted(history: History, findings: Findings) -> None:
    left = [
        Schedule.objects.filter(pk=history.schedule_id).exists(),
        PeriodicTask.objects.filter(pk=history.task_id).exists(),
        Fire.objects.filter(schedule_id=history.schedule_id).exists(),
    ]
    if any(left):
        findings.lies.append(f"deleted {history.schedule_id} left rows behind: {left}")


def _check_second(history: History, second: int, rows: list[Fire], findings: Findings) -> None:
    possible = history.possible_at(second)
    where = f"{history.schedule_id} at {second} ({history.near(second)})"
    if len(rows) > 1:
        findings.twice.append(f"{len(rows)} rows of {where}")
    if not rows and possible and all(state.names(second) for state in possible):
        findings.lost.append(f"no row of {where}")
    if rows and not any(state.names(second) for state in possible):
        if not _was_armed_still(history, second, rows[0]):
            findings.unasked.append(f"a row {rows[0].outcome} of {where}")
    elif rows and not _explains(history, second, rows[0], possible):
        findings.lies.append(f"a row {rows[0].outcome} of {where}")


def _was_armed_still(history: History, second: int, row: Fire) -> bool:
    """Tell whether it is the miss of a schedule disabled in bulk, which no beat had disarmed yet."""
    before = [change for change in history.changes if change.called < second]
    return row.outcome == Outcome.MISSED and before[-1].kind == DISABLE_IN_BULK


def _explains(history: History, second: int, row: Fire, possible: list[State]) -> bool:
    """Tell whether the outcome is one that a possible state, or a change right after it, gives."""
    recorded = row.recorded_at.timestamp() + CLOCK_STEP
    match row.outcome:
        case Outcome.RAN:
            return row.run is not None
        case Outcome.SKIPPED_PAUSED:
            began = history.first_after(second, lambda state: state.paused)
            return any(state.paused for state in possible) or began <= recorded
        case Outcome.MISSED:
            return history.first_after(second, lambda state: not state.enabled) <= recorded
        case _:
            return False


def find_orphans() -> Findings:
    """Return the periodic tasks of schedules that are gone."""
    orphans = PeriodicTask.objects.filter(task=BELL_TASK, plan=None)
    return Findings(lies=[f"orphan {task.name}" for task in orphans])
