"""Who calls, and over what."""

from base64 import b64encode

from tests.connector.error_cases.case import Case, Section

REFUSED = "User name or password is wrong; send them with HTTP Basic authentication."
INSECURE = "Use https: credentials are not accepted over plain HTTP from another machine."


def basic(text: bytes) -> str:
    return f"Basic {b64encode(text).decode()}"


def stranger(sent: str, authorization: str | None) -> Case:
    """Return a case whose credentials do not count; all of these are answered alike."""
    headers = {"Authorization": authorization}
    return Case(sent, 401, "unauthorized", REFUSED, headers=headers, caller=None)


SECTION = Section(
    "Who calls",
    "Credentials are checked before anything else of the request, and every failure is answered alike,"
    " with `WWW-Authenticate`.",
    [
        stranger("no credentials", None),
        stranger("`Authorization:` empty", ""),
        stranger("`Authorization: Basic`", "Basic"),
        stranger("`Authorization: Bearer …`", "Bearer abc"),
        stranger("credentials that are not base64", "Basic !!!"),
        stranger("credentials without a colon", basic(b"acme")),
        stranger("credentials in invalid UTF-8", basic(b"acme:\xff\xfe")),
        stranger("NUL in the user name", basic(b"nobody\0:x")),
        stranger("NUL in the password", basic(b"acme:x\0")),
        stranger("an unknown user name", basic(b"nobody:wrong")),
        stranger("a wrong password", basic(b"acme:wrong")),
        Case("a disabled API client", 401, "unauthorized", REFUSED, caller="disabled"),
        Case("an expired API client", 401, "unauthorized", REFUSED, caller="expired"),
        Case("a user without the permission", 401, "unauthorized", REFUSED, caller="unpermitted"),
        Case("a user who is not active", 401, "unauthorized", REFUSED, caller="inactive"),
        Case(
            "a wrong password and a broken body",
            401,
            "unauthorized",
            REFUSED,
            headers={"Authorization": basic(b"globex:wrong")},
            caller=None,
            body=b"{",
        ),
        Case("plain HTTP from another machine", 403, "insecure_http", INSECURE, is_from_afar=True),
        Case(
            "plain HTTP from another machine, no credentials",
            403,
            "insecure_http",
            INSECURE,
            is_from_afar=True,
            caller=None,
        ),
    ],
)
