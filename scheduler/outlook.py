"""What is to become of the next fire times of a schedule, as far as it is known now."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler.forecast import SHOWN, Forecast, forecast
from scheduler.models import Fire, Schedule

Outcome = Fire.Outcome


@dataclass(frozen=True)
class Upcoming:
    """A fire time to come, and as what it will be recorded; `RAN` unless something stands by."""

    fire_time: Forecast
    outcome: Outcome


def look_ahead(schedule: Schedule, *, now: datetime, count: int = SHOWN) -> list[Upcoming]:
    """Return the next fire times that an armed schedule waits for, none for any other.

    One that has come and is not claimed yet is the first. A run-once plan ends with its run.
    """
    if schedule.next_fire_time is None:
        return []
    after = min(now, schedule.next_fire_time - timedelta(seconds=1))
    upcoming = []
    for fire_time in forecast(schedule.fire_times(), after=after, count=count):
        outcome = foresee(schedule, fire_time.utc)
        upcoming.append(Upcoming(fire_time, outcome))
        if schedule.periodic_task.one_off and outcome == Outcome.RAN:
            break
    return upcoming


def foresee(schedule: Schedule, fire_time: datetime) -> Outcome:
    """Return as what a fire time will be recorded; skips come before pauses, as the beat decides."""
    if schedule.skip_until and fire_time <= schedule.skip_until:
        return Outcome.SKIPPED_ASKED
    if schedule.is_paused_at(fire_time):
        return Outcome.SKIPPED_PAUSED
    if not schedule.process_model.enabled:
        return Outcome.SKIPPED_DISABLED
    return Outcome.RAN
