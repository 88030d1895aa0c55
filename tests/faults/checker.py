"""Finds what was lost, done twice, unasked for, or told wrongly: journal and plans against the rows.

It knows nothing of how runs are made; it is told what was promised and reads what is stored.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

from processes.models import Run
from scheduler.fire_times import FireTimes
from scheduler.models import Fire, Schedule
from tests.faults.findings import Findings
from tests.faults.journal import FAILED, SUCCEEDED, Attempt, Events


def check_runs(events: Events, expected: Collection[UUID] = ()) -> Findings:
    """Compare the acknowledged runs, those `expected` and all that ever started with the rows.

    To be called when nothing moves any more: what waits without a start then is lost.
    """
    findings = Findings()
    wanted = {*events.acknowledged, *expected, *events.attempts}
    rows = {run.pk: run for run in _read_runs(wanted)}
    for run_id in sorted(wanted):
        attempts = events.of_run(run_id)
        run = rows.get(run_id)
        _check_attempts(attempts, findings)
        if run is None:
            findings.lost.append(f"run {run_id} has no row")
        else:
            _check_status(run, attempts, findings)
    return findings


def _read_runs(ids: Collection[UUID], at_once: int = 500) -> Iterable[Run]:
    ordered = sorted(ids)
    for first in range(0, len(ordered), at_once):
        yield from Run.objects.filter(pk__in=ordered[first : first + at_once])


def _check_attempts(attempts: Sequence[Attempt], findings: Findings) -> None:
    for attempt in attempts:
        if len(attempt.starts) > 1:
            findings.twice.append(
                f"attempt {attempt.number} of run {attempt.run_id} started {len(attempt.starts)}"
                " times"
            )
    for earlier, later in pairwise(attempts):
        if later.starts and min(later.starts) < earlier.last_seen:
            findings.twice.append(
                f"attempt {later.number} of run {later.run_id} began before"
                f" attempt {earlier.number} had ended"
            )


def _check_status(run: Run, attempts: Sequence[Attempt], findings: Findings) -> None:
    last = attempts[-1] if attempts else None
    if last is None and not run.is_finished:
        findings.lost.append(f"run {run.pk} is {run.status} and never started")
    if last and last.number > run.attempt:
        findings.lies.append(f"run {run.pk} counts {run.attempt} attempts of {last.number}")
    problem = _find_lie(run, last)
    if problem:
        findings.lies.append(f"run {run.pk} is {run.status}, but {problem}")


def _find_lie(run: Run, last: Attempt | None) -> str:
    """Return in what the status differs from what the process itself wrote; empty if in nothing."""
    if run.status == Run.Status.SUCCEEDED:
        if last is None or last.outcome != SUCCEEDED:
            return "its last attempt did not succeed"
        if run.outputs != {"token": last.token}:
            return f"its outputs {run.outputs} are not those of its last attempt"
    if run.status == Run.Status.FAILED and run.reason == Run.Reason.PROCESS_FAILED:
        if last is None or last.outcome != FAILED:
            return "its last attempt did not fail"
        if run.message != last.token:
            return f"its message {run.message!r} is not that of its last attempt"
    if run.status == Run.Status.RUNNING and last and last.outcome:
        return "its attempt has ended"
    if run.status == Run.Status.WAITING and last and last.outcome == SUCCEEDED:
        return "an attempt has succeeded"
    return ""


def check_schedule(
    schedule: Schedule,
    *,
    after: int,
    until: int,
    fire_times: FireTimes | None = None,
    by_hand: Collection[UUID] = (),
) -> Findings:
    """Account for every fire time of a plan that lies after `after` and not after `until`.

    The truth is the Quartz plan itself: each of its fire times is named by the ledger exactly once,
    singly or within a stretch of the right count; each row that says *ran* has its run; and no
    run is there that no row names, but those asked for `by_hand`.
    """
    findings = Findings()
    rows = list(Fire.objects.filter(schedule=schedule).order_by("fire_time", "pk"))
    within = [row for row in rows if after < _first(row) <= until]
    _check_ledger(schedule, within, fire_times or schedule.fire_times(), after, until, findings)
    _check_runs_of(schedule, rows, by_hand, findings)
    return findings


def _check_ledger(
    schedule: Schedule,
    rows: Sequence[Fire],
    fire_times: FireTimes,
    after: int,
    until: int,
    findings: Findings,
) -> None:
    seen = after
    for row in rows:
        first, last = _first(row), _last(row)
        if first <= seen:
            findings.twice.append(f"{schedule.pk}: {first} lies in two rows of the ledger")
        elif skipped := fire_times.count_between(seen, first - 1):
            findings.lost.append(f"{schedule.pk}: {skipped} fire times before {first} have no row")
        named = fire_times.count_between(first - 1, last)
        ends = (fire_times.next_after(first - 1), fire_times.last_between(first - 1, last))
        if ends != (first, last):
            findings.unasked.append(f"{schedule.pk}: {first} or {last} is no time of the plan")
        elif named != row.count:
            findings.lies.append(f"{schedule.pk}: a row counts {row.count} of {named} fire times")
        seen = max(seen, last)
    if left := fire_times.count_between(seen, until):
        findings.lost.append(f"{schedule.pk}: the last {left} fire times have no row")


def _check_runs_of(
    schedule: Schedule, rows: Sequence[Fire], by_hand: Collection[UUID], findings: Findings
) -> None:
    runs: dict[UUID, Any] = dict(
        Run.objects.filter(schedule_id=schedule.pk).values_list("pk", "ready_at")
    )
    named = Counter(row.run_id for row in rows if row.run_id)
    for row in rows:
        if row.outcome == Fire.Outcome.RAN and row.run_id not in runs:
            findings.lost.append(f"{schedule.pk}: {row.fire_time} is said to have run; no run")
        if row.outcome != Fire.Outcome.RAN and row.run_id:
            findings.lies.append(f"{schedule.pk}: {row.fire_time} is {row.outcome} and has a run")
    findings.twice += [f"run {run_id} is in {n} rows" for run_id, n in named.items() if n > 1]
    planned = {run_id: at for run_id, at in runs.items() if run_id not in by_hand}
    findings.unasked += [f"no row names run {run_id}" for run_id in planned if run_id not in named]
    times = Counter(planned.values())
    findings.twice += [f"{schedule.pk}: {n} runs for {at}" for at, n in times.items() if n > 1]


def _first(row: Fire) -> int:
    return int(row.fire_time.timestamp())


def _last(row: Fire) -> int:
    return int((row.last_fire_time or row.fire_time).timestamp())
