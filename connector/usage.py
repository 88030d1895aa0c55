"""When an API client and its secrets were last used, to the minute."""

import time
from datetime import timedelta

import structlog
from django.db import DatabaseError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from connector.models import ApiClient, ApiSecret

logger = structlog.get_logger(__name__)

SECONDS = 60.0
MAX_NOTED = 10_000

_noted: dict[int, float] = {}


def note_use(client_id: int, secret_id: int) -> None:
    """Store that the secret is in use, once a minute; a request is never refused for it."""
    now = time.monotonic()
    if now < _noted.get(secret_id, 0.0):
        return
    if len(_noted) >= MAX_NOTED:
        _noted.clear()
    _noted[secret_id] = now + SECONDS
    is_stale = Q(last_used_at=None) | Q(last_used_at__lt=Now() - timedelta(seconds=SECONDS))
    try:
        with transaction.atomic():
            ApiClient.objects.filter(is_stale, pk=client_id).update(last_used_at=Now())
            ApiSecret.objects.filter(is_stale, pk=secret_id).update(last_used_at=Now())
    except DatabaseError as error:
        logger.warning("last use of a client not stored", error=str(error))


def forget_uses() -> None:
    """Store the next use of every secret at once."""
    _noted.clear()
