"""API clients as authentication knows them: read from the database at most five seconds ago."""

import hmac
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now

from connector.identities import Identity
from connector.models import ApiClient, WrongAttempt
from connector.models.api_clients import digest_secret
from processes.catalog import RecentlyFound
from scheduler.addresses import is_within, parse_network


@dataclass(frozen=True)
class KnownSecret:
    """A secret of a client, as a digest."""

    id: int
    digest: bytes
    expires_at: datetime | None


@dataclass(frozen=True)
class KnownClient:
    """An API client with its secrets; what it may use is read when it first calls."""

    id: int
    name: str
    enabled: bool
    expires_at: datetime | None
    networks: list[str]
    rate_limit: int | None
    only_listed_process_models: bool
    only_listed_workers: bool
    secrets: tuple[KnownSecret, ...]
    read_at: datetime  # by the database's clock
    read_tick: float  # by time.monotonic()

    @cached_property
    def identity(self) -> Identity:
        """Return who it is to the rest of the connector."""
        client = ApiClient(pk=self.id)
        models = _read_ids(client.process_models)
        applications = _read_ids(client.applications)
        workers = _read_ids(client.workers)
        is_limited = self.only_listed_process_models or models or applications
        return Identity(
            owner=f"client:{self.id}",
            name=self.name,
            process_models=models if is_limited else None,
            applications=applications,
            workers=workers if self.only_listed_workers or workers else None,
            client_id=self.id,
            rate_limit=self.rate_limit,
        )

    def find_secret(self, secret: str) -> KnownSecret | None:
        """Return which of its secrets this is, expired ones included."""
        given = [
            digest_secret(secret, key)
            for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        ]
        for known in self.secrets:
            if any(hmac.compare_digest(known.digest, candidate) for candidate in given):
                return known
        return None

    def find_fault(self, secret: KnownSecret, address: str) -> WrongAttempt.Reason | None:
        """Return why a call with this secret of its own is refused, None if it is not."""
        if not self.enabled:
            return WrongAttempt.Reason.DISABLED
        if self._is_past(self.expires_at) or self._is_past(secret.expires_at):
            return WrongAttempt.Reason.EXPIRED
        if self.networks and not is_within(address, self._parsed_networks):
            return WrongAttempt.Reason.NETWORK
        return None

    @cached_property
    def _parsed_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(network for text in self.networks if (network := _parse_or_none(text)))

    def _is_past(self, moment: datetime | None) -> bool:
        now = self.read_at + timedelta(seconds=time.monotonic() - self.read_tick)
        return moment is not None and moment <= now


def _read_client(name: str) -> KnownClient | None:
    """Read a client and its secrets by one statement, as many as an unknown name costs."""
    found = ApiClient.objects.filter(name=name).annotate(now=Now(), secret=F("secrets"))
    rows = list(
        found.values(
            *("pk", "name", "enabled", "expires_at", "allowed_networks", "rate_limit", "now"),
            *("only_listed_process_models", "only_listed_workers"),
            *("secret", "secrets__digest", "secrets__expires_at"),
        )
    )
    if not rows:
        return None
    first = rows[0]
    return KnownClient(
        id=first["pk"],
        name=first["name"],
        enabled=first["enabled"],
        expires_at=first["expires_at"],
        networks=first["allowed_networks"],
        rate_limit=first["rate_limit"],
        only_listed_process_models=first["only_listed_process_models"],
        only_listed_workers=first["only_listed_workers"],
        secrets=tuple(
            KnownSecret(row["secret"], bytes(row["secrets__digest"]), row["secrets__expires_at"])
            for row in rows
            if row["secret"] is not None
        ),
        read_at=first["now"],
        read_tick=time.monotonic(),
    )


def _read_ids(related: Any) -> frozenset[int]:
    return frozenset(related.values_list("pk", flat=True))


def _parse_or_none(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return parse_network(text)
    except ValueError:  # stored past the form; it lets nobody in
        return None


# Absent ones too: for a Django user's name, one query a request is to be enough.
clients: RecentlyFound[str, KnownClient] = RecentlyFound(_read_client, remember_absent=True)
