"""What the proxy of production refuses by itself: in JSON too, for callers who read a message."""

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from connector.error_codes import CODES
from tests.conftest import START
from tests.services import REMEDIES, REQUIRED, has_nginx
from tests.stack.deployment import Deployment
from tests.stack.raw_requests import BODY, CLOSE, HOST, JSON, LENGTH, request
from tests.stack.web_server import PROJECT, web_server

POST, TRACE = (f"{method} {START} HTTP/1.1".encode() for method in ("POST", "TRACE"))
MOST_AT_ONCE = 3
HALF = request(POST, HOST, JSON, b"Content-Length: 2000", body=b"{")


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Return nginx with the site of production; nothing that it asks web for needs a database."""
    if not has_nginx():
        (pytest.fail if REQUIRED else pytest.skip)(f"No nginx: {REMEDIES['nginx']}.")
    folder: Path = tmp_path_factory.mktemp("proxy")
    with web_server(folder / "web", "sqlite:////nowhere/at/all") as web:
        proxy = Deployment(PROJECT, folder, "sqlite:////nowhere/at/all")
        proxy.web_port = web.port
        try:
            proxy.start_proxy(limit_conn=f"arabica {MOST_AT_ONCE}")
            wait_until_it_listens(proxy)
            yield proxy
        finally:
            proxy.end()


def wait_until_it_listens(proxy: Deployment) -> None:
    for _ in range(200):
        with suppress(OSError), connect(proxy):
            return
    raise AssertionError((proxy.folder / "nginx.output").read_text())


def connect(proxy: Deployment) -> ssl.SSLSocket:
    """Return a TLS connection to the proxy."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", proxy.https_port), timeout=30)
    return context.wrap_socket(plain)


def exchange(proxy: Deployment, sent: bytes) -> tuple[int, dict[str, str], Any]:
    """Send bytes; return status, headers and the parsed body."""
    received = b""
    with connect(proxy) as connection:
        connection.sendall(sent)
        with suppress(ConnectionResetError, ssl.SSLEOFError):
            while piece := connection.recv(65536):
                received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): text for name, text in (line.split(": ", 1) for line in lines)}
    return int(first.split()[1]), headers, json.loads(body)


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        pytest.param(b"no HTTP at all\r\n\r\n", 400, "bad_request", id="garbage"),
        pytest.param(
            request(POST, HOST, CLOSE, b"X-Large: " + b"a" * 40_000), 400, "bad_request", id="header"
        ),
        pytest.param(
            request(b"GET /scheduler/" + b"a" * 40_000 + b" HTTP/1.1", HOST, CLOSE),
            400, "bad_request", id="address",
        ),
        pytest.param(
            request(POST, HOST, CLOSE, LENGTH, b"Content-Length: 5", body=BODY),
            400, "bad_request", id="two lengths",
        ),
        pytest.param(
            request(POST, HOST, CLOSE, b"X-Odd: a\0b"), 400, "bad_request", id="NUL in a header"
        ),
        pytest.param(
            request(POST, HOST, CLOSE, JSON, b"Transfer-Encoding: gzip", body=BODY),
            400, "bad_request", id="transfer encoding",
        ),
        pytest.param(request(TRACE, HOST, CLOSE), 405, "method_not_allowed", id="TRACE"),
        pytest.param(
            request(POST, HOST, CLOSE, JSON, b"Content-Length: 9000000"),
            413, "body_too_large", id="over 8 MB",
        ),
    ],
)  # fmt: skip
def test_proxy_refuses_in_json(proxy: Deployment, sent: bytes, status: int, code: str) -> None:
    answered, headers, body = exchange(proxy, sent)

    assert (answered, body["code"]) == (status, code)
    assert headers["content-type"] == "application/json"
    assert body["message"].endswith(".")
    assert body.keys() == {"message", "code"}
    assert body["code"] in CODES


def test_too_many_requests_at_once_are_told_when_to_come_again(proxy: Deployment) -> None:
    with ExitStack() as stack:
        for _ in range(MOST_AT_ONCE):
            stack.enter_context(connect(proxy)).sendall(HALF)
        status, headers, body = exchange(proxy, request(POST, HOST, CLOSE, LENGTH, body=BODY))

    assert (status, headers["retry-after"], body["code"]) == (429, "5", "too_many_arriving")


def test_answer_of_the_api_itself_passes_as_it_is(proxy: Deployment) -> None:
    status, headers, body = exchange(proxy, request(b"GET /scheduler/x HTTP/1.1", HOST, CLOSE))

    assert (status, body["code"]) == (404, "not_found")
    assert headers["x-request-id"]
