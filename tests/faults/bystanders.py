"""Calls of everybody else while something weighs on the web server, and how long they take."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID

from tests.conftest import START, STATUS
from tests.faults.callers import percentile_95
from tests.faults.journal import Journal
from tests.faults.journaled import NAME

PAUSE = 0.1  # seconds between two calls of a kind
HEALTH, STATUS_CALL, START_CALL = "health", "status", "start"

Connect = Callable[[], http.client.HTTPConnection]


class Bystanders:
    """One caller for each kind of call; what each took is in `taken`, what was wrong in `wrong`."""

    def __init__(self, connect: Connect, headers: Mapping[str, str], journal: Journal) -> None:
        self._connect = connect
        self._headers = dict(headers)
        self._journal = journal
        self._stop = threading.Event()
        self.taken: dict[str, list[float]] = {HEALTH: [], STATUS_CALL: [], START_CALL: []}
        self.wrong: list[str] = []

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Call again and again while the block goes on."""
        robusta_spid = self.start()
        calls: list[Callable[[], object]] = [
            lambda: self._call(HEALTH, "GET", "/healthz"),
            lambda: self._call(STATUS_CALL, "GET", f"{STATUS}{robusta_spid}"),
            self.start,
        ]
        with ThreadPoolExecutor(len(calls)) as pool:
            going_on = [pool.submit(self._go_on, call) for call in calls]
            try:
                yield
            finally:
                self._stop.set()
            for call in going_on:
                call.result()

    def start(self) -> UUID:
        """Start a journaled run."""
        body = json.dumps({"name": NAME})
        answer = self._call(START_CALL, "POST", START, body)
        robusta_spid = UUID(str(answer["robustaSpid"]))
        self._journal.acknowledge(robusta_spid)
        return robusta_spid

    def p95(self) -> dict[str, float]:
        """Return the 95th percentile of each kind, in seconds."""
        return {kind: percentile_95(seconds) for kind, seconds in self.taken.items()}

    def _go_on(self, call: Callable[[], object]) -> None:
        while not self._stop.wait(PAUSE):
            try:
                call()
            except (OSError, http.client.HTTPException, KeyError) as error:
                self.wrong.append(repr(error))

    def _call(
        self, kind: str, method: str, path: str, body: str | None = None
    ) -> dict[str, object]:
        began = time.monotonic()
        connection = self._connect()
        try:
            connection.request(method, path, body, self._headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
            self.taken[kind].append(time.monotonic() - began)
        if answer.status != 200:
            self.wrong.append(f"{kind}: {answer.status} {text[:200]!r}")
        return dict(json.loads(text)) if kind != HEALTH else {}
