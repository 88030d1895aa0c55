"""Time what authentication costs, and what wrong passwords cost the others, on a real server.

    .venv/bin/python -m bench.authentication [--calls 2000] [--flood 10]

It makes a folder and a database of its own (SQLite, or on the local PostgreSQL with `--postgresql`).
The cost of a request is the processor time of the thread, interleaved with a reference: a digest
of HMAC-SHA256 and one SELECT by primary key, without anything of ours. Loopback addresses serve as
the addresses of different callers.
"""

import argparse
import base64
import http.client
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATUS = "/scheduler/connector-api/process/status/x"
OWNER, ATTACKER, OTHER = "127.0.0.3", "127.0.0.2", "127.0.0.4"
SERVER = "postgres://postgres@127.0.0.1:5432"


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=10, help="of interleaved failures")
    parser.add_argument("--flood", type=float, default=10.0, help="seconds")
    parser.add_argument("--postgresql", action="store_true")
    options = parser.parse_args()
    folder, name = tempfile.mkdtemp(), f"arabica_bench_{os.getpid()}"
    Path(folder, "static").mkdir()
    os.environ |= {
        "VAR_DIR": folder,
        "LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": f"{SERVER}/{name}" if options.postgresql else "",
    }
    if not options.postgresql:
        return measure(options)
    administer(f"CREATE DATABASE {name}")
    try:
        measure(options)
    finally:
        from django.db import connections

        connections.close_all()
        administer(f"DROP DATABASE {name} WITH (FORCE)")


def administer(statement: str) -> None:
    """Execute one statement on the server's own database."""
    import psycopg

    with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as connection:
        connection.execute(statement.encode())


def measure(options: argparse.Namespace) -> None:
    """Make two callers, and time them."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from connector.client_creation import create_api_client

    call_command("migrate", verbosity=0)
    _, secret = create_api_client("acme")
    get_user_model().objects.create_superuser("partner", password="open sesame")  # noqa: S106
    say(f"load {os.getloadavg()[0]:.1f}")
    time_requests(options.calls, secret)
    compare_failures(options.rounds)
    with_server(lambda port: try_lock(port, secret))
    with_server(lambda port: flood(port, secret, options.flood))


def time_requests(calls: int, secret: str) -> None:
    """Print the processor time of a check, for both kinds of callers, beside the reference."""
    import hashlib
    import hmac

    from connector.credentials import identify
    from connector.models import ApiClient

    def reference() -> None:
        hmac.new(b"key", b"secret", hashlib.sha256).digest()
        ApiClient.objects.filter(pk=1).values_list("pk").first()

    kinds: dict[str, Callable[[], object]] = {
        "reference": reference,
        "API client": lambda: identify("acme", secret, OWNER),
        "Django user": lambda: identify("partner", "open sesame", OWNER),
    }
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for check in kinds.values():
        check()
    for _ in range(calls):
        for kind, check in kinds.items():
            began = time.thread_time()
            check()
            seconds[kind].append(time.thread_time() - began)
    base = statistics.median(seconds["reference"])
    for kind, each in seconds.items():
        p50, p95 = statistics.median(each), statistics.quantiles(each, n=20)[-1]
        say(f"{kind}: p50 {p50 * 1e3:.3f} ms, p95 {p95 * 1e3:.3f} ms CPU, {p50 / base:.2f} x")


def compare_failures(rounds: int) -> None:
    """Print how long each kind of failure takes, as a ratio to that of an unknown name."""
    from django.contrib.auth import get_user_model

    from connector.client_creation import create_api_client
    from connector.credentials import identify
    from connector.models import ApiClient, WrongAttempt

    users = get_user_model().objects
    users.create_user("not permitted", password="x")  # noqa: S106
    users.create_user("locked", password="x", is_active=False)  # noqa: S106
    _, disabled = create_api_client("disabled")
    _, elsewhere = create_api_client("elsewhere")
    ApiClient.objects.filter(name="disabled").update(enabled=False)
    ApiClient.objects.filter(name="elsewhere").update(allowed_networks=["192.0.2.0/24"])
    kinds = {
        "unknown name": ("nobody", "x"),
        "wrong password of a user": ("partner", "x"),
        "wrong password of a client": ("acme", "x"),
        "user not permitted": ("not permitted", "x"),
        "user locked": ("locked", "x"),
        "client disabled": ("disabled", disabled),
        "client elsewhere": ("elsewhere", elsewhere),
    }
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, (name, password) in kinds.items():
            WrongAttempt.objects.all().delete()
            began = time.thread_time()
            identify(name, password, ATTACKER)
            seconds[kind].append(time.thread_time() - began)
    WrongAttempt.objects.all().delete()
    base = statistics.median(seconds["unknown name"])
    for kind, each in seconds.items():
        say(
            f"{kind}: {statistics.median(each) * 1e3:.1f} ms, {statistics.median(each) / base:.3f} x"
        )


def with_server(measurement: Callable[[int], None]) -> None:
    """Call `measurement` with the port of a web server with two processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    server = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "manage.py", "web", "--port", str(port), "--processes", "2"], cwd=ROOT
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        measurement(port)
    finally:
        server.terminate()
        server.wait(30)


def call(port: int, address: str, name: str, password: str) -> tuple[int, str, float]:
    """Return status, Retry-After and seconds of a status call from `address`."""
    credentials = base64.b64encode(f"{name}:{password}".encode()).decode()
    began = time.monotonic()
    connection = http.client.HTTPConnection(
        "127.0.0.1", port, timeout=60, source_address=(address, 0)
    )
    connection.request("GET", STATUS, headers={"Authorization": f"Basic {credentials}"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("Retry-After", ""), time.monotonic() - began


def try_lock(port: int, secret: str) -> None:
    """Print what eleven attempts get, and the owner from another address."""
    began = time.monotonic()
    wrong = [call(port, ATTACKER, "acme", "wrong")[0] for _ in range(11)]
    seconds = time.monotonic() - began  # over a minute on a busy machine locks nobody
    right = call(port, ATTACKER, "acme", secret)
    owner = call(port, OWNER, "acme", secret)
    say(
        f"11 wrong passwords in {seconds:.0f} s: {dict(Counter(wrong))}; then the right one: {right[0]},"
    )
    say(f"  Retry-After {right[1]} s; the owner from another address: {owner[0]} (404 is answered)")


def flood(port: int, secret: str, seconds: float) -> None:
    """Print how long right calls of a client and a user take, alone and beside a flood."""
    alone = time_callers(port, secret, seconds)
    over = threading.Event()
    answers: Counter[int] = Counter()

    def attack(number: int) -> None:
        made = 0
        while not over.is_set():
            made += 1
            answers[call(port, ATTACKER, f"name {number} {made}", "wrong")[0]] += 1

    threads = [threading.Thread(target=attack, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    beside = time_callers(port, secret, seconds)
    over.set()
    for thread in threads:
        thread.join()
    say(f"flood of 20 callers with ever new names from one address: {dict(answers)}")
    for kind in alone:
        say(
            f"{kind}: p50 {alone[kind][0] * 1e3:.0f} ms, p95 {alone[kind][1] * 1e3:.0f} ms alone;"
            f" p50 {beside[kind][0] * 1e3:.0f} ms, p95 {beside[kind][1] * 1e3:.0f} ms beside it"
        )


def time_callers(port: int, secret: str, seconds: float) -> dict[str, tuple[float, float]]:
    """Return p50 and p95 of right calls, one after another, in seconds."""
    callers = {"API client": ("acme", secret), "Django user": ("partner", "open sesame")}
    times: dict[str, list[float]] = {kind: [] for kind in callers}
    for name, password in callers.values():
        for _ in range(4):  # so that both processes know them
            call(port, OTHER, name, password)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for kind, (name, password) in callers.items():
            times[kind].append(call(port, OTHER, name, password)[2])
    return {
        kind: (statistics.median(each), statistics.quantiles(each, n=20)[-1])
        for kind, each in times.items()
    }


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201 - a figure


if __name__ == "__main__":
    main()
