"""The operating-system processes that claim due schedules and ring for ready runs."""

from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

OFFLINE_AFTER = timedelta(seconds=30)
FORGOTTEN_AFTER = timedelta(days=1)


class BeatQuerySet(models.QuerySet["Beat"]):
    """Beats by what their last tick says."""

    def online(self) -> Self:
        """Return the beats whose last tick is recent, by the database's clock."""
        return self.filter(stopped_at=None, last_tick_at__gt=Now() - OFFLINE_AFTER)

    def silent(self) -> Self:
        """Return the beats that went offline within a day without having been stopped."""
        return self.filter(
            stopped_at=None,
            last_tick_at__lte=Now() - OFFLINE_AFTER,
            last_tick_at__gt=Now() - FORGOTTEN_AFTER,
        )

    def forgotten(self) -> Self:
        """Return the beats that nobody asks for any more."""
        return self.filter(last_tick_at__lte=Now() - FORGOTTEN_AFTER)


class Beat(models.Model):
    """A live beat process; it proves life by the ticks it has finished."""

    boot_id = models.UUIDField(primary_key=True)
    host = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField(_("process id"))
    started_at = models.DateTimeField(_("started at"), db_default=Now())
    last_tick_at = models.DateTimeField(_("last tick at"), db_default=Now())
    stopped_at = models.DateTimeField(_("stopped at"), null=True)

    objects = BeatQuerySet.as_manager()

    class Meta:
        verbose_name = _("beat")
        verbose_name_plural = _("beats")
        ordering = ["-last_tick_at"]
        indexes = [
            # Serves readiness: which are online, which went silent, and the last tick of all.
            models.Index(fields=["last_tick_at"], name="beat_last_tick"),
        ]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"
