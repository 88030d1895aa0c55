"""Counts wrong attempts to sign in for all web processes, and how many of them are too many."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from connector.exceptions import TooManyAttempts
from connector.models import WrongAttempt
from processes.catalog import RecentlyFound
from scheduler.addresses import name_sender

MINUTE = timedelta(minutes=1)
MOST_OF_A_NAME = 10
MOST_OF_AN_ADDRESS = 300
KEPT = timedelta(days=1)
MOST_IN_LINE = 20  # threads of a process that hash or wait for it

# The class of the advisory locks that let the attempts of one address come one after another.
LOCK_CLASS = 0x41_54_54  # "ATT"


@dataclass(frozen=True)
class Sender:
    """Who tries to sign in: a user name as typed, from an address."""

    name: str
    address: str

    @cached_property
    def network(self) -> str:
        """Return the address that attempts are counted for; of IPv6 the /64."""
        return name_sender(self.address)

    @cached_property
    def name_digest(self) -> bytes:
        """Return the keyed digest that stands for the name."""
        return digest_name(self.name)


def digest_name(name: str) -> bytes:
    """Return the keyed digest of a user name as typed, which may be somebody's password."""
    return salted_hmac("arabica.wrong-attempt", name, algorithm="sha256").digest()


def _read_suspects(_: None) -> frozenset[str]:
    rows = WrongAttempt.objects.since(MINUTE).values_list("network", flat=True).distinct()
    return frozenset(rows)


# The addresses that a wrong attempt of the last minute came from; those are counted exactly, by one
# more statement, at each request. The others are trusted for a second. Ten attempts take longer
# than that, since each costs a hash of a quarter of a second and a process makes one at a time: so
# what a process has not heard of yet cannot be locked, with up to two web processes. With more,
# attempts that come through all of them at once may be heard of a second late.
suspects: RecentlyFound[None, frozenset[str]] = RecentlyFound(_read_suspects, seconds=1.0)


@dataclass(frozen=True)
class Lock:
    """Too many wrong attempts; `seconds` until one more is permitted."""

    seconds: int


def require_unlocked(sender: Sender) -> int:
    """Return how many wrong attempts of the last minute came from there.

    Raise TooManyAttempts if a further one is too many, whatever its password is.
    """
    if sender.network not in (suspects.get(None) or ()):
        return 0
    return _require_unlocked_now(sender)


def _require_unlocked_now(sender: Sender) -> int:
    attempts = _last_minute(sender.network)
    of_the_name = Q(name_digest=sender.name_digest)
    counts = attempts.aggregate(all=Count("pk"), of_the_name=Count("pk", filter=of_the_name))
    of_the_address: int = counts["all"]
    if of_the_address >= MOST_OF_AN_ADDRESS or counts["of_the_name"] >= MOST_OF_A_NAME:
        lock = find_lock(sender.network, sender.name_digest)
        raise TooManyAttempts(lock.seconds if lock else 1)  # it may have ended since the count
    return of_the_address


def find_lock(network: str, name_digest: bytes) -> Lock | None:
    """Return what keeps a name from there out, None if nothing does."""
    attempts = _last_minute(network)
    waits = [
        _seconds_until_free(attempts, MOST_OF_AN_ADDRESS),
        _seconds_until_free(attempts.filter(name_digest=name_digest), MOST_OF_A_NAME),
    ]
    return Lock(max(waits)) if any(waits) else None


def find_full_addresses() -> list[str]:
    """Return the addresses that nobody is let in from."""
    attempts = WrongAttempt.objects.since(MINUTE).order_by().values("network")
    full = attempts.annotate(number=Count("pk")).filter(number__gte=MOST_OF_AN_ADDRESS)
    return list(full.values_list("network", flat=True))


def _last_minute(network: str) -> QuerySet[WrongAttempt]:
    return WrongAttempt.objects.since(MINUTE).filter(network=network)


def _seconds_until_free(attempts: QuerySet[WrongAttempt], most: int) -> int:
    """Return when the oldest of the newest `most` attempts is a minute old, 0 for fewer."""
    newest = attempts.order_by("-attempted_at").values_list("attempted_at", Now())
    for attempted_at, now in newest[most - 1 : most]:
        seconds: float = (attempted_at + MINUTE - now).total_seconds()
        return max(math.ceil(seconds), 1)
    return 0


def count_attempt(sender: Sender, reason: WrongAttempt.Reason) -> WrongAttempt:
    """Count an attempt as wrong before its password is hashed.

    Attempts of one address come here one after another, over all processes, so that no more than
    the permitted number are ever hashed. Raise TooManyAttempts if this one is too many.
    """
    with transaction.atomic():
        _take_turn(sender.network)
        _require_unlocked_now(sender)
        return WrongAttempt.objects.create(
            name_digest=sender.name_digest, network=sender.network, reason=reason
        )


def settle_attempt(attempt: WrongAttempt, *, was_right: bool) -> None:
    """Forget an attempt whose password was right; take notice of one that was wrong."""
    if was_right:
        attempt.delete()
    else:
        suspects.clear()


def _take_turn(network: str) -> None:
    """Wait for the others of this address, until the end of the transaction.

    SQLite has one writer at a time anyway.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(%s::int, hashtext(%s::text))", [LOCK_CLASS, network]
            )


class Hashing:
    """The one place of a process where a password is hashed.

    A hash costs a quarter of a second of processor time: one at a time leaves the other cores to
    those whose password is known. Of the addresses that made many wrong attempts only one caller is
    let in to wait, or a flood of them would hold every thread of the process.
    """

    def __init__(self) -> None:
        self._hashing = threading.Lock()
        self._line = threading.BoundedSemaphore(MOST_IN_LINE)
        self._suspect = threading.Lock()

    @contextmanager
    def turn(self, *, is_suspect: bool) -> Iterator[None]:
        """Hash within the block.

        Raise TooManyAttempts if another suspect is before this one, and at the end of a long
        line: a flood of names, each with its first wrong password, is no suspect yet.
        """
        if not is_suspect:
            if not self._line.acquire(blocking=False):
                raise TooManyAttempts(1)
            try:
                with self._hashing:
                    yield
            finally:
                self._line.release()
            return
        if not self._suspect.acquire(blocking=False):
            raise TooManyAttempts(1)
        try:
            with self._hashing:
                yield
        finally:
            self._suspect.release()
