"""A look at something that may be frozen, with an end."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

from django.db import connections

T = TypeVar("T")

# A frozen database keeps every thread that asks it, so there must not be more for each probe.
MOST_AT_ONCE = 4
_looking = threading.BoundedSemaphore(MOST_AT_ONCE)


class Unanswered(Exception):
    """There was no answer in time."""


def call_within(seconds: float, look: Callable[[], T]) -> T:
    """Return what `look` returns, or raise what it raises, from a thread with its own connections.

    Raise Unanswered after `seconds`, and at once while earlier looks still hang. A look that hangs
    is left to itself: a statement that waits for a frozen server cannot be interrupted.
    """
    if not _looking.acquire(blocking=False):
        raise Unanswered(f"{MOST_AT_ONCE} earlier looks have had no answer yet")
    answers: SimpleQueue[tuple[T | None, Exception | None]] = SimpleQueue()

    def answer() -> None:
        try:
            answers.put((look(), None))
        except Exception as error:  # whatever it is, the caller's thread raises it
            answers.put((None, error))
        finally:
            connections.close_all()
            _looking.release()

    threading.Thread(target=answer, name="look", daemon=True).start()
    try:
        found, error = answers.get(timeout=seconds)
    except Empty:
        raise Unanswered(f"no answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return found  # type: ignore[return-value]  # None only if `look` returned it
