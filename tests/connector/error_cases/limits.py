"""How often a caller may call, and what makes a start that comes again the same one."""

from tests.connector.error_cases.case import Case, Section

KEY = "Idempotency-Key takes 1 to 255 visible ASCII characters."


def key(sent: str, text: str) -> Case:
    """Return a start whose key is none."""
    return Case(
        sent, 400, "invalid_request", KEY, ("Idempotency-Key",), headers={"Idempotency-Key": text}
    )


KEYS = Section(
    "`Idempotency-Key`",
    "A refused start does not use up its key.",
    [
        key("an empty key", ""),
        key("a key of 256 characters", "k" * 256),
        key("a blank in a key", "a b"),
        key("a tab in a key", "a\tb"),
        Case(
            "a key that came with another body",
            409,
            "idempotency_key_reused",
            "This Idempotency-Key came with another body in the last 24 hours; use a new key for a"
            " new start.",
            headers={"Idempotency-Key": "used"},
        ),
    ],
)

RATES = Section(
    "How often",
    "With `Retry-After` in whole seconds. Ten wrong passwords for a user name from an address within a"
    " minute, or 300 from the address, lock it until the minute is over; the right password gets no"
    " further either.",
    [
        Case(
            "a user name that is locked, the right password",
            429,
            "too_many_attempts",
            "Too many wrong user names or passwords came from your address; try again in <seconds> s.",
            caller="locked",
        ),
        Case(
            "one request more than the client has in a minute",
            429,
            "rate_limited",
            "More requests than 1 a minute are not answered; try again in <seconds> s.",
            caller="hurried",
        ),
    ],
)
