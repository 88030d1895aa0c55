"""What the connector API refuses, and the one place that turns a refusal into an answer."""

from collections.abc import Mapping


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
