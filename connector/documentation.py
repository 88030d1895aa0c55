"""What the OpenAPI schema says of the two calls: every answer, with examples."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from connector.serializers import (
    ErrorSerializer,
    StartedSerializer,
    StartSerializer,
    StatusSerializer,
)

EXAMPLE_ID = "f0d2228c-9711-42f5-91ca-afc957f29255"


class BasicScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """HTTP Basic."""

    target_class = "connector.authentication.ConnectorAuthentication"
    name = "basicAuth"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the scheme as OpenAPI knows it."""
        return {"type": "http", "scheme": "basic"}


class StartFieldSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """The fields of a start call: what each takes, null meaning *not given*."""

    target_class = "connector.fields.StartField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        """Return the field's own description of what it takes."""
        schema: dict[str, Any] = self.target.describe()
        return schema


def _error(description: str, message: str, code: str, **errors: list[str]) -> OpenApiResponse:
    value: dict[str, Any] = {"message": message, "code": code}
    if errors:
        value["errors"] = errors
    return OpenApiResponse(
        ErrorSerializer, description, examples=[OpenApiExample(code, value=value)]
    )


COMMON = {
    400: _error(
        "The body or a field of it cannot be taken.",
        "retryCount takes a whole number from 0 to 99, not -1.",
        "invalid_request",
        retryCount=["retryCount takes a whole number from 0 to 99, not -1."],
    ),
    401: _error(
        "No, malformed or wrong credentials.",
        "User name or password is wrong; send them with HTTP Basic authentication.",
        "unauthorized",
    ),
    403: _error(
        "Plain HTTP from another machine.",
        "Use https: credentials are not accepted over plain HTTP from another machine.",
        "insecure_http",
    ),
    405: _error("Another method.", 'Method "PUT" not allowed.', "method_not_allowed"),
    406: _error(
        "The answer is always JSON.",
        "Could not satisfy the request Accept header.",
        "not_acceptable",
    ),
    500: _error(
        "A fault of ours.",
        "Something went wrong on our side; give request id 4bf92f35 to the operator.",
        "internal_error",
    ),
    503: _error(
        "The database cannot be reached; `Retry-After` says when to try again.",
        "The service cannot reach its database; nothing was started. Try again in a moment.",
        "unavailable",
    ),
}

start: Callable[[Any], Any] = extend_schema(
    operation_id="startProcess",
    summary="Start a process",
    request={"application/json": StartSerializer},
    parameters=[
        OpenApiParameter(
            "dryRun", OpenApiTypes.BOOL, description="Check everything, store nothing."
        )
    ],
    examples=[
        OpenApiExample(
            "Run now",
            value={
                "name": "OneStepNotepadRunner",
                "runOnce": "Y",
                "runImmediately": "Y",
                "worker": "1",
                "values": {"username": "Ada", "usersurname": "Lovelace"},
            },
            request_only=True,
        )
    ],
    responses=COMMON
    | {
        200: OpenApiResponse(
            StartedSerializer,
            "Stored: it will run, whatever dies next.",
            examples=[
                OpenApiExample(
                    "Saved", value={"robustaSpid": EXAMPLE_ID, "message": "Process saved"}
                )
            ],
        ),
        413: _error("The body is too large.", "The body takes at most 1 MiB.", "body_too_large"),
        415: _error(
            "Not JSON in UTF-8.",
            "Send the body as JSON with the header Content-Type: application/json.",
            "unsupported_content",
        ),
    },
)

status: Callable[[Any], Any] = extend_schema(
    operation_id="readStatus",
    summary="Ask for the status",
    parameters=[
        OpenApiParameter(
            "robusta_spid",
            OpenApiTypes.UUID,
            OpenApiParameter.PATH,
            description="The robustaSpid of the start answer.",
        )
    ],
    responses=COMMON
    | {
        200: OpenApiResponse(
            StatusSerializer,
            "Where the transaction stands.",
            examples=[
                OpenApiExample(
                    "Ended",
                    value={
                        "status": "SUCCEEDED",
                        "message": "Your transaction has ended.",
                        "__out_x": "Ada Lovelace",
                    },
                ),
                OpenApiExample(
                    "Waiting",
                    value={
                        "status": "WAITING",
                        "message": "Your transaction is waiting: all workers are busy.",
                    },
                ),
            ],
        ),
        404: _error(
            "Unknown, malformed, or another caller's.",
            "No transaction with this robustaSpid was found.",
            "not_found",
        ),
    },
)


def list_canonical_paths(endpoints: list[Any], **kwargs: Any) -> list[Any]:
    """Keep one spelling of each address: the others answer alike."""
    return [endpoint for endpoint in endpoints if "[" not in endpoint[1]]
