"""The entries of users and groups, and the right to read the audit."""

from typing import Any

from django.contrib.auth.models import Group, User
from django.db import models
from django.utils.translation import gettext_lazy as _
from simple_history import register

from processes.models.trails import Trail

PASSWORD = "password"  # noqa: S105 - the name of a field


class UserTrail(Trail):
    """The entries of users: their rights, and that a password was changed, never which."""

    def before_save(
        self, instance: Any, raw: bool = False, update_fields: Any = None, **more: Any
    ) -> None:
        """Leave out that a log-in hashes the same password anew."""
        if update_fields is None or set(update_fields) != {PASSWORD} or instance._password:
            super().before_save(instance, raw=raw, update_fields=update_fields, **more)


register(
    User,
    app="config",
    records_class=UserTrail,
    excluded=["last_login", "date_joined"],
    masked=[PASSWORD],
    relations=["groups", "user_permissions"],
)
register(Group, app="config", records_class=Trail, relations=["permissions"])


class Audit(models.Model):
    """The audit as a whole: it has no table, only the right to read it."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [("view_audit", _("Can read the audit"))]
        verbose_name = _("audit")
        verbose_name_plural = _("audit")

    def __str__(self) -> str:
        return "audit"
