"""Time what a caller may not see against what does not exist, through the web server.

    .venv/bin/python -m bench.object_level [--rounds 1000] [--database postgres://...]

It makes an installation of its own: SQLite in a temporary folder, or the database that is named,
which has to be empty and is left filled. Each round makes one call of each kind, in a random order,
on one connection; a ratio to the first kind of its group that is not 1 would tell what exists.
"""

import argparse
import http.client
import json
import os
import random
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from typing import Any
from uuid import uuid4

START = "/scheduler/connector-api/process/start"
STATUS = "/scheduler/connector-api/process/status/"
RUNS = 10_000  # of the other client, so that an index has something to search
WARM_UP = 50  # rounds

Call = tuple[str, str, str]  # method, path, body


def main() -> None:
    """Print the median of each kind and its ratio to the first of its group."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--database", default="")
    options = parser.parse_args()
    folder = tempfile.mkdtemp()
    os.environ |= {
        "VAR_DIR": folder,
        "DATABASE_URL": options.database or f"sqlite:///{folder}/arabica.sqlite3",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    secret, groups = prepare()
    port = find_port()
    web = subprocess.Popen([sys.executable, "manage.py", "web", "--port", str(port)])  # noqa: S603
    try:
        caller = Caller(port, secret)
        for group in groups:
            report(measure(caller, group, options.rounds))
    finally:
        web.terminate()
        web.wait(30)


def prepare() -> tuple[str, list[dict[str, Call]]]:
    """Store two clients, and what belongs to one of them; return the other's secret and its calls."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from connector.models import ApiClient
    from processes.models import ProcessModel, Run, Worker

    model = ProcessModel.objects.create(name="Of others", executor="python")
    ProcessModel.objects.create(name="Off", executor="python", enabled=False)
    mine = ProcessModel.objects.create(name="Mine", executor="python")
    worker, other_worker = Worker.objects.create(name="a"), Worker.objects.create(name="b")
    caller, other = ApiClient.objects.create(name="caller"), ApiClient.objects.create(name="other")
    caller.process_models.add(mine)
    caller.workers.add(worker)
    run = Run(process_model=model, owner=f"client:{other.pk}")
    Run.objects.bulk_create([run])
    others = (Run(process_model=model, owner=f"client:{other.pk}") for _ in range(RUNS))
    Run.objects.bulk_create(others, batch_size=1_000)
    plan = make_plan(model, f"client:{other.pk}")
    ids = {
        "unknown id": str(uuid4()),
        "malformed id": "nonsense",
        "run of another": str(run.pk),
        "plan of another": str(plan),
    }
    names = {"unknown name": "Nobody's", "disabled": "Off", "of others": "Of others"}
    workers = {"unknown worker": 999_999, "worker of others": other_worker.pk}
    return caller.add_secret(), [
        {kind: ("GET", STATUS + text, "") for kind, text in ids.items()},
        {kind: ("POST", START, json.dumps({"name": name})) for kind, name in names.items()},
        {
            kind: ("POST", START, json.dumps({"name": "Mine", "worker": number}))
            for kind, number in workers.items()
        },
    ]


def make_plan(model: Any, owner: str) -> Any:
    """Store a plan and return its id."""
    from scheduler.drafts import ScheduleDraft
    from scheduler.planning import create_schedule

    return create_schedule(ScheduleDraft(model, "0 0 0 1 1 ? 2199", "UTC"), owner=owner).pk


def find_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Caller:
    """One keep-alive connection of the client that may see nothing."""

    def __init__(self, port: int, secret: str) -> None:
        credentials = b64encode(f"caller:{secret}".encode()).decode()
        self._headers = {
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/json",
        }
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        deadline = time.monotonic() + 60
        while self._connection.sock is None and time.monotonic() < deadline:
            try:
                self._connection.connect()
            except OSError:
                time.sleep(0.1)

    def time(self, call: Call) -> float:
        """Return the seconds of a call, which has to be refused."""
        method, path, body = call
        began = time.perf_counter()
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        answer.read()
        seconds = time.perf_counter() - began
        if answer.status not in {400, 404}:
            raise SystemExit(f"{call} was answered {answer.status}.")
        return seconds


def measure(caller: Caller, group: dict[str, Call], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each kind of call."""
    seconds: dict[str, list[float]] = {kind: [] for kind in group}
    for number in range(rounds + WARM_UP):
        for kind in random.sample(sorted(group), len(group)):
            took = caller.time(group[kind])
            if number >= WARM_UP:
                seconds[kind].append(took)
    return seconds


def report(seconds: dict[str, list[float]]) -> None:
    """Print a line for each kind."""
    reference = statistics.median(next(iter(seconds.values())))
    for kind, took in seconds.items():
        median = statistics.median(took)
        print(  # noqa: T201 - its purpose
            f"{kind:<18} p50 {median * 1000:7.3f} ms   p50 / first {median / reference:6.3f}"
        )


if __name__ == "__main__":
    main()
