"""Keys that make it safe to send a start again."""

from connector.idempotency import HEADER
from tests.connector.error_cases.case import Case, Section

USED_KEY = "order-1"
NO_KEY = "Idempotency-Key takes 1 to 255 visible ASCII characters without a comma, in one header."


def refused(sent: str, key: str) -> Case:
    """Return a start call whose header is no key."""
    headers = {HEADER: key}
    return Case(sent, 400, "invalid_request", NO_KEY, (HEADER,), headers=headers)


SECTION = Section(
    "The key of a start",
    "The same key with the same body is answered as the first time; `order-1` came with another one.",
    [
        refused("`Idempotency-Key:` empty", ""),
        refused("`Idempotency-Key: order 1`", "order 1"),
        refused("`Idempotency-Key: kkk…` (256 characters)", "k" * 256),
        Case(
            "`Idempotency-Key: order-1`",
            409,
            "idempotency_key_reused",
            "This Idempotency-Key came with another body in the last 24 hours; use a new key for a"
            " new start.",
            headers={HEADER: USED_KEY},
        ),
    ],
)
