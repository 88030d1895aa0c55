"""Bodies that are still arriving hold some threads, and none for ever."""

from contextlib import ExitStack
from threading import Event, Thread
from typing import Any

import pytest

from connector import arrivals as arriving
from connector.arrivals import Arrivals, Sender, TooManyArriving, TooSlow

ATTACKER, OTHER = Sender("192.0.2.1", None), Sender("192.0.2.2", None)


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.moment = 0.0

    def __call__(self) -> float:
        return self.moment


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "PATIENCE", 0.05)


def hold(stack: ExitStack, places: Arrivals, sender: Sender, count: int) -> None:
    """Take so many places until the end of the block."""
    for _ in range(count):
        stack.enter_context(places.place(sender, began=0.0))


@pytest.mark.parametrize(
    ("threads", "expected"), [(1, (1, 1)), (4, (1, 1)), (10, (4, 2)), (24, (18, 9))], ids=str
)
def test_threads_are_left_for_everybody_else(threads: int, expected: tuple[int, int]) -> None:
    places = Arrivals(threads=threads)

    assert (places.places, places.places_of_one) == expected


def test_address_that_holds_half_of_the_places_gets_no_more_and_others_do() -> None:
    places = Arrivals(threads=24, clock=Clock())

    with ExitStack() as stack:
        hold(stack, places, ATTACKER, 9)
        with pytest.raises(TooManyArriving) as refusal:
            hold(stack, places, ATTACKER, 1)
        hold(stack, places, OTHER, 9)
        with pytest.raises(TooManyArriving) as full:
            hold(stack, places, Sender("192.0.2.3", None), 1)

    assert (refusal.value.is_own, full.value.is_own) == (True, False)


def test_place_is_free_again_after_the_read_whatever_became_of_it() -> None:
    places = Arrivals(threads=1, clock=Clock())

    for _ in range(3):
        with pytest.raises(ConnectionResetError), places.place(ATTACKER, began=0.0):
            raise ConnectionResetError


def test_who_finds_no_place_waits_a_moment_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "PATIENCE", 30.0)
    places = Arrivals(threads=1, clock=Clock())
    has_place, leave = Event(), Event()

    def read() -> None:
        with places.place(ATTACKER, began=0.0):
            has_place.set()
            leave.wait(30)

    thread = Thread(target=read)
    thread.start()
    assert has_place.wait(30)
    Thread(target=leave.set).start()
    with places.place(OTHER, began=0.0):
        thread.join()


def test_no_more_than_two_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "MAX_WAITING", 0)
    monkeypatch.setattr(arriving, "PATIENCE", 30.0)
    places = Arrivals(threads=1, clock=Clock())

    with ExitStack() as stack:
        hold(stack, places, ATTACKER, 1)
        with pytest.raises(TooManyArriving):
            hold(stack, places, OTHER, 1)


def test_body_that_takes_too_long_is_read_no_further() -> None:
    clock = Clock()
    places = Arrivals(threads=24, clock=clock)
    clock.moment = arriving.WITHIN + 0.1

    with pytest.raises(TooSlow), places.place(ATTACKER, began=0.0):
        pytest.fail("it was read")


def test_connections_of_overdue_bodies_are_severed_once_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    severed: list[Any] = []

    def sever(*sender: Any, silent_for: float) -> int:
        severed.append((sender, silent_for))
        return 1

    monkeypatch.setattr(arriving, "sever", sever)
    clock = Clock()
    places = Arrivals(threads=24, clock=clock)
    slow = Sender("192.0.2.1", ("192.0.2.1", 8000))

    with ExitStack() as stack:
        hold(stack, places, slow, 2)
        hold(stack, places, OTHER, 1)  # behind a proxy
        assert places.end_overdue() == 0
        clock.moment = arriving.WITHIN + 0.1
        assert places.end_overdue() == 1
    assert places.end_overdue() == 0

    assert severed == [(("192.0.2.1", 8000), arriving.WITHIN)]
