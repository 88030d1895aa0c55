"""Requests that no client library sends: what the web server makes of them, byte by byte."""

from dataclasses import dataclass

from tests.conftest import START, STATUS

BODY = b'{"name": "CountDown"}'
CHUNKED_BODY = b"15\r\n" + BODY + b"\r\n0\r\n\r\n"
LENGTH = b"Content-Length: %d" % len(BODY)
JSON = b"Content-Type: application/json"
CHUNKED = b"Transfer-Encoding: chunked"
HOST, CLOSE = b"Host: 127.0.0.1", b"Connection: close"
AUTHORIZED = b"Authorization: {acme}"  # to be replaced by the credentials


@dataclass(frozen=True)
class RawCase:
    """What is sent, in words and as bytes, and the answer: its code is empty where it has no body."""

    sent: str
    status: int
    code: str
    data: bytes
    is_broken_off: bool = False


def request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    """Return a request as it goes over the wire."""
    return b"\r\n".join([line, *headers]) + b"\r\n\r\n" + body


def start(*headers: bytes, body: bytes = BODY) -> bytes:
    """Return a start call with these headers beside the usual ones."""
    line = f"POST {START} HTTP/1.1".encode()
    return request(line, HOST, CLOSE, AUTHORIZED, JSON, *headers, body=body)


def status(target: bytes, *headers: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """Return a status call for an id, or for whatever else the target is to say."""
    line = b"GET " + STATUS.encode() + target + b" " + version
    return request(line, CLOSE, AUTHORIZED, *(headers or (HOST,)))


def of_start(line: bytes) -> bytes:
    """Return a call of another address or by another method, with the body of a start."""
    return request(line, HOST, CLOSE, AUTHORIZED, JSON, LENGTH, body=BODY)


PATH = START.encode()
WRONG = b"Authorization: Basic eDp5"

RAW_CASES = [
    # What the web server refuses by itself, before Arabica sees anything of it.
    RawCase("a line that is no request", 400, "", b"\x16\x03\x01\x02\x00\x01\r\n\r\n"),
    RawCase("HTTP/0.9", 400, "", b"GET " + PATH + b"\r\n\r\n"),
    RawCase("HTTP/3.9 in the request line", 400, "", status(b"x", version=b"HTTP/3.9")),
    RawCase("a method with a bracket", 400, "", of_start(b"P(ST " + PATH + b" HTTP/1.1")),
    RawCase("a blank in the address", 400, "", status(b"x y")),
    RawCase("a byte over 127 in the address", 400, "", status(b"\xff")),
    RawCase("an address over 64 KiB", 414, "", status(b"a" * 70_000)),
    RawCase("200 headers", 431, "", start(LENGTH, *(b"X-%d: a" % number for number in range(200)))),
    RawCase("NUL in a header", 400, "", start(LENGTH, b"X-Odd: a\0b")),
    RawCase("a control character in a header", 400, "", start(LENGTH, b"X-Odd: a\x01b")),
    RawCase("a header without a colon", 400, "", start(LENGTH, b"X-Odd")),
    RawCase("a blank before the colon of a header", 400, "", start(LENGTH, b"X-Odd : a")),
    RawCase("a header that goes on in the next line", 400, "", start(LENGTH, b"X-Odd: a\r\n b")),
    RawCase("`Content-Length: -1`", 400, "", start(b"Content-Length: -1")),
    RawCase("`Content-Length: five`", 400, "", start(b"Content-Length: five")),
    RawCase("`Content-Length` of 31 digits", 400, "", start(b"Content-Length: 1" + b"0" * 30)),
    RawCase("two `Content-Length`s that differ", 400, "", start(LENGTH, b"Content-Length: 5")),
    RawCase("`Transfer-Encoding: identity`", 400, "", start(b"Transfer-Encoding: identity")),
    # What reaches Arabica and is answered by it.
    RawCase("a length over 1 MiB, and no body", 413, "body_too_large",
            start(b"Content-Length: 99999999999", body=b"")),
    RawCase("a length of 2,000 and 21 bytes", 400, "malformed_body",
            start(b"Content-Length: 2000"), is_broken_off=True),
    RawCase("a length that cuts the body", 400, "malformed_body", start(b"Content-Length: 5")),
    RawCase("a chunked body that breaks off", 400, "malformed_body",
            start(CHUNKED, body=b'15\r\n{"name"'), is_broken_off=True),
    RawCase("a chunk whose size is no number", 400, "malformed_body",
            start(CHUNKED, body=b"zz\r\n" + BODY + b"\r\n0\r\n\r\n")),
    RawCase("`Transfer-Encoding: gzip, chunked`", 415, "unsupported_content",
            start(b"Transfer-Encoding: gzip, chunked", body=CHUNKED_BODY)),
    RawCase("two `Authorization`s that are right", 401, "unauthorized", start(LENGTH, AUTHORIZED)),
    RawCase("two `Authorization`s, one wrong", 401, "unauthorized", start(LENGTH, WRONG)),
    RawCase("credentials of 100 KB", 401, "unauthorized",
            request(b"GET " + PATH + b" HTTP/1.1", HOST, CLOSE,
                    b"Authorization: Basic " + b"eDp5" * 25_000)),
    RawCase("a byte over 127 in `Content-Type`", 415, "unsupported_content",
            request(b"POST " + PATH + b" HTTP/1.1", HOST, CLOSE, AUTHORIZED, LENGTH,
                    JSON + b"\xff", body=BODY)),
    RawCase("no `Host`", 400, "bad_request", status(b"x", b"X-Odd: a")),
    RawCase("two `Host`s", 400, "bad_request", status(b"x", HOST, b"Host: evil.example")),
    RawCase("a byte over 127 in `Host`", 400, "bad_request", status(b"x", b"Host: \xe4")),
    RawCase("HTTP/1.0 without `Host`", 400, "bad_request",
            status(b"x", b"X-Odd: a", version=b"HTTP/1.0")),
    RawCase("HTTP/1.0, an unknown id", 404, "not_found", status(b"x", HOST, version=b"HTTP/1.0")),
    RawCase("an address in the absolute form", 404, "not_found",
            of_start(b"GET http://127.0.0.1" + STATUS.encode() + b"x HTTP/1.1")),
    RawCase("an address with two slashes at its start", 404, "not_found",
            of_start(b"POST /" + PATH + b" HTTP/1.1")),
    RawCase("an address of 60,000 characters", 404, "not_found", status(b"a" * 60_000)),
    RawCase("garbage as cookies", 404, "not_found", status(b"x", HOST, b"Cookie: \xff;;=;a=\x80")),
    RawCase("a method of 5,000 characters", 405, "method_not_allowed",
            of_start(b"A" * 5000 + b" " + PATH + b" HTTP/1.1")),
    RawCase("a refused start that waits for `100 Continue`", 415, "unsupported_content",
            start(b"Content-Length: 5000000", b"Expect: 100-continue", b"Content-Encoding: gzip",
                  body=b"")),
]  # fmt: skip

# Unusual, and nothing is wrong with them.
TAKEN = {
    "with a length": start(LENGTH),
    "chunked": start(CHUNKED, body=CHUNKED_BODY),
    "chunked in small pieces": start(
        CHUNKED, body=b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"
    ),
    "a chunk with an extension, and trailers": start(
        CHUNKED, body=b"15;x=y\r\n" + BODY + b"\r\n0\r\nX-After: a\r\n\r\n"
    ),
    "the same length twice": start(LENGTH, LENGTH),
    "a length beside chunks, which win": start(LENGTH, CHUNKED, body=CHUNKED_BODY),
    "waits for 100 Continue": start(LENGTH, b"Expect: 100-continue"),
    "HTTP/1.0": request(b"POST " + PATH + b" HTTP/1.0", HOST, AUTHORIZED, JSON, LENGTH, body=BODY),
    "a method in small letters": of_start(b"post " + PATH + b" HTTP/1.1"),
    "a byte over 127 in another header": start(LENGTH, b"X-Odd: \xff\xe4"),
    "a header of 60 KB": start(LENGTH, b"X-Large: " + b"a" * 60_000),
    "no Accept": start(LENGTH),
    "an empty Accept": start(LENGTH, b"Accept:"),
    "an Accept that cannot be read": start(LENGTH, b"Accept: ;;;,,/;q=zz"),
    "an Accept with a byte over 127": start(LENGTH, b"Accept: \xff/\xfe, application/xml"),
    "an Accept of a browser": start(LENGTH, b"Accept: text/html, */*;q=0.8"),
    "an Accept for any application": start(LENGTH, b"Accept: application/*; q=0.1"),
    "another format in the address": of_start(b"POST " + PATH + b"?format=xml HTTP/1.1"),
    "an upgrade that is not taken": start(LENGTH, b"Upgrade: h2c, websocket"),
}
