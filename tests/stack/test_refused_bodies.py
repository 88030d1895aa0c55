"""Bodies that are refused, sent to the server itself with no proxy in between."""

import base64
import http.client
import json
import socket
from contextlib import ExitStack
from typing import Any

from tests.conftest import START
from tests.stack.conftest import Installation

LARGE = 7_000_000


def send_head(running: Installation, password: str) -> socket.socket:
    """Announce a large body, send its first byte, and stop there."""
    credentials = base64.b64encode(f"demo:{password}".encode()).decode()
    connection = socket.create_connection(("127.0.0.1", running.port), timeout=60)
    connection.sendall(
        f"POST {START} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {credentials}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {LARGE}\r\n\r\n{{".encode()
    )
    return connection


def read_answer(connection: socket.socket) -> tuple[int, Any]:
    """Return status and parsed body."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, json.loads(answer.read())


def test_caller_who_sends_too_much_reads_why(running: Installation) -> None:
    answers = [running.call("POST", START, b" " * LARGE) for _ in range(10)]

    assert {(status, answer["code"]) for status, answer in answers} == {(413, "body_too_large")}


def test_stranger_is_answered_while_the_body_is_still_to_come(running: Installation) -> None:
    with send_head(running, "wrong") as connection:
        status, answer = read_answer(connection)

    assert (status, answer["code"]) == (401, "unauthorized")


def test_callers_who_stop_in_the_middle_hold_one_thread_at_most(running: Installation) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(send_head(running, running.password))
        answers = [running.call("GET", "/healthz")[0] for _ in range(20)]

    assert set(answers) == {200}
