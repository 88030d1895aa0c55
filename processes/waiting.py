"""Why a waiting run waits: a stable code, and a sentence people can act on."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import TextChoices
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from processes.clock import database_now
from processes.models import ProcessModel, Run, Worker
from processes.text import make_phrase
from processes.workforce import Crew, Workforce

# Of an attempt; the process model wants another one.
LOST = {Run.Reason.WORKER_LOST, Run.Reason.WORKER_STOPPED}


class WaitCode(TextChoices):
    """What a run waits for; the codes are stable."""

    NOT_DUE = "not_due", _("not due yet")
    RETRY_PENDING = "retry_pending", _("retry pending")
    MODEL_DISABLED = "process_model_disabled", _("process disabled")
    WORKER_DISABLED = "worker_disabled", _("worker disabled")
    WORKER_PAUSED = "worker_paused", _("worker paused")
    WORKER_WITHOUT_NODE = "worker_without_node", _("worker never started")
    WORKER_OFFLINE = "worker_offline", _("worker offline")
    WORKER_DRAINED = "worker_drained", _("worker drained")
    NO_WORKER_ONLINE = "no_worker_online", _("no worker online")
    ALL_WORKERS_PAUSED = "all_workers_paused", _("all workers paused")
    EARLIER_RUN = "earlier_run", _("waits for another run")
    MODEL_LIMIT = "process_model_limit", _("limit of the process")
    WORKER_LIMIT = "worker_limit", _("limit of the worker")
    WORKER_BUSY = "worker_busy", _("worker busy")
    BEING_CLAIMED = "being_claimed", _("about to begin")


@dataclass(frozen=True)
class Wait:
    """Why a run waits; the sentence begins small and has no full stop, to be made part of another."""

    code: WaitCode
    sentence: str


def explain_wait(run: Run) -> Wait:
    """Return why nobody executes the waiting `run` yet; times show their zone."""
    return explain_waits([run])[run.pk]


def explain_waits(runs: Iterable[Run], *, now: datetime | None = None) -> dict[UUID, Wait]:
    """Return by id why each of the waiting `runs` waits, in a number of statements they don't change.

    Of several reasons it is the one that a person has to act on first. `now` is the database's,
    unless given.
    """
    runs = list(runs)
    if not runs:
        return {}
    situation = _look(runs, now or database_now())
    return {run.pk: situation.explain(run) for run in runs}


def _look(runs: list[Run], now: datetime) -> "_Situation":
    awaited = {run.waits_for for run in runs if run.waits_for}
    unfinished = Run.objects.unfinished().filter(pk__in=awaited).values_list("pk", flat=True)
    models = {run.process_model_id for run in runs if run.process_model.max_parallel_runs}
    return _Situation(
        now,
        unfinished=set(unfinished) if awaited else set(),
        rooms=ProcessModel.objects.filter(pk__in=models).count_room() if models else {},
    )


@dataclass(frozen=True)
class _Situation:
    """What is asked for all the runs together."""

    now: datetime
    unfinished: set[UUID]
    rooms: dict[int, int]  # of the process models that have a limit
    workforce: Workforce = field(default_factory=Workforce)

    def explain(self, run: Run) -> Wait:
        return (
            self._explain_time(run)
            or self._explain_obstacle(run)
            or self._explain_order(run)
            or self._explain_queue(run.worker)
        )

    def _explain_time(self, run: Run) -> Wait | None:
        if run.ready_at <= self.now:
            return None
        due = self._clock(run.ready_at)
        if run.reason == Run.Reason.RETRY_PENDING:
            text = f"retry {run.attempt} of {run.retry_count} is due at {due}, after the error:"
        elif run.reason in LOST:
            retries = max(run.retry_count, run.attempt)
            text = f"retry {run.attempt} of {retries} is due at {due}, after a loss:"
        else:
            return Wait(WaitCode.NOT_DUE, f"it is due at {due}")
        return Wait(WaitCode.RETRY_PENDING, f"{text} {make_phrase(run.message)}")

    def _explain_obstacle(self, run: Run) -> Wait | None:
        """Return what somebody has done, or has to do, before it can begin."""
        if not run.process_model.enabled:
            return Wait(
                WaitCode.MODEL_DISABLED, f"process model {run.process_model.name} is disabled"
            )
        if run.worker is None:
            return self._explain_absence()
        return self._explain_state(run.worker)

    def _explain_absence(self) -> Wait | None:
        crews = self.workforce.crews.values()
        if not crews:
            return Wait(WaitCode.NO_WORKER_ONLINE, "no worker is online")
        if not any(crew.can_take for crew in crews):
            text = "all workers that are online are paused, disabled or drained"
            return Wait(WaitCode.ALL_WORKERS_PAUSED, text)
        return None

    def _explain_state(self, worker: Worker) -> Wait | None:
        crew = self.workforce.crews.get(worker.pk)
        if not worker.enabled:
            return Wait(WaitCode.WORKER_DISABLED, f"worker {worker.pk} is disabled")
        if worker.paused_at:
            reason = f" ({make_phrase(worker.pause_reason)})" if worker.pause_reason else ""
            text = f"worker {worker.pk} is paused since {self._clock(worker.paused_at)}{reason}"
            return Wait(WaitCode.WORKER_PAUSED, text)
        if crew is None:
            return self._explain_offline(worker)
        if not crew.can_take:
            text = f"every node of worker {worker.pk} that is online is drained"
            return Wait(WaitCode.WORKER_DRAINED, text)
        return None

    def _explain_offline(self, worker: Worker) -> Wait:
        last_seen = self.workforce.last_seen.get(worker.pk)
        if last_seen is None:
            text = (
                f"worker {worker.pk} has no node yet;"
                f" start one with manage.py worker --id {worker.pk}"
            )
            return Wait(WaitCode.WORKER_WITHOUT_NODE, text)
        text = f"worker {worker.pk} is offline since {self._clock(last_seen)}"
        return Wait(WaitCode.WORKER_OFFLINE, text)

    def _explain_order(self, run: Run) -> Wait | None:
        if run.waits_for in self.unfinished:
            text = f"run {run.waits_for} of the same schedule has to finish first"
            return Wait(WaitCode.EARLIER_RUN, text)
        if self.rooms.get(run.process_model_id) == 0:
            limit = _count_runs(run.process_model.max_parallel_runs)
            text = f"the limit of {limit} of process model {run.process_model.name} is reached"
            return Wait(WaitCode.MODEL_LIMIT, text)
        return None

    def _explain_queue(self, worker: Worker | None) -> Wait:
        if worker is None:
            return self._explain_shared_queue()
        crew = self.workforce.crews[worker.pk]
        if crew.is_at_limit:
            text = (
                f"the limit of {_count_runs(worker.max_parallel_runs)} of worker {worker.pk}"
                " is reached"
            )
            return Wait(WaitCode.WORKER_LIMIT, text)
        if crew.is_free:
            text = f"worker {worker.pk} has a free slot and has not taken it yet"
            return Wait(WaitCode.BEING_CLAIMED, text)
        return Wait(WaitCode.WORKER_BUSY, f"worker {worker.pk} is busy")

    def _explain_shared_queue(self) -> Wait:
        crews: list[Crew] = [crew for crew in self.workforce.crews.values() if crew.can_take]
        if any(crew.is_free for crew in crews):
            text = "a worker has a free slot and has not taken it yet"
            return Wait(WaitCode.BEING_CLAIMED, text)
        if all(crew.is_at_limit for crew in crews):
            text = "all workers are at their limit of parallel runs"
            return Wait(WaitCode.WORKER_LIMIT, text)
        return Wait(WaitCode.WORKER_BUSY, "all workers are busy")

    def _clock(self, moment: datetime) -> str:
        """Return the time with its zone, and with the day unless it is today."""
        local, today = timezone.localtime(moment), timezone.localdate(self.now)
        day = "" if local.date() == today else f"{local:%Y-%m-%d} "
        return f"{day}{local:%H:%M:%S %Z}"


def _count_runs(limit: int | None) -> str:
    return f"{limit} parallel run{'' if limit == 1 else 's'}"
