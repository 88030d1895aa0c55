"""What is read of a body that nobody wanted, before the answer goes out."""

from collections.abc import Iterable
from io import BytesIO
from ipaddress import ip_network
from threading import Event, Thread
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from config.wsgi import application
from connector.body import MAX_BODY
from connector.unread import MAX_REST, SENDER_IS_KNOWN, UnreadBodies, reader
from tests.conftest import START, Caller

SIZE = 3 * MAX_BODY
REFUSAL = [b"refused"]


class Sent(BytesIO):
    """A body that counts what was taken from it."""

    def __init__(self, size: int = SIZE) -> None:
        super().__init__(bytes(size))
        self.taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.taken += len(piece)
        return piece


class Stuck(Sent):
    """A body that does not go on until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked_for = Event()
        self.go_on = Event()

    def read(self, size: int | None = -1, /) -> bytes:
        self.is_asked_for.set()
        self.go_on.wait(60)
        return super().read(size)


class Gone(Sent):
    """A body whose sender is no longer there."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise ConnectionResetError


def refuse(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer without a look at the body."""
    return REFUSAL


def call(body: Sent, app: Any = refuse, /, **environ: Any) -> Iterable[bytes]:
    """Make one call of a known sender, with the length of the body unless told otherwise."""
    announced = {"CONTENT_LENGTH": str(len(body.getvalue())), SENDER_IS_KNOWN: True}
    whole = {"wsgi.input": body} | announced | environ
    return UnreadBodies(app)({key: text for key, text in whole.items() if text is not None}, None)


@pytest.mark.parametrize(
    "headers", [{}, {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}], ids=repr
)
def test_rest_of_a_refused_body_is_read(headers: dict[str, str]) -> None:
    body = Sent()

    assert call(body, **headers) == REFUSAL
    assert body.taken == SIZE


def test_body_that_was_read_in_part_is_read_to_its_end() -> None:
    body = Sent()

    def look_at_the_start(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["wsgi.input"].read(10)
        environ["wsgi.input"].readline(10)
        return REFUSAL

    assert call(body, look_at_the_start) == REFUSAL
    assert body.tell() == SIZE


@pytest.mark.parametrize(
    "headers", [{}, {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}], ids=repr
)
def test_nothing_is_asked_for_after_the_end(headers: dict[str, str]) -> None:
    body = Sent()

    def read_whole(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        size = SIZE + 1 if headers else SIZE
        assert len(environ["wsgi.input"].read(size)) == SIZE
        body.close()  # reading it again would raise ValueError
        return REFUSAL

    assert call(body, read_whole, **headers) == REFUSAL


@pytest.mark.parametrize(
    "environ",
    [
        {SENDER_IS_KNOWN: None},
        {"HTTP_EXPECT": "100-continue"},
        {"CONTENT_LENGTH": ""},
        {"CONTENT_LENGTH": "0"},
        {"CONTENT_LENGTH": str(MAX_REST + 1)},
        {"CONTENT_LENGTH": "9" * 5000},
    ],
    ids=["stranger", "waits", "no body", "empty", "too much", "far too much"],
)
def test_body_is_left_alone(environ: dict[str, Any]) -> None:
    body = Sent()

    assert call(body, **environ) == REFUSAL
    assert body.taken == 0


def test_no_more_than_the_limit_is_read_of_a_chunked_body() -> None:
    body = Sent(2 * MAX_REST)

    assert call(body, HTTP_TRANSFER_ENCODING="chunked") == REFUSAL
    assert body.taken == MAX_REST


def test_sender_that_takes_its_time_is_answered_before_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader, "within_seconds", 0)
    body = Sent()

    assert call(body) == REFUSAL
    assert body.taken == 0


def test_sender_that_stops_in_the_middle_holds_up_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader, "is_slow_after_seconds", 0.05)
    stuck, meanwhile, afterwards = Stuck(), Sent(), Sent()
    holding = Thread(target=call, args=(stuck,))
    holding.start()
    assert stuck.is_asked_for.wait(60)

    assert call(meanwhile) == REFUSAL
    stuck.go_on.set()
    holding.join()
    assert call(afterwards) == REFUSAL

    assert (meanwhile.taken, stuck.taken, afterwards.taken) == (0, SIZE, SIZE)


def test_sender_that_is_gone_does_no_harm() -> None:
    assert call(Gone()) == REFUSAL
    assert call(body := Sent()) == REFUSAL
    assert body.taken == SIZE


def test_body_of_a_caller_with_right_credentials_is_read(
    transactional_db: None, acme: Caller
) -> None:
    body = Sent()

    status = call_application(body, HTTP_AUTHORIZATION=acme.headers["Authorization"])

    assert status == "413 Request Entity Too Large"
    assert body.taken == SIZE


def test_body_of_a_stranger_is_not_read(acme: Caller) -> None:
    body = Sent()

    assert call_application(body) == "401 Unauthorized"
    assert body.taken == 0


def test_body_of_a_stranger_behind_the_proxy_is_read(acme: Caller, settings: Any) -> None:
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.1")]
    body = Sent()

    assert call_application(body, HTTP_X_FORWARDED_FOR="198.51.100.9") == "403 Forbidden"
    assert body.taken == SIZE


def call_application(body: Sent, **environ: str) -> str:
    """Post a body to the start call of the whole application; return the status line."""
    statuses = []
    whole: dict[str, Any] = {
        "wsgi.input": body,
        "REQUEST_METHOD": "POST",
        "PATH_INFO": START,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(SIZE),
        "REMOTE_ADDR": "127.0.0.1",
    }
    setup_testing_defaults(whole)
    answer = application(whole | environ, lambda status, headers: statuses.append(status))
    answer.close()  # type: ignore[attr-defined]
    return str(statuses[0])
