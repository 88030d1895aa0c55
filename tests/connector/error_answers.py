"""Send a case, hold its answer against what has to hold for every refusal, and write it down."""

import http.client
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from django.test import Client

from connector.error_codes import CODES
from tests.connector.error_cases.case import Case, Section, as_code
from tests.connector.error_stage import Stage

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/errors.md"
REWRITE = "REWRITE_ERRORS"  # the environment variable that writes the document anew
AFAR = "198.51.100.9"
REQUEST_ID = re.compile(r"[0-9a-f]{32}")
LEAKS = re.compile(r"Traceback|File \"|SELECT |INSERT |psycopg|sqlite|django|<html|<!doctype", re.I)
SENTENCE = re.compile(r"[A-Za-z0-9'\"-].*[.?]", re.DOTALL)
MAX_ECHO = 40  # characters of a value


@dataclass(frozen=True)
class Answer:
    """What came back; the names of the headers in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """Return the JSON object of the body, without what differs from one request to the next."""
        text = self.body.decode().replace(self.headers.get("x-request-id", "-"), "<request id>")
        text = text.replace(f"in {self.headers.get('retry-after')} s.", "in <seconds> s.")
        fields: dict[str, Any] = json.loads(text)
        return fields


def send_in_process(case: Case, stage: Stage) -> Answer:
    """Send a case through Django's test client."""
    extra: dict[str, Any] = {"REMOTE_ADDR": AFAR} if case.is_from_afar else {}
    headers = stage.headers_of(case)
    content_type = extra["CONTENT_TYPE"] = headers.pop("Content-Type", "")
    if case.is_chunked:
        extra |= {"CONTENT_LENGTH": "", "wsgi.input": BytesIO(case.body)}
        headers["Transfer-Encoding"] = "chunked"
    answer = Client(raise_request_exception=False).generic(
        case.method, stage.path_of(case), case.body, content_type, headers=headers, **extra
    )
    content = b"".join(answer) if answer.streaming else answer.content
    return Answer(
        answer.status_code, {name.lower(): text for name, text in answer.items()}, content
    )


def send_over_http(case: Case, stage: Stage, port: int) -> Answer:
    """Send a case to a web server that takes this machine for a proxy."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Host": "127.0.0.1"} | stage.headers_of(case)
    if case.is_from_afar:
        headers["X-Forwarded-For"] = AFAR
    connection.putrequest(
        case.method, stage.path_of(case), skip_host=True, skip_accept_encoding=True
    )
    if case.is_chunked:
        headers["Transfer-Encoding"] = "chunked"
    elif case.body or case.method == "POST":
        headers["Content-Length"] = str(len(case.body))
    for name, text in headers.items():
        connection.putheader(name, text)
    connection.endheaders(case.body, encode_chunked=case.is_chunked)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    named = {name.lower(): text for name, text in answer.getheaders()}
    return Answer(answer.status, named, body)


def find_faults(case: Case, answer: Answer) -> list[str]:
    """Return what is wrong with an answer, in words; nothing is when it is as the case says."""
    try:
        fields = answer.fields
    except ValueError:
        return [f"{answer.status} is no JSON: {answer.body[:80]!r}"]
    wanted = (case.status, case.code, case.message, list(case.errors))
    got = (answer.status, fields.get("code"), fields.get("message"), [*fields.get("errors", {})])
    differences = [
        f"{old!r} became {new!r}" for old, new in zip(wanted, got, strict=True) if old != new
    ]
    return differences + find_general_faults(answer, case.body)


def find_general_faults(answer: Answer, sent: bytes = b"") -> list[str]:
    """Return what no refusal may be, whatever was sent."""
    fields, headers = answer.fields, answer.headers
    text = answer.body.decode()
    is_right = {
        "has message and code, and errors only": fields.keys() - {"errors"} == {"message", "code"},
        "is JSON": headers.get("content-type") == "application/json",
        "has a request id": bool(REQUEST_ID.fullmatch(headers.get("x-request-id", ""))),
        "has a documented code": fields.get("code") in CODES,
        "has a sentence": bool(SENTENCE.fullmatch(str(fields.get("message")))),
        "has sentences on fields": all(map(_is_texts, fields.get("errors", {"": ["A."]}).values())),
        "begins with the first text of errors": _begins_with_first(fields),
        "leaks nothing": not LEAKS.search(text),
        "asks for credentials": (answer.status == 401) == ("www-authenticate" in headers),
        "says what is allowed": answer.status != 405 or bool(headers.get("allow")),
        "says when to try again": (answer.status in {429, 503})
        == headers.get("retry-after", "").isdigit(),
        "echoes little": not _echoes(text, sent),
    }
    return [f"not so: {what}" for what, holds in is_right.items() if not holds]


def _is_texts(texts: Any) -> bool:
    return bool(texts) and all(SENTENCE.fullmatch(text) for text in texts)


def _begins_with_first(fields: Mapping[str, Any]) -> bool:
    texts = next(iter(fields.get("errors", {}).values()), [""])
    return str(fields["message"]).startswith(texts[0].rstrip("."))


def _echoes(answered: str, sent: bytes) -> bool:
    """Tell whether an answer repeats over 40 characters of a value in the body; keys may be whole."""
    try:
        values = list(_texts_in(json.loads(sent)))
    except (ValueError, RecursionError):
        values = [sent.decode(errors="replace")]
    return any(
        text[start : start + MAX_ECHO + 1] in answered
        for text in values
        for start in range(min(len(text), 10_000) - MAX_ECHO)
    )


def _texts_in(value: Any) -> Iterable[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(item)
    else:
        yield value if isinstance(value, str) else json.dumps(value)


def write_sections(answers: Iterable[tuple[Section, list[Answer]]]) -> str:
    """Return the sections as tables of Markdown, from what was answered."""
    return "\n".join(_write_section(section, given) for section, given in answers)


def _write_section(section: Section, answers: list[Answer]) -> str:
    rows = []
    for case, answer in zip(section.cases, answers, strict=True):
        fields = answer.fields
        errors = ", ".join(as_code(name[:40]) for name in fields.get("errors", {}))
        message = as_code(str(fields["message"]))
        rows.append([case.sent, str(answer.status), as_code(fields["code"]), message, errors])
    table = write_table(["input", "status", "`code`", "`message`", "`errors` on"], rows)
    return f"## {section.heading}\n\n{section.text}\n\n{table}\n"


def write_table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a table of Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def compare_with_document(part: str, text: str) -> None:
    """Assert that a part of the document is this text; or write it, if the environment says so."""
    begin, end = f"<!-- {part}: written by the tests -->\n", f"<!-- end of {part} -->\n"
    whole = DOCUMENT.read_text()
    before, _, rest = whole.partition(begin)
    written, _, after = rest.partition(end)
    if os.environ.get(REWRITE):
        DOCUMENT.write_text(f"{before}{begin}\n{text}\n{end}{after}")
        return
    assert written.strip().splitlines() == text.strip().splitlines()
