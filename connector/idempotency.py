"""One start for each Idempotency-Key, however often and by however many threads it is sent."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.crypto import salted_hmac

from connector.exceptions import InvalidRequest, KeyReused
from connector.identities import Identity
from connector.models import IdempotencyRecord
from connector.starting import Start
from processes.models.runs import new_run_id

HEADER = "Idempotency-Key"
# Servers join two headers of one name by a comma: such a pair is one key too.
KEY = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True)
class Started:
    """What a start call is answered; `is_replayed` when an earlier call made it."""

    robusta_spid: UUID
    warnings: list[str]
    is_replayed: bool


def read_key(meta: Mapping[str, Any]) -> str | None:
    """Return the request's key, None without one. Raise InvalidRequest for what is no key."""
    key: str | None = meta.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and not KEY.fullmatch(key):
        raise InvalidRequest.on(
            HEADER,
            f"{HEADER} takes 1 to 255 visible ASCII characters.",
        )
    return key


def start_once(
    key: str, body: bytes, identity: Identity, *, check: Callable[[bytes, Identity], Start]
) -> Started:
    """Start what `body` asks for, unless the caller's key has done so in the last 24 hours.

    Of several at once one starts it and the others wait for that and return the same. Raise
    KeyReused when the key came with another body, and what `check` raises: then the key stays
    free.
    """
    own = IdempotencyRecord.objects.filter(owner=identity.owner, key=key)
    # Keyed, since the body may have a secret in it that is short enough to be guessed.
    digest = salted_hmac("arabica.idempotency", body, algorithm="sha256").digest()
    found = own.with_age().first()
    if found and not found.is_outdated:
        return _replay(found, digest)
    start, robusta_spid = check(body, identity), new_run_id()
    try:
        with transaction.atomic():
            if found:
                own.outdated().delete()
            # First the key: whoever comes second waits here for the end of this transaction.
            own.create(
                owner=identity.owner,
                key=key,
                body_digest=digest,
                robusta_spid=robusta_spid,
                warnings=start.warnings,
            )
            start.save(identity, robusta_spid=robusta_spid)
    except IntegrityError:
        if winner := own.first():
            return _replay(winner, digest)
        raise
    return Started(robusta_spid, start.warnings, is_replayed=False)


def _replay(record: IdempotencyRecord, digest: bytes) -> Started:
    if bytes(record.body_digest) != digest:
        raise KeyReused()
    return Started(record.robusta_spid, record.warnings, is_replayed=True)
