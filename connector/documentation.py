"""What the OpenAPI schema says of the two calls: every answer, with examples."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
)

from connector.arrivals import WITHIN
from connector.exceptions import (
    KEY_REUSED,
    NOT_JSON,
    UNAVAILABLE,
    BodiesArriving,
    BodyTooSlow,
    ConnectorError,
    KeyReused,
    RateLimited,
    TooManyAttempts,
    TransactionNotFound,
    error_body,
)
from connector.serializers import (
    PUBLISHED_KEYS,
    DryRunSerializer,
    ErrorSerializer,
    StartedSerializer,
    StartSerializer,
    StatusSerializer,
)

EXAMPLE_ID = "f0d2228c-9711-42f5-91ca-afc957f29255"
EXAMPLE_RUN_ID = "01a2b10f-4c80-7d63-9c3e-5f0b4a4d7e11"


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


class StartSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """The body of a start: no other fields than its own, and one of them in the published spelling."""

    target_class = "connector.serializers.StartSerializer"

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Return the schema, closed."""
        schema: dict[str, Any] = auto_schema._map_serializer(
            self.target, direction, bypass_extensions=True
        )
        for published, name in PUBLISHED_KEYS.items():
            schema["properties"][published] = schema["properties"][name] | {
                "deprecated": True,
                "description": f"Read as `{name}`, with a warning.",
            }
        return schema | {"additionalProperties": False}


class StatusSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """The answer to a status call: beside its own keys there is one for each output."""

    target_class = "connector.serializers.StatusSerializer"

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Return the schema with the outputs."""
        schema: dict[str, Any] = auto_schema._map_serializer(
            self.target, direction, bypass_extensions=True
        )
        outputs = {"description": "An output of the process, once it has SUCCEEDED."}
        return schema | {"patternProperties": {"^__out_": outputs}}


def _error(description: str, message: str, code: str, **errors: list[str]) -> OpenApiResponse:
    value: dict[str, Any] = {"message": message, "code": code}
    if errors:
        value["errors"] = errors
    return OpenApiResponse(
        ErrorSerializer, description, examples=[OpenApiExample(code, value=value)]
    )


def _body_of(error: ConnectorError) -> dict[str, Any]:
    return error_body(error.message, error.code)


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
    405: _error(
        "Another method; `Allow` says which.",
        "This call takes the method POST, not PUT.",
        "method_not_allowed",
    ),
    406: _error(
        "`Accept` excludes JSON.",
        NOT_JSON,
        "not_acceptable",
    ),
    429: OpenApiResponse(
        ErrorSerializer,
        "Too many wrong passwords came from this address in the last minute, of this user name or"
        " altogether: then the right one is refused too. Or the API client has made all requests"
        " of its minute, starts and status calls together. Or too many bodies from this address are"
        " still arriving. `Retry-After` says when to try again, in whole seconds.",
        examples=[
            OpenApiExample("too_many_attempts", value=_body_of(TooManyAttempts(37))),
            OpenApiExample("rate_limited", value=_body_of(RateLimited(60, 12))),
            OpenApiExample("too_many_arriving", value=_body_of(BodiesArriving(is_own=True))),
        ],
    ),
    500: _error(
        "A fault of ours.",
        "Something went wrong on our side; give request id 4bf92f35 to the operator.",
        "internal_error",
    ),
    503: _error(
        "The database cannot be reached, is silent or full, or as many bodies as may are still"
        " arriving (`too_many_arriving`); `Retry-After` says when to try again.",
        UNAVAILABLE,
        "unavailable",
    ),
}

start: Callable[[Any], Any] = extend_schema(
    operation_id="startProcess",
    summary="Start a process",
    request={"application/json": StartSerializer},
    parameters=[
        OpenApiParameter(
            "dryRun",
            OpenApiTypes.BOOL,
            description="Check everything, store nothing, and say the plan and its fire times.",
        ),
        OpenApiParameter(
            "Idempotency-Key",
            {"type": "string", "pattern": "^[!-~]{1,255}$"},
            OpenApiParameter.HEADER,
            description="Makes it safe to send a start again: for 24 hours the same key with the"
            " same body (the same bytes) is answered with the robustaSpid of the first, and"
            " nothing new is started. A refused start leaves the key free; a dry run neither"
            " uses nor answers for one.",
        ),
        OpenApiParameter(
            "Idempotent-Replayed",
            {"type": "string", "const": "true"},
            OpenApiParameter.HEADER,
            response=[200],
            description="Only on an answer that repeats that of an earlier start with the key.",
        ),
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
        ),
        OpenApiExample(
            "Plan",
            description="Fridays at 06:06 in Istanbul, with one more try after an error.",
            value={
                "name": "OneStepNotepadRunner",
                "values": {"username": "Ada", "usersurname": "Lovelace"},
                "quartzDef": "0 6 6 ? * FRI",
                "timezone": "Europe/Istanbul",
                "startDate": "2026-11-23 00:00:00",
                "endDate": "2027-11-23 00:00:00",
                "retryCount": "1",
            },
            request_only=True,
        ),
        OpenApiExample(
            "The published sample",
            description="Taken as printed, with straight quotes; the answer says what was mended.",
            value={
                "values": {"username": "User Surname"},
                "quartzDef": "0 6 6 ? * FR",
                "startDate": "2020-11-16 16:56:00",
                "endDate": "2020-11-18 16:55:00",
                "runOnce": "N",
                "run immediately": "N,",
                "retryCount": "1",
                "name": "OneStepNotepadRunner",
            },
            request_only=True,
        ),
    ],
    responses=COMMON
    | {
        200: OpenApiResponse(
            PolymorphicProxySerializer(
                component_name="StartAnswer",
                serializers=[StartedSerializer, DryRunSerializer],
                resource_type_field_name=None,
            ),
            "Stored: it will run, whatever dies next. After `dryRun=true` nothing was stored.",
            examples=[
                OpenApiExample(
                    "Saved", value={"robustaSpid": EXAMPLE_ID, "message": "Process saved"}
                ),
                OpenApiExample(
                    "Saved, with warnings",
                    value={
                        "robustaSpid": EXAMPLE_ID,
                        "message": "Process saved",
                        "warnings": [
                            "'run immediately' was read as 'runImmediately'.",
                            "'runImmediately': 'N,' was read as 'N'.",
                            "'quartzDef': 'FR' was read as 'FRI'.",
                            "'startDate' is in the past: fire times up to now do not count.",
                            "The plan of 'quartzDef' never fires: none of its fire times from"
                            " 2020-11-16 16:56:00 until 2020-11-18 16:55:00 is still to come.",
                        ],
                    },
                ),
                OpenApiExample(
                    "Dry run of a plan",
                    value={
                        "message": "Nothing was started: this was a dry run.",
                        "plan": "A run at every fire time of 0 6 6 ? * FRI (at 06:06, only on Friday)"
                        " in the time zone Europe/Istanbul until 2026-12-05 00:00:00.",
                        "fireTimes": ["2026-11-27T06:06:00+03:00", "2026-12-04T06:06:00+03:00"],
                        "worker": None,
                        "values": {"username": "Ada", "usersurname": "Lovelace"},
                        "warnings": [],
                    },
                ),
            ],
        ),
        408: OpenApiResponse(
            ErrorSerializer,
            "The body did not arrive in time.",
            examples=[OpenApiExample("body_too_slow", value=_body_of(BodyTooSlow(WITHIN)))],
        ),
        409: _error("The key came with another body before.", KEY_REUSED, KeyReused.code),
        413: _error(
            "The body is too large.",
            "The body is over 1 MiB; send less in one request.",
            "body_too_large",
        ),
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
            "Where the transaction stands. For a plan: its newest unfinished run, else what holds"
            " the plan up, else the run that finished last; with its runs and its next run.",
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
                OpenApiExample(
                    "Plan after its first run",
                    value={
                        "status": "SUCCEEDED",
                        "message": "Your transaction has ended.",
                        "__out_x": "Ada Lovelace",
                        "runs": [
                            {
                                "robustaSpid": EXAMPLE_RUN_ID,
                                "status": "SUCCEEDED",
                                "message": "Your transaction has ended.",
                                "fireTime": "2026-11-27T06:06:00+03:00",
                                "startedAt": "2026-11-27T06:06:00.112000+03:00",
                                "finishedAt": "2026-11-27T06:06:00.148000+03:00",
                            }
                        ],
                        "nextRun": "2026-12-04T06:06:00+03:00",
                    },
                ),
                OpenApiExample(
                    "Plan before its first run",
                    value={
                        "status": "WAITING",
                        "message": "Your transaction is waiting: its next run is due at"
                        " 2026-11-27 06:06:00 +03.",
                        "runs": [],
                        "nextRun": "2026-11-27T06:06:00+03:00",
                    },
                ),
                OpenApiExample(
                    "Plan that never fires",
                    value={
                        "status": "EXPIRED",
                        "message": "Your transaction has expired: its plan never fires, since it"
                        " had no fire time to come when it was saved at 2026-11-25 09:00:00 UTC.",
                        "runs": [],
                        "nextRun": None,
                    },
                ),
            ],
        ),
        404: _error(
            "Unknown, malformed, or another caller's.",
            TransactionNotFound().message,
            "not_found",
        ),
    },
)


def list_canonical_paths(endpoints: list[Any], **kwargs: Any) -> list[Any]:
    """Keep one spelling of each address: the others answer alike."""
    return [endpoint for endpoint in endpoints if "[" not in endpoint[1]]
