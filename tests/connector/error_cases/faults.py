"""What is not the caller's fault."""

import json

from tests.connector.error_cases.case import Case, Section

SECTION = Section(
    "Faults of ours",
    "The answer says nothing of what happened; the log does, under the request id.",
    [
        # A parameter of a type that a later version may know: nothing here can read its values.
        Case(
            "a start that meets a fault in Arabica",
            500,
            "internal_error",
            "Something went wrong on our side; give request id <request id> to the operator.",
            body=json.dumps({"name": "Of a later version", "values": {"x": 1}}).encode(),
        ),
    ],
)

AWAY = Section(
    "The database is away",
    "With `Retry-After` in seconds: it cannot be reached, is silent, full, or has no connection left."
    " Of a statement that was broken off nobody knows whether it was carried out.",
    [
        Case(
            "a start while the database is away",
            503,
            "unavailable",
            "The service cannot use its database at the moment; try again a little later (a start"
            " that was broken off may have been stored).",
        )
    ],
)
