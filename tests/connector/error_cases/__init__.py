"""What the connector API refuses: one table of what is sent and what comes back.

The same cases go through Django's test client and through the web server, on each database, and
docs/errors.md is written from what was answered.
"""

from tests.connector.error_cases import (
    addresses,
    bodies,
    callers,
    faults,
    fields,
    limits,
    names,
    plans,
)
from tests.connector.error_cases.case import Section

SECTIONS: list[Section] = [
    callers.SECTION,
    addresses.SECTION,
    bodies.HEADERS,
    bodies.TEXT,
    fields.SECTION,
    plans.SECTION,
    names.SECTION,
    names.VALUES,
    limits.KEYS,
    limits.RATES,
    faults.SECTION,
]
