"""Decides what a start call makes, and makes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from connector.exceptions import InvalidRequest
from connector.identities import Identity
from processes import catalog
from processes.models import ProcessModel, Run, Worker
from processes.models.runs import DEFAULT_PRIORITY
from processes.queueing import queue_run
from processes.values import check_values

PLANS_REFUSED = (
    "Plans are not taken yet: leave quartzDef out to run now or at startDate,"
    ' or send runImmediately "Y" and runOnce "Y" to run once now.'
)


@dataclass(frozen=True)
class Start:
    """A start call, checked: everything needed to make the run, nothing made yet."""

    process_model: ProcessModel
    values: dict[str, Any]
    worker: Worker | None
    ready_at: datetime | None
    zone: ZoneInfo
    retry_count: int | None
    retry_delay: timedelta | None
    priority: int
    warnings: list[str] = field(default_factory=list)

    def queue(self, identity: Identity) -> Run:
        """Store the run for the caller."""
        return queue_run(
            self.process_model,
            self.values,
            worker=self.worker,
            ready_at=self.ready_at,
            retry_count=self.retry_count,
            retry_delay=self.retry_delay,
            priority=self.priority,
            owner=identity.owner,
            requested_by=f"API: {identity.name}",
        )

    def describe(self) -> str:
        """Return the plan in words."""
        if self.ready_at is None:
            return "One run now."
        return f"One run at {self.ready_at.astimezone(self.zone):%Y-%m-%d %H:%M:%S} ({self.zone})."

    def fire_times(self) -> list[datetime]:
        """Return the instants at which runs begin, in the plan's zone."""
        moment = self.ready_at or timezone.now().replace(microsecond=0)
        return [moment.astimezone(self.zone)]


def check_start(fields: Mapping[str, Any], identity: Identity) -> Start:
    """Return the checked start, or raise InvalidRequest or InvalidValues with every remedy.

    `fields` are those of StartSerializer. What the caller may not use looks like what does not
    exist.
    """
    process_model = _find_process_model(fields["name"], identity)
    worker = _find_worker(fields["worker"], identity) if "worker" in fields else None
    zone = fields.get("timezone") or ZoneInfo(settings.TIME_ZONE)
    warnings = list(fields["warnings"])
    delay = fields.get("retryDelay")
    return Start(
        process_model=process_model,
        values=check_values(process_model, fields.get("values", {})),
        worker=worker,
        ready_at=_when(fields, zone, warnings),
        zone=zone,
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
    return process_model


def _find_worker(worker_id: int, identity: Identity) -> Worker:
    worker = catalog.workers.get(worker_id)
    if worker is None or not worker.enabled or not identity.may_use(worker_id):
        raise InvalidRequest.on(
            "worker",
            "No worker of this id can be used; leave worker out to let any worker take the run.",
        )
    return worker


def _when(fields: Mapping[str, Any], zone: ZoneInfo, warnings: list[str]) -> datetime | None:
    """Return when the one run is to start; None means now."""
    now_wanted = fields.get("runImmediately", False)
    if "quartzDef" in fields:
        if now_wanted and fields.get("runOnce", False):
            return None
        raise InvalidRequest.on("quartzDef", PLANS_REFUSED)
    if "endDate" in fields:
        warnings.append("'endDate' was ignored: it ends a plan, and there is no 'quartzDef'.")
    start = _in_zone(fields.get("startDate"), zone)
    if start is None or now_wanted:
        return None
    if start <= timezone.now():
        warnings.append("'startDate' is in the past: the process runs now.")
        return None
    return start


def _in_zone(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    return moment.replace(tzinfo=zone) if moment and moment.tzinfo is None else moment
