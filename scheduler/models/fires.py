"""The ledger: what became of every fire time."""

from typing import Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from processes.models import Run
from scheduler.models.schedules import Schedule


class FireQuerySet(models.QuerySet["Fire"]):
    """Rows of the ledger."""

    def newest_first(self) -> Self:
        """Return the rows by fire time, the newest first."""
        return self.order_by("-fire_time")


class Fire(models.Model):
    """What became of one fire time, or of a stretch of fire times without a run."""

    class Outcome(models.TextChoices):
        """What became of a fire time."""

        RAN = "ran", _("ran")
        MISSED = "missed", _("missed")
        SKIPPED_OVERLAP = "skipped_overlap", _("skipped: the previous run was not finished")
        SKIPPED_PAUSED = "skipped_paused", _("skipped: paused")
        SKIPPED_DISABLED = "skipped_disabled", _("skipped: the process model is disabled")
        SKIPPED_ASKED = "skipped_asked", _("skipped on request")

    schedule = models.ForeignKey(
        Schedule,
        verbose_name=_("schedule"),
        on_delete=models.CASCADE,
        related_name="fires",
        db_index=False,  # the constraint below has an index that begins with it
    )
    fire_time = models.DateTimeField(_("fire time"))
    last_fire_time = models.DateTimeField(
        _("last fire time"), null=True, help_text=_("The end of a stretch; empty for a single one.")
    )
    count = models.PositiveIntegerField(_("count"), default=1)
    outcome = models.CharField(_("outcome"), max_length=20, choices=Outcome.choices)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    run = models.ForeignKey(
        Run,
        verbose_name=_("run"),
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
    )
    recorded_at = models.DateTimeField(_("recorded at"), db_default=Now())

    objects = FireQuerySet.as_manager()

    class Meta:
        verbose_name = _("fire")
        verbose_name_plural = _("fires")
        ordering = ["-fire_time"]
        constraints = [
            # This row is what makes a fire happen once, with any number of beats.
            models.UniqueConstraint(fields=["schedule", "fire_time"], name="fire_once"),
            # Protects the ledger's counts: one fire time, or a stretch with both its ends.
            models.CheckConstraint(
                condition=Q(count=1, last_fire_time=None)
                | Q(
                    count__gt=1,
                    last_fire_time__isnull=False,
                    last_fire_time__gt=F("fire_time"),
                    run=None,
                ),
                name="fire_single_or_stretch",
            ),
        ]
        indexes = [
            # Serves the retention, and the search for rows that make up one stretch.
            models.Index(fields=["recorded_at"], name="fire_age"),
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} {self.fire_time.isoformat()}"
