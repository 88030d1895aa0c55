"""Everything that people and clients may say of a schedule, before it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from processes.models import ProcessModel, Worker
from processes.models.runs import DEFAULT_PRIORITY
from scheduler.exceptions import InvalidPlan
from scheduler.fire_times import FireTimes
from scheduler.models import Schedule
from scheduler.quartz import ZONE, QuartzError

PLAN_FIELDS = ("quartz", "time_zone", "start", "end", "run_once", "enabled")


@dataclass(frozen=True)
class ScheduleDraft:
    """A schedule as it is wanted. The values have been checked; a name is made when it is empty.

    `start` and `end` are aware and included; `priority` is 1-99, 99 first.
    """

    process_model: ProcessModel
    quartz: str
    time_zone: str
    values: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    enabled: bool = True
    start: datetime | None = None
    end: datetime | None = None
    run_once: bool = False
    worker: Worker | None = None
    retry_count: int = 0
    retry_delay: timedelta = timedelta(0)
    priority: int = DEFAULT_PRIORITY
    misfire: str = Schedule.Misfire.FIRE_ONCE
    overlap: str = Schedule.Overlap.ALLOW

    @classmethod
    def of(cls, schedule: Schedule) -> "ScheduleDraft":
        """Return what is stored of a schedule."""
        task = schedule.periodic_task
        return cls(
            process_model=schedule.process_model,
            quartz=schedule.quartz,
            time_zone=schedule.time_zone,
            values=schedule.values,
            name=task.name,
            enabled=task.enabled,
            start=task.start_time,
            end=task.expires,
            run_once=task.one_off,
            worker=schedule.worker,
            retry_count=schedule.retry_count,
            retry_delay=schedule.retry_delay,
            priority=schedule.priority,
            misfire=schedule.misfire,
            overlap=schedule.overlap,
        )

    def fire_times(self) -> FireTimes:
        """Return what the plan names. Raise InvalidPlan for what cannot be taken."""
        if self.start and self.end and self.end <= self.start:
            raise InvalidPlan("end", _("The end has to be later than the start."))
        try:
            return FireTimes.of(self.quartz, self.time_zone, self.start, self.end)
        except QuartzError as error:
            raise InvalidPlan(
                "time_zone" if error.field == ZONE else "quartz", str(error)
            ) from error

    def fires_as(self, other: "ScheduleDraft") -> bool:
        """Tell whether both have the same fire times."""
        return all(getattr(self, name) == getattr(other, name) for name in PLAN_FIELDS)
