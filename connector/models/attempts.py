"""Wrong attempts to sign in over the API."""

from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class WrongAttemptQuerySet(models.QuerySet["WrongAttempt"]):
    """Attempts by how long ago they were made."""

    def since(self, age: timedelta) -> Self:
        """Return those of the last `age`, by the database's clock."""
        return self.filter(attempted_at__gt=Now() - age)


class WrongAttempt(models.Model):
    """Credentials that were refused, or are being checked at this moment.

    What was typed as a user name may be a password, so only its keyed digest is kept.
    """

    class Reason(models.TextChoices):
        CREDENTIALS = "credentials", _("unknown user name or wrong password")
        DISABLED = "disabled", _("right password, but the client is disabled")
        EXPIRED = "expired", _("right password, but it or the client has expired")
        NETWORK = "network", _("right password, but not from an allowed network")

    name_digest = models.BinaryField(max_length=32)
    network = models.CharField(_("address"), max_length=50)
    reason = models.CharField(_("reason"), max_length=20, choices=Reason.choices)
    attempted_at = models.DateTimeField(_("attempted at"), db_default=Now())

    objects = WrongAttemptQuerySet.as_manager()

    class Meta:
        verbose_name = _("wrong attempt")
        verbose_name_plural = _("wrong attempts")
        indexes = [
            # Serves the count of the last minute from an address, with or without a name.
            models.Index(fields=["network", "attempted_at"], name="attempts_of_an_address"),
            # Serves the last day of a name, which the page of an API client shows.
            models.Index(fields=["name_digest", "attempted_at"], name="attempts_of_a_name"),
            # Serves the addresses of the last minute, and the purge.
            models.Index(fields=["attempted_at"], name="attempts_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.network} {self.attempted_at:%Y-%m-%d %H:%M:%S}"
