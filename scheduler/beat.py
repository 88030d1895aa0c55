"""The beat: django-celery-beat's scheduler with our own work in every tick."""

import os
import socket
import time
import uuid
from typing import Any

import structlog
from django.db import Error, close_old_connections
from django.db.models.functions import Now
from django_celery_beat.schedulers import DatabaseScheduler

from processes.queueing import ask_nodes_to_listen, ring_for_ready_runs
from scheduler.models import Beat

logger = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
SWEEP_SECONDS = 5.0
LISTEN_SECONDS = 2.0


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """Send housekeeping tasks, ring for ready runs, and prove life by finished ticks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.max_interval = TICK_SECONDS
        self._boot_id = uuid.uuid4()
        self._sweep = _Every(SWEEP_SECONDS)
        self._listen = _Every(LISTEN_SECONDS)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Do what is due; return the seconds until the next tick.

        A database that is away costs this tick its work, never the beat its life.
        """
        delay = TICK_SECONDS
        try:
            delay = min(super().tick(*args, **kwargs), TICK_SECONDS)
            sweeping = self._sweep.is_due()
            ring_for_ready_runs(just_ready=not sweeping)
            if sweeping:
                self._prove_life()
        except Error as error:
            logger.warning("tick failed", error=str(error))
            close_old_connections()
        if self._listen.is_due():
            ask_nodes_to_listen()
        return delay

    def close(self) -> None:
        """Store that this beat has ended in good order."""
        super().close()
        try:
            Beat.objects.filter(pk=self._boot_id).update(stopped_at=Now())
        except Error as error:  # it counts as offline once its last tick is old
            logger.warning("beat not marked as stopped", error=str(error))

    def _prove_life(self) -> None:
        Beat.objects.update_or_create(
            pk=self._boot_id,
            defaults={"last_tick_at": Now()},
            create_defaults={"host": socket.gethostname(), "pid": os.getpid()},
        )


class _Every:
    """Say once in so many seconds that something is due."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = float("-inf")

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True
