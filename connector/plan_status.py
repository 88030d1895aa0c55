"""Where a plan stands, as a status call answers it: its runs, its next run, and what holds it up."""

from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from connector.run_status import describe_run, describe_wait, name_outputs
from processes.models import Run
from processes.models.runs import RunQuerySet
from processes.waiting import explain_waits
from scheduler.clock import database_now
from scheduler.fire_times import to_datetime
from scheduler.models import Fire, Schedule
from scheduler.switching import next_run_time

MAX_RUNS = 1_000
MAX_ERROR = 200


def describe_plan(schedule: Schedule) -> dict[str, Any]:
    """Return the answer for a plan, in a number of statements that its runs do not change."""
    plan = _Plan(schedule)
    return plan.describe_state() | {"runs": plan.list_runs(), "nextRun": plan.show(plan.next_run)}


def runs_of(schedule_id: UUID) -> RunQuerySet:
    """Return the runs of a plan, newest first; values and outputs may be long and are left out."""
    runs = Run.objects.filter(schedule_id=schedule_id).select_related("process_model", "worker")
    return runs.defer("values", "outputs").order_by("-id")


def find_next_run(schedule: Schedule, now: datetime) -> datetime | None:
    """Return the next fire time that makes a run, as things stand; None when there is none.

    That leaves out what is to be skipped and what lies in a pause. One that no beat has claimed
    yet may be past.
    """
    due = next_run_time(schedule) if schedule.periodic_task.enabled else None
    if due is None or not schedule.is_paused_at(now):
        return due
    if schedule.paused_until is None:
        return None
    paused_up_to = int(schedule.paused_until.timestamp()) - 1
    if due.timestamp() > paused_up_to:
        return due
    following = schedule.fire_times().next_after(paused_up_to)
    return None if following is None else to_datetime(following)


class _Plan:
    """A schedule with its newest runs, read once."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.zone = ZoneInfo(schedule.time_zone)
        self.now = database_now()
        self.next_run = find_next_run(schedule, self.now)
        self.runs = list(runs_of(schedule.pk)[:MAX_RUNS])
        self.live = self._find_live()
        known = [*self.runs, self.live] if self.live else self.runs
        waiting = [run for run in known if run.status == Run.Status.WAITING]
        self._waits = explain_waits(waiting, now=self.now)

    def show(self, moment: datetime | None) -> str | None:
        """Return a moment with the offset of the plan's zone."""
        return None if moment is None else moment.astimezone(self.zone).isoformat()

    def describe_state(self) -> dict[str, Any]:
        """Return status and message, and the outputs of the run that decides them.

        A live run decides; else what holds the plan up; else the run that finished last.
        """
        run = self.live
        if run is None:
            obstacle = self._explain_obstacle()
            if obstacle:
                return _waiting(obstacle)
            run = self._find_finished()
        if run is not None:
            return {"status": run.status, "message": self._describe(run)} | name_outputs(run)
        if self.next_run is None and not self._is_being_enabled():
            message = f"Your transaction has expired: {self._explain_expiry()}."
            return {"status": "EXPIRED", "message": message}
        return _waiting(self._explain_wait())

    def list_runs(self) -> list[dict[str, Any]]:
        """Return every run, the newest first."""
        fires = Fire.objects.filter(run__in=[run.pk for run in self.runs])
        fire_times = dict(fires.values_list("run", "fire_time")) if self.runs else {}
        return [
            {
                "robustaSpid": str(run.pk),
                "status": run.status,
                "message": self._describe(run),
                "fireTime": self.show(fire_times.get(run.pk)),
                "startedAt": self.show(run.started_at),
                "finishedAt": self.show(run.finished_at),
            }
            for run in self.runs
        ]

    def _find_live(self) -> Run | None:
        """Return the newest unfinished run; an old one may go on behind all those that are shown."""
        for run in self.runs:
            if not run.is_finished:
                return run
        if len(self.runs) < MAX_RUNS:
            return None
        older = runs_of(self.schedule.pk).unfinished().order_by()[:MAX_RUNS]
        return max(older, key=attrgetter("pk"), default=None)

    def _find_finished(self) -> Run | None:
        finished = [(run.finished_at, run.pk, run) for run in self.runs if run.finished_at]
        return max(finished)[-1] if finished else None

    def _describe(self, run: Run) -> str:
        return describe_run(run, lambda run: self._waits[run.pk])

    def _explain_obstacle(self) -> str:
        """Return what keeps the plan from making runs until somebody acts; empty when nothing does."""
        schedule = self.schedule
        if schedule.error:
            return f"its plan was stopped by an error: {schedule.error.splitlines()[0][:MAX_ERROR]}"
        if not schedule.periodic_task.enabled:
            return "" if self._has_run_once() else "its plan is disabled"
        return self._explain_pause() if schedule.is_paused_at(self.now) else ""

    def _has_run_once(self) -> bool:
        """Tell whether the beat itself disabled the plan, because its only run has been made."""
        if not self.schedule.periodic_task.one_off:
            return False
        return self.schedule.fires.filter(outcome=Fire.Outcome.RAN).exists()

    def _explain_pause(self) -> str:
        schedule = self.schedule
        until = f" until {self._clock(schedule.paused_until)}" if schedule.paused_until else ""
        reason = f" ({schedule.pause_reason})" if schedule.pause_reason else ""
        return f"its plan is paused since {self._clock(schedule.paused_at)}{until}{reason}"

    def _is_being_enabled(self) -> bool:
        """Tell whether the plan was enabled in bulk a moment ago and no beat has armed it yet."""
        return self.schedule.periodic_task.enabled and not self.schedule.was_enabled

    def _explain_wait(self) -> str:
        if self.next_run is None:
            return "its plan has just been enabled"
        if self.next_run <= self.now:
            return f"its run was due at {self._clock(self.next_run)} and no beat has claimed it yet"
        return f"its next run is due at {self._clock(self.next_run)}"

    def _explain_expiry(self) -> str:
        created = self.schedule.created_at
        if self.schedule.fire_times().next_after(int(created.timestamp())) is None:
            return (
                "its plan never fires, since it had no fire time to come when it was saved at"
                f" {self._clock(created)}"
            )
        last = self.schedule.fires.newest_first().first()
        if last is None:
            return "its plan ended without a run"
        if last.outcome == Fire.Outcome.RAN:
            return "its plan has ended and its runs are no longer kept"
        return (
            "its plan ended without a run; of its last fire time,"
            f" {self._clock(last.last_fire_time or last.fire_time)}, the ledger says:"
            f" {last.reason.rstrip('.')}"
        )

    def _clock(self, moment: datetime | None) -> str:
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M:%S %Z}" if moment else ""


def _waiting(reason: str) -> dict[str, Any]:
    return {"status": Run.Status.WAITING, "message": describe_wait(reason)}
