"""Entries of the audit: who did what, when and from where; nobody changes or deletes them."""

import json
import uuid
from typing import Any

import uuid_utils.compat
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _

MAX_OBJECT_NAME = 200


def new_entry_id() -> uuid.UUID:
    """Return a time-ordered UUID: entries of all tables stand in one order by it."""
    return uuid_utils.compat.uuid7()


class ReadableEncoder(DjangoJSONEncoder):
    """JSON whose letters are as they are written, so that a search finds them in every database."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"ensure_ascii": False})


class AuditRecord(models.Model):
    """What every entry says.

    Names are texts of that moment: what they name may be renamed or deleted later. `changes` holds
    for each field what was before and after; of relations what was removed and added.
    """

    actor = models.CharField(_("who"), max_length=200, db_index=True)
    address = models.CharField(_("from where"), max_length=45, blank=True)
    request_id = models.CharField(_("request id"), max_length=32, blank=True)
    object_name = models.CharField(_("object"), max_length=MAX_OBJECT_NAME, blank=True)
    changes = models.JSONField(_("changes"), default=dict, encoder=ReadableEncoder)

    class Meta:
        abstract = True


class AuditEvent(AuditRecord):
    """Something that matters and changes no row of its own: a log-in, a drained node, a purge."""

    class Kind(models.TextChoices):
        """What happened."""

        LOGGED_IN = "logged_in", _("logged in")
        LOGGED_OUT = "logged_out", _("logged out")
        LOG_IN_FAILED = "log_in_failed", _("log-in failed")
        DRAINED = "drained", _("node drained")
        RESUMED = "resumed", _("node resumed")
        PURGED = "purged", _("entries removed")

    history_id = models.UUIDField(primary_key=True, default=new_entry_id, editable=False)
    history_date = models.DateTimeField(_("when"))
    history_user_id = models.BigIntegerField(null=True)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    model = models.CharField(
        _("model"), max_length=100, blank=True, help_text=_("Label of the object's model.")
    )
    object_key = models.CharField(_("key of the object"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["-history_id"]
        default_permissions = ()
        indexes = [
            # Serves the entries of one object.
            models.Index(fields=["model", "object_key"], name="audit_event_object"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.object_name}"


def to_json(value: Any) -> Any:
    """Return a field's value in the form in which an entry holds it."""
    return json.loads(json.dumps(value, cls=ReadableEncoder))
