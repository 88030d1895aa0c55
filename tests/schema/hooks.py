"""What schemathesis has to know beside the document, and what it looks at beside its own checks.

No document can say which processes and workers an installation has, or that a date is one of the
calendar. Where a request has a text of the right shape, a real one is put in its place: so a valid
request gets into the start itself, and an invalid one is refused for what is wrong with it, not for
an unknown name.
"""

import base64
import json
import os
from itertools import count
from pathlib import Path
from typing import Any
from zlib import crc32

import schemathesis
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from schemathesis.generation.meta import TestPhase

VECTORS = Path(__file__).parent.parent / "scheduler" / "quartz_vectors.jsonl"
WRONG = os.environ.get("SCHEMA_CREDENTIALS") == "wrong"
# Fewer than are counted against one user name, so that most answers are about the credentials.
ATTEMPTS_PER_NAME = 5

START = "startProcess"
PROCESSES = {
    "OneStepNotepadRunner": lambda given: {"username": given},
    "CountDown": lambda given: {"seconds": "0"},
    "FailNTimes": lambda given: {"times": 1, "text": given},
    "HelloCommand": lambda given: {"name": "Ada"},
}
NEEDS_NOTHING = ("CountDown", "FailNTimes")
ZONES = ("UTC", "Europe/Istanbul", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
BEGINNINGS = ("2020-02-29 12:00:00", "2026-11-23T00:00:00+03:00", "2031-01-01T00:00:00Z")
ENDS = ("2040-12-31 23:59:59", "2033-07-01T00:00:00-05:00", "2199-12-31 00:00:00")
RANGES = {"retryCount": 99, "retryDelay": 86_400, "priority": 99, "worker": 1}


def read_expressions() -> list[str]:
    """Return Quartz expressions that the real Quartz takes, and texts that clients write."""
    rows = map(json.loads, VECTORS.read_text().splitlines())
    return [row["expr"] for row in rows if row["valid"] and len(row["expr"]) <= 1000]


EXPRESSIONS = read_expressions()
_attempts = count()


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Put in what is real, and wrong credentials where they are tried."""
    if WRONG:
        name = f"stranger-{next(_attempts) // ATTEMPTS_PER_NAME}"
        text = base64.b64encode(f"{name}:wrong".encode()).decode()
        case.headers = {**(case.headers or {}), "Authorization": f"Basic {text}"}
    if case.operation.definition.raw.get("operationId") != START:
        return
    if isinstance(case.body, dict):
        case.body = make_real(case.body, schema_of_body(case))
    if case.query and case.meta and case.meta.phase.name == TestPhase.STATEFUL:
        # A dry run starts nothing whose status could be asked for.
        case.query = {name: text for name, text in case.query.items() if name != "dryRun"}


def schema_of_body(case: Any) -> dict[str, Any]:
    """Return what the document says of the fields of a start."""
    document = case.operation.schema.raw_schema
    properties: dict[str, Any] = document["components"]["schemas"]["Start"]["properties"]
    return properties


def make_real(body: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Return the body with something real for each field that has a text of the right shape."""
    real = dict(body)
    if "runImmediately" in real:
        real.pop("run immediately", None)  # ignored then, whatever it is
    for name, value in body.items():
        if name in fields and value not in (None, "") and is_valid(value, fields[name]):
            real[name] = replace(name, value)
    if real.get("name") in tuple(PROCESSES) and is_valid(body.get("values"), fields["values"]):
        given = body.get("values")
        if given is not None:
            real["values"] = PROCESSES[real["name"]](json.dumps(given)[:200])
        elif real["name"] not in NEEDS_NOTHING:
            real["name"] = NEEDS_NOTHING[len(real) % len(NEEDS_NOTHING)]
    return real


def is_valid(value: Any, schema: dict[str, Any]) -> bool:
    """Tell whether the document allows the value; what it forbids is sent as it is."""
    return bool(Draft202012Validator(schema).is_valid(value))


def replace(name: str, value: Any) -> Any:
    """Return something real of the field, always the same for the same value."""
    number = crc32(json.dumps(value).encode())
    if name in RANGES:
        # Of digits as text a schema cannot say the range, and 1.0 is an integer to a schema alone.
        lowest = 0 if name.startswith("retry") else 1
        real = lowest + number % (RANGES[name] - lowest + 1)
        return str(real) if isinstance(value, str) else real
    choices = {
        "name": tuple(PROCESSES),
        "quartzDef": EXPRESSIONS,
        "startDate": BEGINNINGS,
        "endDate": ENDS,
        "timezone": ZONES,
    }.get(name)
    return choices[number % len(choices)] if choices else value


@schemathesis.check
def answer_is_readable(ctx: Any, response: Any, case: Any) -> None:
    """Every answer has its request's id and, but for HEAD, a sentence for people; nothing leaks."""
    assert response.headers.get("x-request-id"), "no X-Request-ID"
    if response.request.method == "HEAD":
        return
    answer = json.loads(response.content)
    assert answer["message"].strip(), "no message"
    for leak in ("Traceback", "psycopg", "sqlite3", "SELECT ", "<html", 'File "'):
        assert leak not in answer["message"], f"{leak} in the message"
