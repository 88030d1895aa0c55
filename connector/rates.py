"""Requests a minute of an API client, counted for all web processes."""

import math
from datetime import timedelta
from typing import Any

from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from connector.exceptions import RateLimited
from connector.identities import Identity
from connector.models import RequestWindow

MINUTE = timedelta(minutes=1)


class ClientRate(BaseThrottle):
    """Holds a client to its requests a minute; a client without a limit costs no statement."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count the request, or raise RateLimited."""
        identity: Identity = request.user  # type: ignore[assignment]
        if identity.client_id is not None and identity.rate_limit is not None:
            count_request(identity.client_id, identity.rate_limit)
        return True


def count_request(client_id: int, limit: int) -> None:
    """Count a request of the client's present minute; raise RateLimited if it has made them all.

    A minute begins with the first request after the one before is over. One conditional UPDATE
    decides, so that any number of processes never let more than `limit` through.
    """
    if _take(client_id, limit):
        return
    window = RequestWindow.objects.filter(pk=client_id)
    started_and_now = window.values_list("started_at", Now()).first()
    if started_and_now is None:
        _open_window(client_id)
        if _take(client_id, limit):
            return
        started_and_now = window.values_list("started_at", Now()).get()
    started_at, now = started_and_now
    seconds = math.ceil((started_at + MINUTE - now).total_seconds())
    raise RateLimited(limit, max(seconds, 1))


def _take(client_id: int, limit: int) -> bool:
    is_over = Q(started_at__lte=Now() - MINUTE)
    return bool(
        RequestWindow.objects.filter(pk=client_id)
        .filter(is_over | Q(requests__lt=limit))
        .update(
            started_at=Case(When(is_over, then=Now()), default=F("started_at")),
            requests=Case(When(is_over, then=Value(1)), default=F("requests") + 1),
        )
    )


def _open_window(client_id: int) -> None:
    """Make the row of a client that has never been counted; several at once make one."""
    RequestWindow.objects.bulk_create(
        [RequestWindow(client_id=client_id, started_at=Now(), requests=0)], ignore_conflicts=True
    )
