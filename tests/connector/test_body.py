"""Which bodies are taken from the server's stream, and how much of it is read."""

from collections.abc import Callable
from io import BytesIO, RawIOBase
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from connector.body import MAX_BODY, read_body
from connector.exceptions import BodyTooLarge, ConnectorError, MalformedBody, UnsupportedContent

JSON = b'{"name": "Nightly"}'


def announced(body: bytes = JSON, /, **environ: Any) -> HttpRequest:
    headers: dict[str, Any] = {
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
    }
    return RequestFactory().post("/", **headers | environ)


def chunked(body: bytes = JSON, /, **environ: Any) -> HttpRequest:
    return announced(body, CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked", **environ)


class Endless(RawIOBase):
    """A client that never stops sending; counts what was taken from it."""

    taken = 0

    def read(self, size: int = -1) -> bytes:
        assert size > 0
        self.taken += size
        return bytes(size)


class Dribble(BytesIO):
    """A client whose bytes come three at a time."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(3, size) if size and size > 0 else 3)


class Broken(RawIOBase):
    """A client that is gone after the headers."""

    def read(self, size: int = -1) -> bytes:
        raise ConnectionResetError


def test_returns_an_announced_body_as_it_was_sent() -> None:
    assert read_body(announced()) == JSON


def test_returns_the_body_of_djangos_own_test_client() -> None:
    request = RequestFactory().post("/", JSON, content_type="application/json")

    assert read_body(request) == JSON


def test_returns_a_chunked_body_as_it_was_sent() -> None:
    assert read_body(chunked()) == JSON


def test_returns_an_http2_body_that_announces_no_length() -> None:
    request = announced(CONTENT_LENGTH="", **{"wsgi.input_terminated": True})

    assert read_body(request) == JSON


def test_returns_a_body_that_something_else_has_read_before() -> None:
    request = announced()
    assert request.body == JSON

    assert read_body(request) == JSON


@pytest.mark.parametrize("send", [announced, chunked])
def test_waits_for_a_body_that_comes_in_small_pieces(send: Callable[..., HttpRequest]) -> None:
    assert read_body(send(**{"wsgi.input": Dribble(JSON)})) == JSON


def test_leaves_what_follows_the_announced_body() -> None:
    stream = BytesIO(JSON + b"GET / HTTP/1.1")

    read_body(announced(**{"wsgi.input": stream}))

    assert stream.read() == b"GET / HTTP/1.1"


def test_reads_nothing_from_an_open_stream_when_no_body_is_announced() -> None:
    stream = Endless()

    assert read_body(announced(CONTENT_LENGTH="", **{"wsgi.input": stream})) == b""
    assert stream.taken == 0


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json;",
        "Application/JSON",
        " application/json ; charset=utf-8",
        "application/json; charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/json; charset=utf8",
        "application/json; Charset = UTF_8",
        "application/json; profile=x; charset='utf-8'",
        "application/json; profile=x",
    ],
)
def test_takes_json_in_utf8(content_type: str) -> None:
    assert read_body(announced(CONTENT_TYPE=content_type)) == JSON


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/jsonp",
        "application/problem+json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "application/json, application/json",
        "application/json charset=utf-8",
        "\u00ff",
    ],
)
def test_refuses_another_content_type_or_none(content_type: str) -> None:
    with pytest.raises(UnsupportedContent, match="Content-Type: application/json"):
        read_body(announced(CONTENT_TYPE=content_type))


def test_refuses_a_request_without_any_content_type() -> None:
    request = announced()
    del request.META["CONTENT_TYPE"]

    with pytest.raises(UnsupportedContent, match="Content-Type: application/json"):
        read_body(request)


@pytest.mark.parametrize(
    "charset",
    [
        "latin-1", "utf-16", "utf-8-sig", "utf-7", "us-ascii", "utf-88", "", "nonsense",
        "utf-8; charset=utf-16", "utf-16; charset=utf-8",
    ],
)  # fmt: skip
def test_refuses_another_character_set(charset: str) -> None:
    with pytest.raises(UnsupportedContent, match="UTF-8"):
        read_body(announced(CONTENT_TYPE=f"application/json; charset={charset}"))


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity", "unheard-of"])
def test_refuses_any_content_encoding(encoding: str) -> None:
    with pytest.raises(UnsupportedContent, match="Content-Encoding"):
        read_body(announced(HTTP_CONTENT_ENCODING=encoding))


@pytest.mark.parametrize("encoding", ["gzip, chunked", "gzip", "identity", ""])
def test_refuses_a_transfer_encoding_that_the_server_leaves_as_it_is(encoding: str) -> None:
    with pytest.raises(UnsupportedContent, match="chunked"):
        read_body(announced(CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING=encoding))


def test_takes_the_word_chunked_in_any_letter_case() -> None:
    assert read_body(announced(CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING=" Chunked")) == JSON


def test_reads_to_the_end_when_a_chunked_body_also_announces_a_length() -> None:
    request = announced(CONTENT_LENGTH="2", HTTP_TRANSFER_ENCODING="chunked")

    assert read_body(request) == JSON


@pytest.mark.parametrize("send", [announced, chunked])
def test_takes_a_body_of_exactly_the_limit(send: Callable[..., HttpRequest]) -> None:
    assert len(read_body(send(b" " * MAX_BODY))) == MAX_BODY


@pytest.mark.parametrize("length", [MAX_BODY + 1, 10**19])
def test_refuses_a_body_announced_over_the_limit_before_reading_it(length: int) -> None:
    stream = Endless()

    with pytest.raises(BodyTooLarge, match="1 MiB"):
        read_body(announced(CONTENT_LENGTH=str(length), **{"wsgi.input": stream}))

    assert stream.taken == 0


def test_refuses_a_chunked_body_one_byte_over_the_limit() -> None:
    with pytest.raises(BodyTooLarge, match="1 MiB"):
        read_body(chunked(b" " * (MAX_BODY + 1)))


def test_stops_reading_an_endless_chunked_body_at_the_limit() -> None:
    stream = Endless()

    with pytest.raises(BodyTooLarge):
        read_body(chunked(**{"wsgi.input": stream}))

    assert stream.taken == MAX_BODY + 1


@pytest.mark.parametrize(
    "length",
    ["-1", "+5", "1.5", "0x10", "five", " 5", "1_0", "\u0665", "5\n", "9" * 21, "9" * 5000],
)
def test_refuses_a_length_that_is_no_number_of_bytes(length: str) -> None:
    with pytest.raises(MalformedBody, match="Content-Length"):
        read_body(announced(CONTENT_LENGTH=length))


@pytest.mark.parametrize("terminated", [True, False])
def test_refuses_a_body_shorter_than_announced(terminated: bool) -> None:
    request = announced(CONTENT_LENGTH="2000", **{"wsgi.input_terminated": terminated})

    with pytest.raises(MalformedBody, match="ended after 19 of 2,000 bytes"):
        read_body(request)


@pytest.mark.parametrize("send", [announced, chunked])
def test_refuses_a_body_whose_connection_breaks(send: Callable[..., HttpRequest]) -> None:
    with pytest.raises(MalformedBody, match="connection broke"):
        read_body(send(**{"wsgi.input": Broken()}))


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"CONTENT_TYPE": "text/plain"}, 415),
        ({"HTTP_CONTENT_ENCODING": "gzip"}, 415),
        ({"CONTENT_LENGTH": str(MAX_BODY + 1)}, 413),
        ({"CONTENT_LENGTH": "x"}, 400),
    ],
)
def test_each_refusal_has_its_status(environ: dict[str, str], status: int) -> None:
    with pytest.raises(ConnectorError) as refusal:
        read_body(announced(**environ))

    assert refusal.value.status == status
