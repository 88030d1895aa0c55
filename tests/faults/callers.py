"""A customer's system that calls the API over HTTP, and tries again when nobody answers."""

import http.client
import json
import statistics
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

from connector.client_creation import create_api_client
from tests.conftest import START, STATUS
from tests.faults.ground import Ground
from tests.faults.journaled import NAME
from tests.stack.conftest import free_port

ANSWER_WITHIN = 20.0
TRY_AGAIN_AFTER = 0.1
GIVE_UP_AFTER = 90.0
ENDS = {"SUCCEEDED", "FAILED", "CANCELLED"}


class Caller:
    """An API client and the web server it calls; several threads may call at once.

    What was answered otherwise than it should have been is in `wrong`; how often nobody answered
    in `unanswered`; the seconds of each start that was answered in `taken`.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.port = free_port()
        _, password = create_api_client("customer")
        self.headers = {
            "Authorization": f"Basic {b64encode(f'customer:{password}'.encode()).decode()}",
            "Content-Type": "application/json",
        }
        self.with_keys = False  # an Idempotency-Key with each start
        self._lock = threading.Lock()
        self.started: list[UUID] = []
        self.taken: list[float] = []
        self.unanswered = 0
        self.wrong: list[str] = []
        (ground.folder / "static").mkdir(exist_ok=True)

    def begin_web(self, *program: str) -> None:
        """Start the web server, or the program that takes its place."""
        self._ground.start("web", *(program or ("manage.py", "web")), "--port", str(self.port))

    def start_web(self, *program: str) -> None:
        """Start it and return once it answers."""
        self.begin_web(*program)
        self._ground.wait_until(self.is_answered, "an answer", "web")

    def is_answered(self) -> bool:
        """Tell whether the web server answers."""
        try:
            return self._call("GET", "/healthz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def start(self, **values: Any) -> UUID:
        """Start a journaled run, whatever it takes; note in the journal that it was answered."""
        body = json.dumps({"name": NAME, "values": values})
        key = {"Idempotency-Key": uuid4().hex} if self.with_keys else {}
        answer, seconds = self._insist("POST", START, body, key)
        robusta_spid = UUID(answer["robustaSpid"])
        self._ground.journal.acknowledge(robusta_spid)
        with self._lock:
            self.started.append(robusta_spid)
            self.taken.append(seconds)
        return robusta_spid

    def start_many(
        self, count: int, *, threads: int = 4, lasting: float = 0.0, **values: Any
    ) -> float:
        """Start so many runs, spread over `lasting` seconds; return the 95th percentile."""
        before = len(self.taken)
        pause = lasting * threads / count

        def start_next() -> None:
            began = time.monotonic()
            self.start(**values)
            time.sleep(max(0.0, began + pause - time.monotonic()))

        with ThreadPoolExecutor(threads) as pool:
            for started in [pool.submit(start_next) for _ in range(count)]:
                started.result()
        return percentile_95(self.taken[before:])

    def status(self, robusta_spid: UUID) -> str:
        """Ask how a run stands, whatever it takes."""
        answer, _ = self._insist("GET", f"{STATUS}{robusta_spid}")
        return str(answer["status"])

    def follow(self, robusta_spid: UUID, *, pause: float = 0.2) -> None:
        """Ask until the run has ended, and once more: an end is an end."""
        while (status := self.status(robusta_spid)) not in ENDS:
            time.sleep(pause)
        if (again := self.status(robusta_spid)) != status:
            self.wrong.append(f"{robusta_spid} was {status} and is {again}")

    @contextmanager
    def calling(self, *calls: Callable[[], Any]) -> Iterator[Sequence[Future[Any]]]:
        """Make the calls in threads of their own while the block goes on; wait for them then."""
        with ThreadPoolExecutor(len(calls)) as pool:
            made = [pool.submit(call) for call in calls]
            yield made
            for call in made:
                call.result()

    def call(self, body: str, key: str) -> tuple[int, Any]:
        """Make one start call with a key; return status and parsed answer."""
        return self._call("POST", START, body, {"Idempotency-Key": key})

    def _insist(
        self,
        method: str,
        path: str,
        body: str | None = None,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[Any, float]:
        """Call until there is an answer; return it and how many seconds that call took."""
        deadline = time.monotonic() + GIVE_UP_AFTER
        while True:
            began = time.monotonic()
            try:
                status, answer = self._call(method, path, body, more)
            except (OSError, http.client.HTTPException):
                with self._lock:
                    self.unanswered += 1
            else:
                if status == 200:
                    return answer, time.monotonic() - began
                with self._lock:
                    self.wrong.append(f"{method} {path}: {status} {answer}")
            assert time.monotonic() < deadline, self.wrong[-3:]
            time.sleep(TRY_AGAIN_AFTER)

    def _call(
        self,
        method: str,
        path: str,
        body: str | None = None,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[int, Any]:
        server = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_WITHIN)
        try:
            server.request(method, path, body, self.headers | dict(more))
            answer = server.getresponse()
            text = answer.read()
        finally:
            server.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text


def percentile_95(seconds: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(seconds, n=20)[-1]
