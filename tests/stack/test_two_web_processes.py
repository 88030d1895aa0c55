"""Two web processes on one database: what is refused by one is refused by the other."""

import http.client
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from connector.models import ApiClient, WrongAttempt
from connector.rotation import find_live_secrets, revoke_secret
from processes.models import ProcessModel
from tests.at_once import run_at_once
from tests.conftest import START, STATUS, Caller, make_caller
from tests.factories import ProcessModelFactory
from tests.stack.web_server import WebServer, web_server

HERE, ELSEWHERE = "127.0.0.2", "127.0.0.3"
IN_FORCE_WITHIN = 5.0

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def servers(transactional_db: None, tmp_path: Path) -> Iterator[list[WebServer]]:
    """Return two running web servers on the test's database."""
    with ExitStack() as stack:
        yield [stack.enter_context(web_server(tmp_path / name)) for name in ("one", "two")]


def call(
    server: WebServer, caller: Caller, address: str = HERE, *, body: bytes | None = None
) -> tuple[int, Message]:
    """Return status and headers of a status call, or of a start with `body`."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", server.port, timeout=60, source_address=(address, 0)
    )
    method, path = ("GET", STATUS + "x") if body is None else ("POST", START)
    connection.request(method, path, body, caller.headers | {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers


def test_of_fifty_wrong_passwords_at_once_ten_are_hashed(servers: list[WebServer]) -> None:
    acme, wrong = make_caller("acme"), Caller("acme", "wrong")
    turns = itertools.cycle(servers)
    assert [call(server, acme)[0] for server in servers] == [404, 404]

    statuses = Counter(run_at_once(lambda: call(next(turns), wrong)[0], threads=50))

    assert statuses == {401: 10, 429: 40}
    assert WrongAttempt.objects.count() == 10
    for server in servers:
        status, headers = call(server, acme)
        assert status == 429
        assert 1 <= int(headers["Retry-After"]) <= 60
        assert call(server, acme, ELSEWHERE)[0] == 404


@pytest.mark.parametrize("change", ["disabled", "expired", "revoked", "networks", "process models"])
def test_a_change_of_a_client_is_in_force_in_every_process(
    servers: list[WebServer], change: str
) -> None:
    acme = make_caller("acme")
    ProcessModelFactory.create(name="CountDown")
    other: ProcessModel = ProcessModelFactory.create()
    body = b'{"name": "CountDown"}'
    assert [call(server, acme, body=body)[0] for server in servers] == [200, 200]

    _change(ApiClient.objects.get(), change, other)
    time.sleep(IN_FORCE_WITHIN)

    refused = 400 if change == "process models" else 401
    assert [call(server, acme, body=body)[0] for server in servers] == [refused, refused]


def _change(client: ApiClient, change: str, other: ProcessModel) -> None:
    fields: dict[str, dict[str, Any]] = {
        "disabled": {"enabled": False},
        "expired": {"expires_at": client.created_at},
        "networks": {"allowed_networks": ["192.0.2.0/24"]},
    }
    if change == "revoked":
        revoke_secret(find_live_secrets(client)[0])
    elif change == "process models":
        client.process_models.add(other)
    else:
        ApiClient.objects.filter(pk=client.pk).update(**fields[change])


def test_a_limit_of_requests_holds_over_both(servers: list[WebServer]) -> None:
    acme = make_caller("acme")
    ApiClient.objects.update(rate_limit=15)
    turns = itertools.cycle(servers)

    statuses = Counter(run_at_once(lambda: call(next(turns), acme)[0], threads=30))

    assert statuses == {404: 15, 429: 15}
