"""How long a request waits for a database that says nothing, and what comes after that.

A server that is frozen, or behind a network that drops packets, refuses nothing: its clients would
wait for ever, and four such requests hold every thread of a web process. Workers and beats do
wait: they have nothing better to do, and go on by themselves.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse

API_PREFIX = "/scheduler/"
API_SECONDS = 4.0  # for each statement
PAGE_SECONDS = 30.0  # people may ask for more at once
SECONDS_BETWEEN_TRIES = 1.0

patience: ContextVar[float | None] = ContextVar("patience", default=None)


class PatienceMiddleware:
    """Give each request the time that its caller can be expected to wait for one statement."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request with an end to each wait for the database."""
        for_api = request.path_info.startswith(API_PREFIX)
        token = patience.set(API_SECONDS if for_api else PAGE_SECONDS)
        try:
            return self._get_response(request)
        finally:
            patience.reset(token)


class Door:
    """The way to the server, for the threads of this process.

    Once it was silent only one thread at a time knocks, once a second; the others are refused at
    once, so that no queue of requests builds up behind a server that does not answer.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._is_silent = False
        self._next_try = float("-inf")
        self._knocking = threading.Lock()

    def note_silence(self) -> None:
        """Note that the server did not answer in time."""
        self._is_silent = True

    @contextmanager
    def knock(self) -> Iterator[None]:
        """Connect within the block. Raise OperationalError while it is of no use to try."""
        if not self._is_silent:
            yield
            return
        if self._clock() < self._next_try or not self._knocking.acquire(blocking=False):
            raise OperationalError("the server was silent a moment ago; it is not asked again yet")
        try:
            yield
            self._is_silent = False
        finally:
            self._next_try = self._clock() + SECONDS_BETWEEN_TRIES
            self._knocking.release()


door = Door()
