"""What the workers can do at one moment: read in three statements, however many there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Max

from processes.models import Worker, WorkerNode


@dataclass
class Crew:
    """A worker's nodes that are online."""

    is_taking: bool  # neither disabled nor paused
    nodes: int = 0
    drained: int = 0
    slots: int = 0
    free_slots: int = 0
    room: int | None = None  # what its limit leaves; None without one

    @property
    def can_take(self) -> bool:
        """Tell whether it takes runs, whether or not a slot is free."""
        return self.is_taking and self.nodes > self.drained

    @property
    def is_at_limit(self) -> bool:
        """Tell whether its limit leaves no room."""
        return self.room == 0

    @property
    def is_free(self) -> bool:
        """Tell whether it could begin a run now."""
        return self.can_take and self.free_slots > 0 and not self.is_at_limit


class Workforce:
    """The workers that are online, each statement made once and only when asked for."""

    @cached_property
    def crews(self) -> Mapping[int, Crew]:
        """The crews that are online, by worker id."""
        crews: dict[int, Crew] = {}
        limited = set()
        for node in _read_nodes():
            is_taking = node.worker__enabled and node.worker__paused_at is None
            crew = crews.setdefault(node.worker, Crew(is_taking))
            crew.nodes += 1
            crew.slots += node.concurrency
            if node.drain_requested_at:
                crew.drained += 1
            else:
                crew.free_slots += node.free
            if node.worker__max_parallel_runs is not None:
                limited.add(node.worker)
        rooms = Worker.objects.filter(pk__in=limited).count_room() if limited else {}
        for worker_id, room in rooms.items():
            crews[worker_id].room = room
        return crews

    @cached_property
    def last_seen(self) -> Mapping[int, datetime]:
        """When a node of each worker was last heard of, by worker id."""
        rows = WorkerNode.objects.order_by().values_list("worker")
        return dict(rows.annotate(at=Max("last_seen_at")))


def _read_nodes() -> Any:
    return (
        WorkerNode.objects.online()
        .with_free_slots()
        .values_list(
            "worker",
            "worker__enabled",
            "worker__paused_at",
            "worker__max_parallel_runs",
            "drain_requested_at",
            "concurrency",
            "free",
            named=True,
        )
    )
