"""Read the bytes of a request's body: what it is announced as, and never more than the limit."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest, UnreadablePostError

from connector.arrivals import WITHIN, TooManyArriving, TooSlow
from connector.exceptions import (
    BodiesArriving,
    BodyTooLarge,
    BodyTooSlow,
    ConnectorError,
    MalformedBody,
    UnsupportedContent,
)

MAX_BODY = 1024 * 1024
PIECE = 64 * 1024

CHARSET = re.compile(r";\s*charset\s*=([^;]*)", re.IGNORECASE)


def read_body(request: HttpRequest) -> bytes:
    """Return the whole body, announced or chunked; it can be read once.

    Raise UnsupportedContent for anything but plain JSON in UTF-8, BodyTooLarge over the limit,
    MalformedBody when the length is no number or more was announced than came, BodyTooSlow and
    BodiesArriving when it holds a thread too long or one too many.
    """
    _check_headers(request.META)
    try:
        if _is_streamed(request.META):
            return _read_to_end(request.META["wsgi.input"].read)
        return _read_announced(request.read, request.META.get("CONTENT_LENGTH", ""))
    except OSError as error:
        raise _explain(error) from error


def _check_headers(meta: Mapping[str, Any]) -> None:
    content_type = meta.get("CONTENT_TYPE", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedContent(
            "Send the body as JSON with the header Content-Type: application/json."
        )
    if not all(_is_utf8(charset) for charset in CHARSET.findall(content_type)):
        raise UnsupportedContent(
            "Send the body in UTF-8 with the header Content-Type: application/json; charset=utf-8."
        )
    if meta.get("HTTP_CONTENT_ENCODING"):
        raise UnsupportedContent("Send the body as it is, without the header Content-Encoding.")
    if meta.get("HTTP_TRANSFER_ENCODING", "chunked").strip().lower() != "chunked":
        raise UnsupportedContent("Send the body with a Content-Length or chunked, not compressed.")


def _is_utf8(charset: str) -> bool:
    return re.sub(r"[\s\"'_-]", "", charset).lower() == "utf8"


def _is_streamed(meta: Mapping[str, Any]) -> bool:
    # HTTP/2 needs neither header; there the server's word that its stream ends must do, because
    # reading a stream without an end would wait for the client for ever.
    return "HTTP_TRANSFER_ENCODING" in meta or (
        not meta.get("CONTENT_LENGTH") and bool(meta.get("wsgi.input_terminated"))
    )


def _read_to_end(read: Callable[[int], bytes]) -> bytes:
    # Django's request.read stops at the announced length, which a chunked body does not have.
    body = _read_up_to(read, MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise _too_large()
    return body


def _read_announced(read: Callable[[int], bytes], announced: str) -> bytes:
    if not re.fullmatch(r"[0-9]{0,20}", announced):
        raise MalformedBody("Send the length of the body in bytes as the header Content-Length.")
    length = int(announced or 0)
    if length > MAX_BODY:
        raise _too_large()
    body = _read_up_to(read, length)
    if len(body) < length:
        raise MalformedBody(
            f"The body ended after {len(body):,} of {length:,} bytes; send the request again."
        )
    return body


def _read_up_to(read: Callable[[int], bytes], size: int) -> bytes:
    body = bytearray()
    while len(body) < size:
        piece = read(min(PIECE, size - len(body)))
        if not piece:
            break
        body += piece
    return bytes(body)


def _explain(error: OSError) -> ConnectorError:
    # Django wraps what its own reading meets.
    cause = error.__cause__ if isinstance(error, UnreadablePostError) else error
    if isinstance(cause, TooSlow):
        return BodyTooSlow(WITHIN)
    if isinstance(cause, TooManyArriving):
        return BodiesArriving(is_own=cause.is_own)
    return MalformedBody("The connection broke while the body was read; send the request again.")


def _too_large() -> BodyTooLarge:
    return BodyTooLarge("The body is over 1 MiB; send less in one request.")
