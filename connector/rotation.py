"""Changes the secrets of an API client: two may be live at once, while its owner moves over."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from connector.models import ApiClient, ApiSecret
from processes.models.trails import recording


def find_live_secrets(client: ApiClient) -> list[ApiSecret]:
    """Return the secrets that open the door, newest first."""
    return list(client.secrets.live().select_related("client").order_by("-created_at", "-pk"))


def rotate_secret(client: ApiClient, *, keep: timedelta, valid_for: timedelta | None = None) -> str:
    """Return a new secret; the newest of the others lives on for `keep`, those before it end now.

    None that has an earlier end lives longer. Two at once come one after another.
    """
    with transaction.atomic():
        ApiClient.objects.select_for_update().get(pk=client.pk)
        live = find_live_secrets(client)
        with recording(*live):
            for number, secret in enumerate(live):
                _end(secret, after=keep if number == 0 else timedelta(0))
            return client.add_secret(valid_for=valid_for)


def revoke_secret(secret: ApiSecret) -> None:
    """End a secret at once; web processes hear of it within five seconds."""
    with recording(secret):
        _end(secret, after=timedelta(0))


def _end(secret: ApiSecret, *, after: timedelta) -> None:
    end = Now() + after
    ApiSecret.objects.filter(pk=secret.pk).filter(
        Q(expires_at=None) | Q(expires_at__gt=end)
    ).update(expires_at=end)
