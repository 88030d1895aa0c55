"""What a client has been answered for an Idempotency-Key."""

from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

KEPT = timedelta(hours=24)
IS_OUTDATED = models.Q(created_at__lte=Now() - KEPT)


class IdempotencyQuerySet(models.QuerySet["IdempotencyRecord"]):
    """Records by their age; by the database's clock."""

    def outdated(self) -> Self:
        """Return those whose key is free again, whether or not they have been purged."""
        return self.filter(IS_OUTDATED)

    def with_age(self) -> Self:
        """Add to each whether it is outdated."""
        return self.annotate(is_outdated=IS_OUTDATED)


class IdempotencyRecord(models.Model):
    """The answer to the start that brought a key; kept 24 hours."""

    owner = models.CharField(_("owner"), max_length=100)
    key = models.CharField(_("key"), max_length=255)
    body_digest = models.BinaryField(max_length=32)
    robusta_spid = models.UUIDField(_("robustaSpid"))
    warnings = models.JSONField(_("warnings"), default=list, db_default=[])
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    is_outdated: bool  # only after `with_age`

    objects = IdempotencyQuerySet.as_manager()

    class Meta:
        verbose_name = _("idempotency record")
        verbose_name_plural = _("idempotency records")
        constraints = [
            # This row is what makes fifty equal starts at once one run.
            models.UniqueConstraint(fields=["owner", "key"], name="idempotency_key_once"),
        ]
        indexes = [
            # Serves the purge of old records.
            models.Index(fields=["created_at"], name="idempotency_age"),
        ]

    def __str__(self) -> str:
        return self.key
