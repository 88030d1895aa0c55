"""Clients of the API that go on while things break, and note what they were answered."""

import http.client
import json
import random
import statistics
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from connector.client_creation import create_api_client
from tests.conftest import START, STATUS
from tests.faults.ground import Ground
from tests.stack.conftest import free_port

HANGS_AFTER = 20.0  # seconds without an answer
READABLE = {"message", "code"}


@dataclass(frozen=True)
class Answer:
    """What a start call got: its status, 0 for none, and what is wrong with the answer."""

    began: float
    seconds: float
    status: int
    problem: str = ""


@dataclass
class Traffic:
    """Several clients that start runs of the journaled process model, one after the other.

    Each acknowledged id is in the journal before the next call is made.
    """

    ground: Ground
    clients: int = 6
    longest: float = 0.3  # seconds that a run lasts
    pause: float = 0.05  # seconds between two calls of a client
    seed: int = 0
    answers: list[Answer] = field(default_factory=list)
    port: int = field(default_factory=free_port)

    def start_web(self, *arguments: str) -> None:
        """Make an API client and start the web server; return once it answers."""
        _, password = create_api_client("traffic")
        self._headers = {
            "Authorization": f"Basic {b64encode(f'traffic:{password}'.encode()).decode()}",
            "Content-Type": "application/json",
        }
        (self.ground.folder / "static").mkdir(exist_ok=True)
        self.start_web_again(*arguments)

    def start_web_again(self, *arguments: str, name: str = "web") -> None:
        """Start the web server on the same port; return once it answers."""
        self.ground.start(name, "manage.py", "web", "--port", str(self.port), *arguments)
        self.ground.wait_until(lambda: self.ask("/healthz")[0] == 200, "an answer", name)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Let the clients call for as long as the block lasts."""
        over = threading.Event()
        threads = [
            threading.Thread(target=self._call_until, args=(over, random.Random(self.seed + n)))  # noqa: S311
            for n in range(self.clients)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def start_run(self, **values: Any) -> Answer:
        """Make one start call."""
        body = json.dumps({"name": "Journaled", "values": values})
        began = time.monotonic()
        status, said = self.ask(START, body)
        seconds = time.monotonic() - began
        problem = ""
        if status == 200:
            self.ground.journal.acknowledge(UUID(said["robustaSpid"]))
        elif not isinstance(said, dict) or not said.keys() >= READABLE:
            problem = f"no readable JSON: {status} {said!r}"
        answer = Answer(began, seconds, status, problem)
        self.answers.append(answer)
        return answer

    def read_status(self, run_id: UUID) -> tuple[int, Any]:
        """Ask for the status of a run."""
        return self.ask(f"{STATUS}{run_id}")

    def ask(self, path: str, body: str | None = None) -> tuple[int, Any]:
        """Return status and parsed body; 0 and the error without an answer."""
        server = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANGS_AFTER)
        try:
            server.request("GET" if body is None else "POST", path, body, self._headers)
            answer = server.getresponse()
            text = answer.read()
            return answer.status, json.loads(text)
        except (OSError, http.client.HTTPException) as error:
            return 0, repr(error)
        except ValueError:
            return answer.status, text[:80]
        finally:
            server.close()

    def _call_until(self, over: threading.Event, chance: random.Random) -> None:
        while not over.wait(self.pause * chance.uniform(0.5, 1.5)):
            self.start_run(seconds=round(chance.uniform(0, self.longest), 3))

    def count(self) -> dict[int, int]:
        """Return how many answers there were of each status."""
        return dict(Counter(answer.status for answer in self.answers))

    def problems(self, *, allowed: tuple[int, ...] = (200, 503)) -> list[str]:
        """Return what was answered that no client can make sense of."""
        bad = [answer for answer in self.answers if answer.problem or answer.status not in allowed]
        return [f"{answer.status} after {answer.seconds:.1f} s {answer.problem}" for answer in bad]

    def slowest(self) -> float:
        """Return the seconds of the slowest answer."""
        return max(answer.seconds for answer in self.answers)

    def p95(self, *, since: float, until: float) -> float:
        """Return the 95th percentile of the answers to calls between two moments."""
        taken = [a.seconds for a in self.answers if since <= a.began < until]
        return statistics.quantiles(taken, n=20)[-1] if len(taken) > 1 else 0.0

    def settled_after(self, moment: float) -> float:
        """Return the seconds from `moment` until the last answer that was no 200."""
        ends = [a.began + a.seconds for a in self.answers if a.status != 200]
        return max([0.0, *(end - moment for end in ends)])
