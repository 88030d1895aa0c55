"""Plans: which process model runs with which values, and when."""

import uuid
from datetime import datetime, timedelta
from typing import Any, Self

import uuid_utils.compat
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import PeriodicTask

from processes.models import ProcessModel, Worker
from processes.models.process_models import MAX_RETRY_COUNT, MAX_RETRY_DELAY
from processes.models.runs import DEFAULT_PRIORITY, MAX_PRIORITY, MIN_PRIORITY
from processes.models.trails import Trail
from processes.secrets import mask
from scheduler.fire_times import FireTimes

# What the linked row holds of a schedule, and the audit tells.
TOLD_OF_TASK = ("name", "enabled", "start_time", "expires", "one_off")


def _mask_values(schedule: "Schedule", values: Any) -> Any:
    return mask(values, schedule.process_model.secret_names)


def new_schedule_id() -> uuid.UUID:
    """Return a time-ordered UUID: the robustaSpid of a planned start."""
    return uuid_utils.compat.uuid7()


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    """Schedules by whether a fire time is waited for; by the database's clock."""

    def armed(self) -> Self:
        """Return the schedules that wait for a fire time, the next one first."""
        return self.filter(next_fire_time__isnull=False).order_by("next_fire_time")

    def due(self) -> Self:
        """Return the armed schedules whose fire time has come, the oldest first."""
        return self.armed().filter(next_fire_time__lte=Now())

    def locked(self, *, skip: bool = False) -> Self:
        """Lock the rows until the transaction ends; `skip` those that somebody else has locked."""
        return self.select_for_update(of=("self",), no_key=True, skip_locked=skip)

    def owned_by(self, owner: str) -> Self:
        """Return the plans that the identity `owner` (`client:<id>`, `user:<id>`) may read."""
        return self.filter(owner=owner)


class Schedule(models.Model):
    """A plan for a process model.

    Name, enabled, start, end, run once and queue live in the linked PeriodicTask, so that
    django-celery-beat's own pages show and edit them; each fact is stored once, here or there.
    """

    class Misfire(models.TextChoices):
        """What becomes of fire times that are found more than a minute late."""

        FIRE_ONCE = "fire_once", _("run the latest, record the rest as missed")
        SKIP = "skip", _("record all as missed")
        FIRE_ALL = "fire_all", _("run the oldest hundred, record the rest as missed")

    class Overlap(models.TextChoices):
        """What becomes of a fire time while the previous run is not finished."""

        ALLOW = "allow", _("run beside it")
        SKIP = "skip", _("skip, and record it")
        QUEUE = "queue", _("wait for it, at most one")

    id = models.UUIDField(
        _("robustaSpid"), primary_key=True, default=new_schedule_id, editable=False
    )
    periodic_task = models.OneToOneField(
        PeriodicTask,
        verbose_name=_("periodic task"),
        on_delete=models.CASCADE,
        related_name="plan",
    )
    process_model = models.ForeignKey(
        ProcessModel,
        verbose_name=_("process model"),
        on_delete=models.PROTECT,
        related_name="schedules",
    )
    values = models.JSONField(_("values"), default=dict, blank=True)
    quartz = models.CharField(_("Quartz expression"), max_length=1000)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    retry_count = models.PositiveSmallIntegerField(
        _("retry count"), default=0, validators=[MaxValueValidator(MAX_RETRY_COUNT)]
    )
    retry_delay = models.DurationField(
        _("retry delay"),
        default=timedelta,
        validators=[MinValueValidator(timedelta(0)), MaxValueValidator(MAX_RETRY_DELAY)],
    )
    worker = models.ForeignKey(
        Worker,
        verbose_name=_("worker"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="schedules",
    )
    priority = models.PositiveSmallIntegerField(
        _("priority"),
        default=DEFAULT_PRIORITY,
        validators=[MinValueValidator(MIN_PRIORITY), MaxValueValidator(MAX_PRIORITY)],
    )
    misfire = models.CharField(
        _("misfire policy"), max_length=10, choices=Misfire.choices, default=Misfire.FIRE_ONCE
    )
    overlap = models.CharField(
        _("overlap policy"), max_length=10, choices=Overlap.choices, default=Overlap.ALLOW
    )
    owner = models.CharField(_("owner"), max_length=100, blank=True)
    requested_by = models.CharField(_("requested by"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    next_fire_time = models.DateTimeField(
        _("next fire time"), null=True, blank=True, help_text=_("Empty while it is not armed.")
    )
    settled_until = models.DateTimeField(
        _("settled until"),
        null=True,
        editable=False,
        help_text=_("The last fire time that is in the ledger; nothing up to it fires again."),
    )
    was_enabled = models.BooleanField(
        default=True,
        editable=False,
        help_text=_("Whether it was enabled when it was armed last; a bulk edit changes that."),
    )
    error = models.TextField(_("error"), blank=True)
    paused_at = models.DateTimeField(_("paused at"), null=True, blank=True)
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True)
    pause_reason = models.CharField(_("pause reason"), max_length=200, blank=True)
    skip_until = models.DateTimeField(
        _("skip until"),
        null=True,
        blank=True,
        help_text=_("Fire times up to this one are skipped on request."),
    )
    skip_reason = models.CharField(_("skip reason"), max_length=200, blank=True)

    # Set by planning.changing: the moment up to which the plan before the change counts.
    changed_at: datetime

    objects = ScheduleQuerySet.as_manager()
    history = Trail(
        excluded=[
            "periodic_task",
            "created_at",
            "next_fire_time",
            "settled_until",
            "was_enabled",
            "error",
        ],
        extras=[f"periodic_task__{name}" for name in TOLD_OF_TASK],
        shown={"values": _mask_values},
        no_db_index=["process_model", "worker"],  # a start of a plan writes an entry
    )

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        ordering = ["-id"]
        permissions = [("run_schedule", "Can run schedules now")]
        constraints = [
            # Protects the status answers: a pause that ends has begun.
            models.CheckConstraint(
                condition=Q(paused_until=None) | Q(paused_at__isnull=False),
                name="schedule_pause_has_begun",
            ),
            # Protects the retries of its runs from running away.
            models.CheckConstraint(
                condition=Q(retry_count__lte=MAX_RETRY_COUNT),
                name="schedule_retry_count_in_range",
            ),
        ]
        indexes = [
            # Serves the claim of due schedules: only armed ones are in it.
            models.Index(
                fields=["next_fire_time"],
                condition=Q(next_fire_time__isnull=False),
                name="schedule_due",
            ),
        ]

    def __str__(self) -> str:
        return str(self.periodic_task.name)

    def is_paused_at(self, moment: datetime) -> bool:
        """Tell whether a pause is in force at `moment`."""
        return self.paused_at is not None and (
            self.paused_until is None or moment < self.paused_until
        )

    def fire_times(self) -> FireTimes:
        """Return what the plan names. Raise QuartzError when it cannot be read."""
        task = self.periodic_task
        return FireTimes.of(self.quartz, self.time_zone, task.start_time, task.expires)
