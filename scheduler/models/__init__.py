"""Plans, what became of each fire time, and the beats that claim them."""

from scheduler.models.beats import Beat
from scheduler.models.fires import Fire
from scheduler.models.schedules import Schedule
from scheduler.models.tasks import TaskTrail

__all__ = ["Beat", "Fire", "Schedule", "TaskTrail"]
