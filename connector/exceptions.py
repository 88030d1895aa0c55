"""What the connector API refuses, and the one place that turns a refusal into an answer."""

from collections.abc import Mapping
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions as rest
from rest_framework.response import Response
from rest_framework.views import set_rollback

from processes.exceptions import InvalidValues, SecretsUnusable

logger = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 5
# Of a statement that was broken off nobody knows whether the database has carried it out.
UNAVAILABLE = (
    "The service cannot use its database at the moment. Try again a little later;"
    " a start that was broken off may have been stored."
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
        texts = [text for texts in errors.values() for text in texts]
        more = f" (and {len(texts) - 1} more under errors)" if len(texts) > 1 else ""
        return cls(texts[0] + more, errors=errors)


class TransactionNotFound(ConnectorError):
    """No run or plan of this caller has the robustaSpid: one text, whatever the cause."""

    status = 404
    code = "not_found"

    def __init__(self) -> None:
        super().__init__("No transaction with this robustaSpid was found.")


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
    set_rollback()
    if isinstance(exception, ConnectorError):
        return _answer(exception)
    if isinstance(exception, InvalidValues):
        errors = {f"values.{name}": texts for name, texts in exception.errors.items()}
        return _answer(InvalidRequest.of(errors))
    if isinstance(exception, SecretsUnusable):
        logger.error("secrets cannot be stored", error=str(exception))
        return _answer_unavailable(NO_SECRETS)
    if isinstance(exception, rest.APIException):
        return _answer_rest(exception)
    if isinstance(exception, Http404):
        return Response(error_body("There is nothing at this address.", "not_found"), status=404)
    if isinstance(exception, OperationalError | InterfaceError | DatabaseError):
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


def _answer_rest(error: rest.APIException) -> Response:
    headers: dict[str, str] = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if isinstance(error, rest.ValidationError):
        errors = {field: [str(text) for text in texts] for field, texts in error.detail.items()}  # type: ignore[union-attr]
        return _answer(InvalidRequest.of(errors))
    body = error_body(str(error.detail), _code_of(error))
    return Response(body, status=error.status_code, headers=headers)


def _code_of(error: rest.APIException) -> str:
    code = error.get_codes()
    return code if isinstance(code, str) else error.default_code
