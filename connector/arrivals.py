"""Bodies that are still arriving hold threads of the web server: only some, and none for ever.

Nothing that reads a body takes a time-out, and a thread that reads cannot be told to stop. So no
more read at a time than leaves threads for everybody else; and when a body has not arrived in time
its connection is shut for reading, at which the read ends.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from connector.severing import sever

WITHIN = 20.0  # seconds in which a body has to arrive
PATIENCE = 0.5  # seconds to wait for a place
SECONDS_BETWEEN_LOOKS = 1.0
# Threads that never read a body: for status calls, health and pages.
KEPT_FREE = 4
MAX_WAITING = 2


class BodyRefused(OSError):
    """A body is not read (any further); an OSError, since that is what readers of bodies expect."""


class TooManyArriving(BodyRefused):
    """As many bodies as may are still arriving, from everywhere or from this address."""

    def __init__(self, *, is_own: bool) -> None:
        super().__init__()
        self.is_own = is_own


class TooSlow(BodyRefused):
    """The body has not arrived in time."""


@dataclass(eq=False)
class Sender:
    """Who sends a body: an address that counts, and the address and port of the connection.

    Behind a trusted proxy `connection` is None: the proxy ends what takes too long.
    """

    address: str
    connection: tuple[str, int] | None


@dataclass(eq=False)
class Arrival:
    """A body that is being read, since `began`."""

    sender: Sender
    began: float


class Arrivals:
    """The places of a web process with so many threads; several threads may ask at once.

    One address gets half of them at most: who else calls keeps the other half.
    """

    def __init__(self, *, threads: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.places = max(threads - KEPT_FREE - MAX_WAITING, 1)
        self.places_of_one = max(self.places // 2, 1)
        self._clock = clock
        self._changed = threading.Condition()
        self._under_way: set[Arrival] = set()
        self._by_address: Counter[str] = Counter()
        self._waiting = 0
        self._is_watched = False

    def now(self) -> float:
        """Return the moment by the clock that arrivals are measured by."""
        return self._clock()

    @contextmanager
    def place(self, sender: Sender, *, began: float) -> Iterator[None]:
        """Read within the block. Raise TooManyArriving without a place, TooSlow if over time."""
        if self._clock() - began > WITHIN:
            raise TooSlow
        arrival = Arrival(sender, began)
        self._enter(arrival)
        try:
            yield
        finally:
            self._leave(arrival)

    def _enter(self, arrival: Arrival) -> None:
        address = arrival.sender.address
        with self._changed:
            if not self._has_room(address) and not self._wait_for_room(address):
                raise TooManyArriving(is_own=self._by_address[address] >= self.places_of_one)
            self._under_way.add(arrival)
            self._by_address[address] += 1
            if not self._is_watched:
                self._is_watched = True
                threading.Thread(target=self._watch, name="arrivals", daemon=True).start()

    def _has_room(self, address: str) -> bool:
        return len(self._under_way) < self.places and self._by_address[address] < self.places_of_one

    def _wait_for_room(self, address: str) -> bool:
        """Wait a moment: a body that has been sent whole is read in no time."""
        if self._waiting >= MAX_WAITING:
            return False
        self._waiting += 1
        try:
            return self._changed.wait_for(lambda: self._has_room(address), PATIENCE)
        finally:
            self._waiting -= 1

    def _leave(self, arrival: Arrival) -> None:
        address = arrival.sender.address
        with self._changed:
            self._under_way.remove(arrival)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
            self._changed.notify_all()

    def _watch(self) -> None:
        while True:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            self.end_overdue()

    def end_overdue(self) -> int:
        """Shut the connections of bodies that have not arrived in time; return how many."""
        with self._changed:
            senders = {
                arrival.sender.connection
                for arrival in self._under_way
                if self._clock() - arrival.began > WITHIN
            }
        return sum(sever(*sender, silent_for=WITHIN) for sender in senders if sender)
