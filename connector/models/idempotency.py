"""What a client has been answered for an Idempotency-Key."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class IdempotencyRecord(models.Model):
    """The robustaSpid that was answered for a key; kept 24 hours."""

    owner = models.CharField(_("owner"), max_length=100)
    key = models.CharField(_("key"), max_length=255)
    body_digest = models.BinaryField(max_length=32)
    robusta_spid = models.UUIDField(_("robustaSpid"))
    created_at = models.DateTimeField(_("created at"), db_default=Now())

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
