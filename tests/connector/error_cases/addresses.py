"""What is called, by which method, and what is wanted back."""

from tests.conftest import START, STATUS
from tests.connector.error_cases.case import Case, Section, as_code

SCHEMA = "/api/schema/"
NO_TRANSACTION = (
    "No transaction with this robustaSpid was found; send the one that the start answered, as the"
    " same caller."
)
NO_ADDRESS = (
    "There is nothing at this address; the calls are POST /scheduler/connector-api/process/start"
    " and GET /scheduler/connector-api/process/status/{robustaSpid}."
)
NOT_JSON = "The answer is always JSON; send the header Accept: application/json, or none."
NO_HOST = (
    "The host name of the address is not one of this service; use the address that its operator"
    " gave you."
)
REFUSED_ADDRESS = "The address cannot be read; send no parameters but those that are documented."


def no_transaction(sent: str, robusta_spid: str) -> Case:
    """Return a status call for an id that is none of the caller's."""
    return Case(
        sent, 404, "not_found", NO_TRANSACTION, method="GET", path=STATUS + robusta_spid, body=b""
    )


def no_address(path: str, method: str = "GET") -> Case:
    """Return a call of an address that does not exist."""
    return Case(
        as_code(f"{method} {path}"),
        404,
        "not_found",
        NO_ADDRESS,
        method=method,
        path=path,
        body=b"",
    )


def wrong_method(
    method: str, path: str = START, shown: str = "start", allowed: str = "POST"
) -> Case:
    """Return a call by a method that the address does not take."""
    message = f"This call takes the method {allowed}, not {method[:40]}."
    return Case(
        f"`{method}` of {shown}", 405, "method_not_allowed", message, method=method, path=path
    )


def on_query(query: str, error: str, message: str = "dryRun takes true or false, once.") -> Case:
    """Return a start call with parameters in its address that are refused."""
    return Case(
        as_code(f"start?{query}"),
        400,
        "invalid_request",
        message,
        (error,),
        path=f"{START}?{query}",
    )


SECTION = Section(
    "What is called",
    "A transaction is known to the caller who started it, and to nobody else.",
    [
        no_transaction("an unknown `robustaSpid`", "f0d2228c-9711-42f5-91ca-afc957f29255"),
        no_transaction("a malformed `robustaSpid`", "nonsense"),
        no_transaction("a `robustaSpid` of 5,000 characters", "a" * 5000),
        no_transaction("a `robustaSpid` with `%00`", "%00"),
        no_transaction("a `robustaSpid` in invalid UTF-8", "%ff%fe"),
        no_transaction("a `robustaSpid` with a broken percent sign", "%zz"),
        no_transaction("a run of another client", "{a client's run}"),
        no_transaction("a run of another client, in capitals", "{A CLIENT'S RUN}"),
        no_transaction("a plan of another client", "{a client's plan}"),
        no_transaction("a run of a user", "{a user's run}"),
        no_transaction("a run made in the admin", "{an admin's run}"),
        no_transaction("a plan made in the admin", "{an admin's plan}"),
        no_address("/scheduler/"),
        no_address("/scheduler"),
        no_address("/scheduler/connector-api/"),
        no_address("/scheduler/connector-api/process/stop", "POST"),
        no_address("/scheduler/connector-api/process/status/"),
        no_address("/scheduler/connector-api/process/start/now", "PUT"),
        no_address("/scheduler/anything/%ff"),
        no_address("/Scheduler/Connector-API/process/start", "POST"),
        no_address("/SCHEDULER/anything"),
        no_address("/scheduler/../admin/"),
        no_address("/api/"),
        no_address("/api"),
        no_address("/API/v2/start", "POST"),
        *(
            wrong_method(method)
            for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "FOO")
        ),
        wrong_method("X" * 60),
        *(
            wrong_method(method, STATUS + "x", "status", "GET or HEAD")
            for method in ("POST", "PUT", "DELETE", "OPTIONS")
        ),
        wrong_method("POST", SCHEMA, as_code(SCHEMA), "GET or HEAD or OPTIONS"),
        Case(
            "`Accept: application/xml`",
            406,
            "not_acceptable",
            NOT_JSON,
            headers={"Accept": "application/xml"},
        ),
        Case(
            "`Accept: text/html, application/xhtml+xml`",
            406,
            "not_acceptable",
            NOT_JSON,
            headers={"Accept": "text/html, application/xhtml+xml"},
        ),
        Case(
            "`Accept: */*, application/json;q=0`",
            406,
            "not_acceptable",
            NOT_JSON,
            headers={"Accept": "*/*, application/json;q=0"},
        ),
        Case(
            "`Accept: application/xml` for status",
            406,
            "not_acceptable",
            NOT_JSON,
            method="GET",
            path=f"{STATUS}x",
            body=b"",
            headers={"Accept": "application/xml"},
        ),
        Case(
            "`Accept: application/xml` for the schema",
            406,
            "not_acceptable",
            NOT_JSON,
            method="GET",
            path=SCHEMA,
            body=b"",
            headers={"Accept": "application/xml"},
        ),
        Case(
            "a host that is not allowed",
            400,
            "bad_request",
            NO_HOST,
            headers={"Host": "evil.example"},
        ),
        Case("a host that is no name", 400, "bad_request", NO_HOST, headers={"Host": "a b/c"}),
        Case("an empty host", 400, "bad_request", NO_HOST, headers={"Host": ""}),
        on_query("dryRun=yes", "dryRun"),
        on_query("dryRun=True", "dryRun"),
        on_query("dryRun=1", "dryRun"),
        on_query("dryRun=", "dryRun"),
        on_query("dryRun", "dryRun"),
        on_query("dryRun=%00", "dryRun"),
        on_query("dryRun=%ff", "dryRun"),
        on_query("dryRun=true&dryRun=false", "dryRun"),
        on_query(
            "dryrun=true",
            "dryrun",
            "'dryrun' is not a parameter of this call; did you mean 'dryRun'?",
        ),
        on_query(
            "dry-run=true",
            "dry-run",
            "'dry-run' is not a parameter of this call; did you mean 'dryRun'?",
        ),
        on_query(
            "dryRun[]=true",
            "dryRun[]",
            "'dryRun[]' is not a parameter of this call; did you mean 'dryRun'?",
        ),
        Case(
            "1,001 parameters in the address",
            400,
            "bad_request",
            REFUSED_ADDRESS,
            path=f"{START}?{'&'.join(['a=1'] * 1001)}",
        ),
    ],
)
