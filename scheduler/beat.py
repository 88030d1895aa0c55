"""The beat: django-celery-beat's scheduler with our own work in every tick."""

import os
import signal
import socket
import time
import uuid
from typing import Any

import structlog
from celery.apps import beat
from django.db import Error, close_old_connections
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from processes import queueing
from processes.queueing import (
    ask_nodes_to_listen,
    end_abandoned_runs,
    ring_for_ready_runs,
    send_task,
)
from scheduler.firing import fire_due_schedules
from scheduler.models import Beat, Schedule
from scheduler.switching import follow_switches

logger = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
SWEEP_SECONDS = 5.0
LISTEN_SECONDS = 2.0
# Nodes could not extend their leases either while the database was away; a beat every 5 seconds.
EXTENDED_AFTER_SECONDS = 8.0
# A tick that has lasted so long without an error has waited for a database that stood still.
FROZEN_AFTER_SECONDS = 3.0
JUST_AFTER_SECONDS = 0.002  # so that a tick never comes a little before the second


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """Claim due schedules, send housekeeping tasks, ring for ready runs, prove life by ticks.

    Its own heap holds housekeeping only, so that saving a schedule makes no beat read anything
    again. Ticks fall on the half seconds of the database's clock: fire times are whole seconds.
    """

    # Celery's own waits for a broker that is away, and no schedule would fire meanwhile.
    producer = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._switches_may_have_changed = True
        super().__init__(*args, **kwargs)
        self.max_interval = TICK_SECONDS
        self._boot_id = uuid.uuid4()
        self._sweep = _Every(SWEEP_SECONDS)
        self._listen = _Every(LISTEN_SECONDS)
        self._bell_had_failed = False
        self._last_outage = float("-inf")
        self._tick_began = time.monotonic()
        self._clock_ahead = 0.0  # seconds by which the database's clock is before this host's

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Do what is due; return the seconds until the next tick.

        A database that is away costs this tick its work, never the beat its life.
        """
        is_behind = False
        self._tick_began = time.monotonic()
        try:
            is_behind = self._fire()
            super().tick(*args, **kwargs)
            self._follow_switches()
            sweeping = self._sweep.is_due()
            if sweeping and self._may_end_runs():
                end_abandoned_runs(is_sure=self._may_end_runs)
            ring_for_ready_runs(just_ready=not (sweeping or self._is_bell_back()))
            if sweeping:
                self._prove_life()
        except Error as error:
            logger.warning("tick failed", error=str(error))
            close_old_connections()
            self._last_outage = time.monotonic()
        if self._listen.is_due():
            ask_nodes_to_listen()
        return 0.0 if is_behind else self._until_next_tick()

    def enabled_models_qs(self) -> Any:
        """Return the housekeeping tasks: rows of schedules are claimed, not kept in memory."""
        return super().enabled_models_qs().filter(plan=None)

    def schedule_changed(self) -> bool:
        """Tell whether housekeeping tasks have to be read again; note that switches may have.

        The package's own answer passes over the first change ever, and one made by a host whose
        clock is behind.
        """
        before = self._last_timestamp
        super().schedule_changed()
        changed = bool(self._last_timestamp != before)
        self._switches_may_have_changed |= changed
        return changed

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send a housekeeping task if it is this beat's turn: every beat finds it due."""
        if _take_turn(entry):
            send_task(entry.task, entry.args, entry.kwargs, **entry.options)

    def close(self) -> None:
        """Store that this beat has ended in good order."""
        super().close()
        try:
            Beat.objects.filter(pk=self._boot_id).update(stopped_at=Now())
        except Error as error:  # it counts as offline once its last tick is old
            logger.warning("beat not marked as stopped", error=str(error))

    def _fire(self) -> bool:
        """Claim what is due, for about a tick; return whether that was not long enough."""
        began = time.monotonic()
        while self._is_any_due() and fire_due_schedules():
            if time.monotonic() - began > TICK_SECONDS:
                return True
        return False

    def _is_any_due(self) -> bool:
        """Look at the first armed schedule, and at the database's clock meanwhile."""
        first = Schedule.objects.armed().values_list("next_fire_time", Now()).first()
        if first is None:
            return False
        next_fire_time, now = first
        self._clock_ahead = now.timestamp() - time.time()
        return bool(next_fire_time <= now)

    def _until_next_tick(self) -> float:
        now = time.time() + self._clock_ahead
        return TICK_SECONDS - (now - JUST_AFTER_SECONDS) % TICK_SECONDS

    def _follow_switches(self) -> None:
        if self._switches_may_have_changed:
            # Until none is left: a selection may be large, and an outage may come between.
            self._switches_may_have_changed = bool(follow_switches())

    def _may_end_runs(self) -> bool:
        """Tell whether the nodes have had the time to extend their leases after an outage.

        A database that was frozen is one too: its clock went on, and it raises nothing.
        """
        now = time.monotonic()
        if now - self._tick_began > FROZEN_AFTER_SECONDS:
            self._last_outage = now
        return now - self._last_outage > EXTENDED_AFTER_SECONDS

    def _is_bell_back(self) -> bool:
        """Tell whether the broker answers again since the last look: nobody was told meanwhile."""
        had_failed, self._bell_had_failed = self._bell_had_failed, queueing.doorbell.has_failed
        return had_failed and not self._bell_had_failed

    def _prove_life(self) -> None:
        _, is_new = Beat.objects.update_or_create(
            pk=self._boot_id,
            defaults={"last_tick_at": Now()},
            create_defaults={"host": socket.gethostname(), "pid": os.getpid()},
        )
        if is_new:  # or one that is started again and again would fill the table
            Beat.objects.forgotten().delete()


class BeatProgram(beat.Beat):
    """The program around the scheduler; a signal lets it finish its tick, then it ends."""

    def install_sync_handler(self, service: Any) -> None:
        """End on SIGTERM and SIGINT, in good order.

        Celery's own handler stores the end at once, wherever the signal has come; in the middle of
        a statement it would wait for that statement, which waits for the handler.
        """

        def end(*args: Any) -> None:
            handle(signal.SIG_IGN)  # a second one would wait for the lock that this one holds
            service._is_shutdown.set()

        def handle(action: Any) -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, action)

        handle(end)


def _take_turn(entry: Any) -> bool:
    """Take a housekeeping task for this beat; False when another beat has taken this turn of it.

    It has if the last run lies nearer to now than to the run before, as this beat knows it; so
    the clocks of the beats may differ by half the task's period.
    """
    now = timezone.now()
    between = entry.last_run_at + (now - entry.last_run_at) / 2
    taken = (
        PeriodicTask.objects.filter(pk=entry.model.pk)
        .filter(Q(last_run_at=None) | Q(last_run_at__lt=between))
        .update(last_run_at=now)
    )
    return bool(taken)


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
