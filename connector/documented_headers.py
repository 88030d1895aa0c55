"""What the OpenAPI document says of answers beside their bodies: headers, and links to the next call."""

from typing import Any

REQUEST_ID = {
    "description": "The id by which the operator finds the request in the logs.",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
}
RETRY_AFTER = {
    "description": "Seconds after which it is worth while to try again.",
    "required": True,
    "schema": {"type": "integer", "minimum": 1},
}
HEADERS: dict[str, dict[str, Any]] = {
    "401": {
        "WWW-Authenticate": {
            "description": "Asks for HTTP Basic in UTF-8.",
            "required": True,
            "schema": {"type": "string"},
        }
    },
    "405": {
        "Allow": {
            "description": "The methods that this call takes.",
            "required": True,
            "schema": {"type": "string"},
        }
    },
    "429": {"Retry-After": RETRY_AFTER},
    "503": {"Retry-After": RETRY_AFTER},
}
STATUS_LINK = {
    "readStatus": {
        "operationId": "readStatus",
        "parameters": {"robusta_spid": "$response.body#/robustaSpid"},
        "description": "Ask for the status of what was started; after a dry run there is none.",
    }
}


def complete_answers(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add to every answer of the document its headers, and to a started one the way to its status."""
    for operations in result["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                headers = {"X-Request-ID": REQUEST_ID} | HEADERS.get(status, {})
                answer["headers"] = answer.get("headers", {}) | headers
            if operation["operationId"] == "startProcess":
                operation["responses"]["200"]["links"] = STATUS_LINK
    return result
