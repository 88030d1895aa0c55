"""Time the main job on a running installation: POST to SUCCEEDED, polled every 20 ms.

    ARABICA_PASSWORD=... .venv/bin/python bench/main_job.py [--runs 100] [--port 8000]

Each round also makes one bare request to /healthz on the same connection; the ratio to it is what
compares between machines.
"""

import argparse
import base64
import http.client
import json
import os
import statistics
import time
from typing import Any

START = "/scheduler/connector-api/process/start"
STATUS = "/scheduler/connector-api/process/status/"
BODY = json.dumps(
    {
        "name": "OneStepNotepadRunner",
        "runImmediately": "Y",
        "runOnce": "Y",
        "values": {"username": "Ada", "usersurname": "Lovelace"},
    }
)


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int, name: str, password: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        credentials = base64.b64encode(f"{name}:{password}".encode()).decode()
        self._headers = {
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/json",
        }

    def call(self, method: str, path: str, body: str | None = None) -> Any:
        """Return the parsed body of a 200; anything else ends the benchmark."""
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{answer.status} {text.decode()}")
        return json.loads(text)


def measure_round(client: Client) -> tuple[float, float, float]:
    """Return the seconds of a bare request, of the start call, and from POST to SUCCEEDED."""
    began = time.perf_counter()
    client.call("GET", "/healthz")
    bare = time.perf_counter() - began
    began = time.perf_counter()
    spid = client.call("POST", START, BODY)["robustaSpid"]
    started = time.perf_counter() - began
    while client.call("GET", STATUS + spid)["status"] != "SUCCEEDED":
        time.sleep(0.02)
    return bare, started, time.perf_counter() - began


def main() -> None:
    """Print median and 95th percentile of each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--user", default="demo")
    options = parser.parse_args()
    client = Client(options.port, options.user, os.environ["ARABICA_PASSWORD"])
    rounds = [measure_round(client) for _ in range(options.runs)]
    bare, started, ended = (sorted(column) for column in zip(*rounds, strict=True))
    reference = statistics.median(bare)
    for name, seconds in (("healthz", bare), ("start", started), ("POST to SUCCEEDED", ended)):
        median, late = statistics.median(seconds), seconds[int(len(seconds) * 0.95)]
        print(  # noqa: T201 - its purpose
            f"{name:<18} p50 {median * 1000:7.1f} ms   p95 {late * 1000:7.1f} ms"
            f"   p50 / healthz {median / reference:6.1f}"
        )


if __name__ == "__main__":
    main()
