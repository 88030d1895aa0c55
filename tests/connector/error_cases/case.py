"""One request that is refused, and the answer that it has to get."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.conftest import START

JSON = {"Content-Type": "application/json"}
NAME = {"name": "CountDown"}


@dataclass(frozen=True)
class Case:
    """What is sent, in words and as it is; and the status, code, message and fields answered.

    `caller` is one of those that `stage.Stage` knows, None to send no credentials. A header of the
    value None is left out. The path may name what is stored there as `{id of a plan}`; `<request
    id>` and `<seconds>` in the message stand for those of the answer's headers.
    """

    sent: str
    status: int
    code: str
    message: str
    errors: tuple[str, ...] = ()
    method: str = "POST"
    path: str = START
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: bytes = json.dumps(NAME).encode()
    caller: str | None = "acme"
    is_chunked: bool = False
    is_from_afar: bool = False

    @property
    def all_headers(self) -> dict[str, str]:
        """Return the headers to send, those of the credentials left out."""
        headers = JSON | dict(self.headers)
        return {name: text for name, text in headers.items() if text is not None}


@dataclass(frozen=True)
class Section:
    """Cases of one kind, under a heading of the document."""

    heading: str
    text: str
    cases: list[Case]


def body_of(**fields: Any) -> bytes:
    """Return the body of a start call with these fields."""
    return json.dumps(NAME | fields).encode()


def show(**fields: Any) -> str:
    """Return fields as they stand in a body, as code for the document; long ones cut."""
    text = ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in fields.items())
    return as_code(text if len(text) <= 70 else f"{text[:60]}… ({len(text):,} characters)")


def as_code(text: str) -> str:
    """Return text as code in a table of Markdown."""
    return f"`{text}`".replace("|", "\\|")


def on_fields(message: str, *errors: str, **fields: Any) -> Case:
    """Return the case of a start call whose fields are refused; `errors` names other ones."""
    return Case(
        show(**fields),
        400,
        "invalid_request",
        message,
        errors or tuple(fields),
        body=body_of(**fields),
    )
