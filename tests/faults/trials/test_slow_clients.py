"""Hundreds of callers that send a byte at a time, and thousands that send nothing: others go on."""

import http.client
import json
import os
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
from django.db import connection

from processes.models import Run
from tests.conftest import START
from tests.faults import slow_clients
from tests.faults.bystanders import Bystanders, Connect
from tests.faults.callers import Caller
from tests.faults.checker import check_runs
from tests.faults.conftest import pick
from tests.faults.ground import PROJECT, Ground
from tests.faults.results import Result
from tests.faults.slow_clients import IDLE, Crowd
from tests.services import has_nginx
from tests.stack.conftest import free_port
from tests.stack.deployment import HOST, write_site

SLOW = pick(short=60, long=500)
CONNECTIONS = pick(short=200, long=2_000)
LASTING = pick(short=6.0, long=60.0)  # seconds
ALONE = pick(short=3.0, long=15.0)  # seconds without them
RIGHT = 8
FROM = [f"127.0.0.{number}" for number in range(2, 6)]
OTHERS_WITHIN = 1.0  # seconds, for 95 of 100
# MiB, of all processes of the web server. SQLite keeps up to 2 MB of pages for each connection, one a
# thread, of which the crowds wake all.
MAX_GROWTH = {"postgresql": 64, "sqlite": 192}
SETTLED_WITHIN = 60.0
MIB = 1024 * 1024


def test_slow_clients_hold_up_nobody_else(ground: Ground, seed: int) -> None:
    caller = prepare(ground)
    wrong = b64encode(b"customer:wrong").decode()
    unknown = b64encode(b"nobody:wrong").decode()
    crowds = [
        Crowd("without credentials", SLOW // 2, FROM, make_head()),
        Crowd("wrong password", SLOW // 4, FROM, make_head(f"Basic {wrong}")),
        Crowd("unknown name", SLOW - SLOW // 2 - SLOW // 4, FROM, make_head(f"Basic {unknown}")),
        Crowd("right", RIGHT, FROM, make_head(caller.headers["Authorization"])),
        Crowd(IDLE, CONNECTIONS, FROM),
    ]

    def connect() -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", caller.port, timeout=20)

    hold_out(ground, caller, crowds, connect, fault="18 slow clients", seed=seed)


@pytest.mark.skipif(not has_nginx(), reason="It is about nginx, which is not here.")
def test_proxy_takes_the_slow_clients_on_itself(ground: Ground, seed: int) -> None:
    ground.environment |= {"TRUSTED_PROXIES": "127.0.0.1", "ALLOWED_HOSTS": f"{HOST},127.0.0.1"}
    caller = prepare(ground)
    port = free_port()
    with proxy(ground, caller.port, port):
        right = caller.headers["Authorization"]
        crowds = [
            Crowd("without credentials", SLOW, FROM, make_head()),
            Crowd("right", SLOW, FROM, make_head(right)),
            Crowd(IDLE, CONNECTIONS, FROM),
        ]
        hold_out(
            ground,
            caller,
            crowds,
            lambda: connect_by_tls(port),
            fault="18 slow clients, nginx",
            seed=seed,
            tls_port=port,
        )


def prepare(ground: Ground) -> Caller:
    """Start web with two processes, and a worker."""
    ground.prepare()
    caller = Caller(ground)
    caller.start_web("manage.py", "web", "--processes", "2")
    ground.start_worker(concurrency=2)
    return caller


def make_head(authorization: str = "") -> str:
    """Return the head of a start call whose body never comes to its end."""
    line = f"Authorization: {authorization}\r\n" if authorization else ""
    return (
        f"POST {START} HTTP/1.1\r\nHost: 127.0.0.1\r\n{line}"
        "Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{"
    )


@contextmanager
def proxy(ground: Ground, web_port: int, https_port: int) -> Iterator[None]:
    """Have nginx in front, with the site of the documentation."""
    command = write_site(
        PROJECT, ground.folder, web_port=web_port, http_port=free_port(), https_port=https_port
    )
    ground.start_program("nginx", command)
    ground.wait_until(lambda: answers(https_port), "an answer of nginx", "nginx")
    yield
    ground.stop("nginx")


def answers(port: int) -> bool:
    """Tell whether health is answered by TLS."""
    connection = connect_by_tls(port)
    try:
        connection.request("GET", "/healthz", headers={"Host": HOST})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def connect_by_tls(port: int) -> http.client.HTTPSConnection:
    """Return a connection to nginx, whose certificate nobody has signed."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)


def hold_out(
    ground: Ground,
    caller: Caller,
    crowds: list[Crowd],
    connect: Connect,
    *,
    fault: str,
    seed: int,
    tls_port: int | None = None,
) -> None:
    """Let the crowds come; everybody else has to be served meanwhile, and nothing may grow."""
    headers = caller.headers | {"Host": HOST if tls_port else "127.0.0.1"}
    alone = Bystanders(connect, headers, ground.journal)
    with alone.calling():
        time.sleep(ALONE)
    before = measure_memory(ground)
    others = Bystanders(connect, headers, ground.journal)

    argument = slow_clients.describe(tls_port or caller.port, crowds, tls=bool(tls_port))
    with others.calling():
        ground.start("slow", "-m", slow_clients.__name__, argument, ready="are coming")
        time.sleep(LASTING)
        growth = (measure_memory(ground) - before) / MIB
        connections = sum(len(process.net_connections("tcp")) for process in processes_of(ground))
        ground.stop("slow")
    answered = json.loads(ground.read_output("slow").splitlines()[-1])
    ground.wait_until(
        lambda: not Run.objects.unfinished().exists(), "the last run", seconds=SETTLED_WITHIN
    )

    findings = check_runs(ground.journal.read())
    p95, p95_alone = others.p95(), alone.p95()
    note = (
        f"p95 {describe(p95)}, before {describe(p95_alone)};"
        f" web +{growth:.0f} MiB with {connections} connections; answers {answered};"
        f" load {os.getloadavg()[0]:.1f}; slowest: a call of others"
    )
    Result.of(
        f"{fault} ({ground.pair})",
        findings,
        trials=sum(len(seconds) for seconds in others.taken.values()),
        seed=seed,
        slowest=max(max(seconds) for seconds in others.taken.values()),
        note=note,
    ).keep()
    assert not findings, str(findings)
    assert not others.wrong, others.wrong[:5]
    # On a machine that has other things to do, no more than twice as long as without them.
    assert max(p95.values()) <= max(OTHERS_WITHIN, 2 * max(p95_alone.values())), p95
    assert growth <= MAX_GROWTH[connection.vendor]
    assert_felt(answered, behind_proxy=bool(tls_port))


def describe(p95: dict[str, float]) -> str:
    """Return the percentiles in words."""
    return ", ".join(f"{kind} {seconds * 1000:.0f} ms" for kind, seconds in p95.items())


def assert_felt(answered: dict[str, dict[str, int]], *, behind_proxy: bool) -> None:
    """Fail if the crowds were not what they are meant to be."""
    if not behind_proxy:
        assert {*answered["without credentials"]} == {"401"}, answered
        assert {*answered["wrong password"]} <= {"401", "429"}, answered
        assert "401" in answered["wrong password"], answered
    assert "200" not in str(answered["right"]), answered
    assert not {"TimeoutError", "ConnectionRefusedError"} & {*answered[IDLE]}, answered


def processes_of(ground: Ground) -> list[psutil.Process]:
    """Return the web server with its processes."""
    parent = psutil.Process(ground.get_pid("web"))
    return [parent, *parent.children(recursive=True)]


def measure_memory(ground: Ground) -> Any:
    """Return the bytes that only the web server's processes use."""
    return sum(process.memory_full_info().uss for process in processes_of(ground))
