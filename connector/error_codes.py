"""The codes of answers that are not a success: stable, for programs; the message is for people."""

CODES = {
    "malformed_body": "The body cannot be read as one JSON object within the limits.",
    "invalid_request": "A field, a value or a parameter of the address cannot be taken.",
    "bad_request": "Django refuses the request: its host name, or its address.",
    "unauthorized": "No, malformed or wrong credentials, or ones that count no more.",
    "insecure_http": "Credentials came over plain HTTP from another machine.",
    "too_many_attempts": "Too many wrong user names or passwords came from the address.",
    "rate_limited": "The API client has made all requests of its minute.",
    "not_found": "No transaction of the caller has this id, or nothing is at the address.",
    "method_not_allowed": "The call takes another method.",
    "not_acceptable": "The caller does not take JSON.",
    "idempotency_key_reused": "The Idempotency-Key came with another body before.",
    "body_too_large": "The body is over 1 MiB.",
    "body_too_slow": "The body has not arrived in time.",
    "too_many_arriving": "Too many bodies are still arriving, from the address or altogether.",
    "unsupported_content": "The body is no plain JSON in UTF-8.",
    "internal_error": "A fault of Arabica; its log knows the request id.",
    "unavailable": "The database, or the key for secrets, cannot be used; try again after `Retry-After` seconds.",
}
