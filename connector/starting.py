"""Decides what a start call makes, and makes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from connector.exceptions import InvalidRequest
from connector.identities import Identity
from connector.timing import OneRun, Plan, read_timing
from processes import catalog
from processes.models import ProcessModel, Worker
from processes.models.runs import DEFAULT_PRIORITY
from processes.queueing import queue_run
from processes.values import check_values
from scheduler.drafts import ScheduleDraft
from scheduler.planning import create_schedule


@dataclass(frozen=True)
class Start:
    """A start call, checked: everything needed to make its run or plan, nothing made yet."""

    process_model: ProcessModel
    values: dict[str, Any]
    worker: Worker | None
    timing: OneRun | Plan
    retry_count: int | None
    retry_delay: timedelta | None
    priority: int
    warnings: list[str] = field(default_factory=list)

    @property
    def resolved_worker(self) -> Worker | None:
        """Return who is to run it; None means any worker."""
        return self.worker or self.process_model.default_worker

    def save(self, identity: Identity, *, robusta_spid: UUID | None = None) -> UUID:
        """Store the run or the plan for the caller, and return its robustaSpid."""
        requested_by = f"API: {identity.name}"
        if isinstance(self.timing, Plan):
            return create_schedule(
                self._draft(self.timing),
                owner=identity.owner,
                requested_by=requested_by,
                run_immediately=self.timing.run_immediately,
                schedule_id=robusta_spid,
            ).pk
        return queue_run(
            self.process_model,
            self.values,
            worker=self.worker,
            ready_at=self.timing.ready_at,
            retry_count=self.retry_count,
            retry_delay=self.retry_delay,
            priority=self.priority,
            owner=identity.owner,
            requested_by=requested_by,
            run_id=robusta_spid,
        ).pk

    def _draft(self, plan: Plan) -> ScheduleDraft:
        model = self.process_model
        count, delay = self.retry_count, self.retry_delay
        return ScheduleDraft(
            process_model=model,
            values=self.values,
            quartz=plan.quartz,
            time_zone=plan.zone.key,
            start=plan.start,
            end=plan.end,
            run_once=plan.run_once,
            worker=self.worker,
            retry_count=model.default_retry_count if count is None else count,
            retry_delay=model.default_retry_delay if delay is None else delay,
            priority=self.priority,
        )


def check_start(fields: Mapping[str, Any], identity: Identity) -> Start:
    """Return the checked start, or raise InvalidRequest or InvalidValues with every remedy.

    `fields` are those of StartSerializer. What the caller may not use looks like what does not
    exist.
    """
    process_model = _find_process_model(fields["name"], identity)
    worker = _find_worker(fields["worker"], identity) if "worker" in fields else None
    warnings = list(fields["warnings"])
    delay = fields.get("retryDelay")
    return Start(
        process_model=process_model,
        values=check_values(process_model, fields.get("values", {})),
        worker=worker,
        timing=read_timing(fields, warnings),
        retry_count=fields.get("retryCount"),
        retry_delay=None if delay is None else timedelta(seconds=delay),
        priority=fields.get("priority", DEFAULT_PRIORITY),
        warnings=warnings,
    )


def _find_process_model(name: str, identity: Identity) -> ProcessModel:
    process_model = catalog.process_models.get(name)
    if process_model is None or not process_model.enabled or not identity.may_run(process_model):
        raise InvalidRequest.on(
            "name", "No process model of this name can be started; check its spelling and case."
        )
    catalog.read_declarations(process_model)
    return process_model


def _find_worker(worker_id: int, identity: Identity) -> Worker:
    worker = catalog.workers.get(worker_id)
    if worker is None or not worker.enabled or not identity.may_use(worker_id):
        raise InvalidRequest.on(
            "worker",
            "No worker of this id can be used; leave worker out to let any worker take the run.",
        )
    return worker
