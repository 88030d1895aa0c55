"""Every row of the table of errors through the web server, and what only raw bytes can ask for."""

import http.client
import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from processes.models import Run
from tests.conftest import START
from tests.connector.error_answers import (
    Answer,
    compare_with_document,
    find_faults,
    find_general_faults,
    send_over_http,
    write_table,
)
from tests.connector.error_cases import SECTIONS, faults
from tests.connector.error_cases.case import Case, as_code
from tests.connector.error_stage import Stage, set_stage
from tests.stack.conftest import free_port
from tests.stack.raw_requests import BODY, RAW_CASES, TAKEN, RawCase, start
from tests.stack.web_server import WebServer, web_server

MEBIBYTE = 1024 * 1024


@pytest.fixture
def stage(transactional_db: None) -> Stage:
    """Return what the cases are about, stored for other processes to see."""
    return set_stage()


@pytest.fixture
def web(stage: Stage, tmp_path: Path) -> Iterator[WebServer]:
    """Return a web server on the test's database."""
    with web_server(tmp_path) as server:
        yield server


def test_every_case_is_answered_as_the_table_says(stage: Stage, web: WebServer) -> None:
    cases = [case for section in SECTIONS for case in section.cases]

    found = {case.sent: find_faults(case, send_over_http(case, stage, web.port)) for case in cases}

    assert {sent: differences for sent, differences in found.items() if differences} == {}


def test_database_that_is_away_is_told(stage: Stage, tmp_path: Path) -> None:
    with web_server(tmp_path, f"postgres://arabica@127.0.0.1:{free_port()}/arabica") as server:
        answers = [send_over_http(case, stage, server.port) for case in faults.AWAY.cases]

    found = [
        find_faults(case, answer) for case, answer in zip(faults.AWAY.cases, answers, strict=True)
    ]
    assert found == [[]] * len(answers)


def test_odd_bytes_are_answered_as_the_document_says(stage: Stage, web: WebServer) -> None:
    answers = [exchange(web, stage, case.data, case.is_broken_off) for case in RAW_CASES]

    pairs = list(zip(RAW_CASES, answers, strict=True))
    assert {
        case.sent: found for case, answer in pairs if (found := _find_raw_faults(case, answer))
    } == {}
    rows = [[case.sent, str(answer.status), *_code_and_message(answer)] for case, answer in pairs]
    compare_with_document(
        "odd bytes", write_table(["input", "status", "`code`", "`message`"], rows)
    )
    assert not Run.objects.filter(values={"seconds": 10}).exists()


def test_unusual_requests_start_a_run(stage: Stage, web: WebServer) -> None:
    answers = {name: exchange(web, stage, data) for name, data in TAKEN.items()}

    assert {name: answer.status for name, answer in answers.items()} == dict.fromkeys(TAKEN, 200)
    assert {answer.fields["message"] for answer in answers.values()} == {"Process saved"}
    assert {answer.headers["content-type"] for answer in answers.values()} == {"application/json"}


def test_body_that_comes_slowly_is_taken(stage: Stage, web: WebServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)
    headers = stage.headers_of(Case("", 200, "", "")) | {"Content-Length": str(len(BODY))}
    connection.putrequest("POST", START)
    for name, text in headers.items():
        connection.putheader(name, text)
    connection.endheaders()
    for byte in BODY:
        time.sleep(0.02)
        connection.send(bytes([byte]))

    answer = connection.getresponse()

    assert (answer.status, json.loads(answer.read())["message"]) == (200, "Process saved")
    connection.close()


def test_bodies_over_the_limit_take_no_memory(stage: Stage, web: WebServer) -> None:
    size = 7 * MEBIBYTE
    chunks = b"".join(b"%x\r\n" % MEBIBYTE + bytes(MEBIBYTE) + b"\r\n" for _ in range(7))
    bodies = [
        start(b"Content-Length: %d" % size, body=bytes(size)),
        start(b"Transfer-Encoding: chunked", body=chunks + b"0\r\n\r\n"),
    ]
    with ThreadPoolExecutor(8) as pool:
        send = partial(exchange, web, stage)
        list(pool.map(send, bodies * 8))  # what its threads and its allocator keep for good
        before = web.measure_memory()
        sent = [pool.submit(send, data) for data in bodies * 20]
        peak = before
        while not all(answer.done() for answer in sent):
            peak = max(peak, web.measure_memory())
            time.sleep(0.01)

    grown = peak - before
    print(f"40 bodies of 7 MiB, 8 at once: grew by {grown / MEBIBYTE:.1f} MiB")  # noqa: T201
    answers = [answer.result() for answer in sent]
    assert {(answer.status, answer.fields["code"]) for answer in answers} == {
        (413, "body_too_large")
    }
    assert grown < 4 * size  # eight of them are twice as much


def exchange(web: WebServer, stage: Stage, data: bytes, is_broken_off: bool = False) -> Answer:
    """Send bytes with acme's credentials in place; return the last answer that comes back."""
    credentials = stage.headers_of(Case("", 200, "", ""))["Authorization"].encode()
    received = web.exchange(data.replace(b"{acme}", credentials), close=is_broken_off)
    received = received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    answer = http.client.HTTPResponse(_Received(received))  # type: ignore[arg-type]
    answer.begin()
    headers = {name.lower(): text for name, text in answer.getheaders()}
    return Answer(answer.status, headers, answer.read())


class _Received:
    """Bytes that were received, as http.client reads them."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _find_raw_faults(case: RawCase, answer: Answer) -> list[str]:
    status, code = answer.status, answer.fields.get("code") if answer.body else ""
    found = [] if (status, code) == (case.status, case.code) else [f"{status} {code}"]
    if not answer.body:
        return found + (["a body is missing"] if "x-request-id" in answer.headers else [])
    return found + find_general_faults(answer)


def _code_and_message(answer: Answer) -> tuple[str, Any]:
    if not answer.body:
        return "", "no body"
    return as_code(answer.fields.get("code", "")), as_code(answer.fields["message"])
