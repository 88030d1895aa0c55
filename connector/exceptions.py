"""What the connector API refuses, and the one place that turns a refusal into an answer."""

from collections.abc import Mapping
from typing import Any

import structlog
from django.core.exceptions import SuspiciousOperation
from django.db import NotSupportedError
from django.http import Http404
from rest_framework import exceptions as rest
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from processes.exceptions import InvalidValues, SecretsUnusable
from processes.outages import OUTAGES

logger = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 5
ARRIVING_RETRY_SECONDS = 2
# Of a statement that was broken off nobody knows whether the database has carried it out.
UNAVAILABLE = (
    "The service cannot use its database at the moment; try again a little later"
    " (a start that was broken off may have been stored)."
)
# Not a wrong statement, but one prepared before a migration: PostgreSQL plans it anew.
AWAY = (*OUTAGES, NotSupportedError)
NO_ADDRESS = (
    "There is nothing at this address; the calls are POST /scheduler/connector-api/process/start"
    " and GET /scheduler/connector-api/process/status/{robustaSpid}."
)
REFUSED_ADDRESS = "The address cannot be read; send no parameters but those that are documented."
NOT_JSON = "The answer is always JSON; send the header Accept: application/json, or none."
MAX_METHOD = 40  # characters of a caller's own in a message
KEY_REUSED = (
    "This Idempotency-Key came with another body in the last 24 hours; use a new key for a new"
    " start."
)

NO_SECRETS = (
    "This process takes a secret, and the service has no key to store it; ask the operator to set"
    " SECRETS_KEY."
)


class ConnectorError(Exception):
    """The request cannot be carried out; subclasses say with which HTTP status and stable code."""

    status = 400
    code = "invalid"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        errors: Mapping[str, list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.errors = dict(errors or {})
        self.headers = dict(headers or {})


class MalformedBody(ConnectorError):
    """The body is not the JSON object that the API takes."""

    code = "malformed_body"


class BodyTooLarge(ConnectorError):
    """The body is over the limit of the API."""

    status = 413
    code = "body_too_large"


class BodyTooSlow(ConnectorError):
    """The body has not arrived in so many seconds."""

    status = 408
    code = "body_too_slow"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The body did not arrive within {seconds:.0f} s; send it faster.")


class BodiesArriving(ConnectorError):
    """As many bodies as may are still arriving: 429 if from the caller's address, else 503."""

    code = "too_many_arriving"

    def __init__(self, *, is_own: bool) -> None:
        whose = "from your address " if is_own else ""
        super().__init__(
            f"Too many requests {whose}have not been sent to their end yet;"
            f" try again in {ARRIVING_RETRY_SECONDS} s.",
            headers={"Retry-After": str(ARRIVING_RETRY_SECONDS)},
        )
        self.status = 429 if is_own else 503


class UnsupportedContent(ConnectorError):
    """The content type, character set or encoding is not taken."""

    status = 415
    code = "unsupported_content"


class InvalidRequest(ConnectorError):
    """One or more fields cannot be taken; `errors` says which and why."""

    code = "invalid_request"

    @classmethod
    def on(cls, field: str, text: str) -> "InvalidRequest":
        """Return the refusal of a single field."""
        return cls.of({field: [text]})

    @classmethod
    def of(cls, errors: Mapping[str, list[str]]) -> "InvalidRequest":
        """Return the refusal of one or more fields; the message is the first text."""
        first, *others = [text for texts in errors.values() for text in texts]
        if not others:
            return cls(first, errors=errors)
        return cls(f"{first.rstrip('.')} (and {len(others)} more under errors).", errors=errors)


class KeyReused(ConnectorError):
    """The Idempotency-Key has come with another body before."""

    status = 409
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(KEY_REUSED)


class TransactionNotFound(ConnectorError):
    """No run or plan of this caller has the robustaSpid: one text, whatever the cause."""

    status = 404
    code = "not_found"

    def __init__(self) -> None:
        super().__init__(
            "No transaction with this robustaSpid was found; send the one that the start answered,"
            " as the same caller."
        )


class TooManyAttempts(ConnectorError):
    """Too many wrong passwords have come from there; `seconds` says when to try again."""

    status = 429
    code = "too_many_attempts"

    def __init__(self, seconds: int) -> None:
        super().__init__(
            "Too many wrong user names or passwords came from your address;"
            f" try again in {seconds} s.",
            headers={"Retry-After": str(seconds)},
        )


class RateLimited(ConnectorError):
    """The client has made all requests of this minute; `seconds` says when the next one begins."""

    status = 429
    code = "rate_limited"

    def __init__(self, limit: int, seconds: int) -> None:
        super().__init__(
            f"More requests than {limit} a minute are not answered; try again in {seconds} s.",
            headers={"Retry-After": str(seconds)},
        )


def error_body(
    message: str, code: str, errors: Mapping[str, list[str]] | None = None
) -> dict[str, Any]:
    """Return the body of every answer that is not a success."""
    body: dict[str, Any] = {"message": message, "code": code}
    if errors:
        body["errors"] = dict(errors)
    return body


def answer_exception(exception: Exception, context: dict[str, Any]) -> Response:
    """Turn whatever a view raised into JSON with a readable message; nothing gets through."""
    _render_as_json(context["request"])
    if isinstance(exception, ConnectorError):
        return _answer(exception)
    if isinstance(exception, InvalidValues):
        errors = {f"values.{name}": texts for name, texts in exception.errors.items()}
        return _answer(InvalidRequest.of(errors))
    if isinstance(exception, SecretsUnusable):
        logger.error("secrets cannot be stored", error=str(exception))
        return _answer_unavailable(NO_SECRETS)
    if isinstance(exception, rest.APIException):
        return _answer_rest(exception, context)
    if isinstance(exception, Http404):
        return Response(error_body(NO_ADDRESS, "not_found"), status=404)
    if isinstance(exception, SuspiciousOperation):
        return Response(error_body(REFUSED_ADDRESS, "bad_request"), status=400)
    if isinstance(exception, AWAY):
        logger.error("database unavailable", error=str(exception))
        return _answer_unavailable(UNAVAILABLE)
    logger.error("request failed", exc_info=exception)
    request_id = context["request"].META.get("ARABICA_REQUEST_ID", "")
    return Response(internal_error_body(request_id), status=500)


def _answer_unavailable(message: str) -> Response:
    return Response(
        error_body(message, "unavailable"),
        status=503,
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def internal_error_body(request_id: str) -> dict[str, Any]:
    """Return the body for a fault of our own, with the id by which the log knows it."""
    return error_body(
        f"Something went wrong on our side; give request id {request_id} to the operator.",
        "internal_error",
    )


def _answer(error: ConnectorError) -> Response:
    return Response(
        error_body(error.message, error.code, error.errors),
        status=error.status,
        headers=error.headers,
    )


def _render_as_json(request: Any) -> None:
    """Have the refusal written as JSON, also where the answer would be YAML or a page."""
    request.accepted_renderer = JSONRenderer()
    request.accepted_media_type = JSONRenderer.media_type


def _answer_rest(error: rest.APIException, context: Mapping[str, Any]) -> Response:
    headers: dict[str, str] = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if isinstance(error, rest.ValidationError):
        errors = {field: [str(text) for text in texts] for field, texts in error.detail.items()}  # type: ignore[union-attr]
        return _answer(InvalidRequest.of(errors))
    body = error_body(_message_of(error, context), _code_of(error))
    return Response(body, status=error.status_code, headers=headers)


def _message_of(error: rest.APIException, context: Mapping[str, Any]) -> str:
    if isinstance(error, rest.NotAcceptable):
        return NOT_JSON
    if isinstance(error, rest.MethodNotAllowed):
        allowed = " or ".join(context["view"].allowed_methods)
        return (
            f"This call takes the method {allowed}, not {context['request'].method[:MAX_METHOD]}."
        )
    return str(error.detail)


def _code_of(error: rest.APIException) -> str:
    code = error.get_codes()
    return code if isinstance(code, str) else error.default_code
