"""Turn the bytes of a body into one JSON object, and say where the text cannot be read."""

import json
import re
from array import array
from dataclasses import dataclass
from itertools import accumulate
from math import isfinite
from typing import Any, NoReturn

from connector.exceptions import MalformedBody

MAX_NESTING = 32
MAX_KEYS = 1000
MAX_KEY = 255  # characters
MAX_TEXT = 64 * 1024  # bytes in UTF-8
MAX_QUOTED = 40  # characters of a value in a message

BOM = b"\xef\xbb\xbf"

# The closing quote is optional, so that a text without one is scanned only once.
QUOTED = re.compile(r'("[^"\\]*+(?:\\.[^"\\]*+)*+"?)')

# As signed bytes: one step down into the nesting for each opening bracket, one up for a closing one.
NESTING_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
NOT_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))

# From the start of a JSON text to its first escape for NUL or for half a surrogate pair.
UNSTORABLE = re.compile(
    r"(?:[^\\]++"
    r"|\\[^u]"
    r"|\\u[dD][89abAB]..\\u[dD][c-fC-F]"
    r"|\\u(?!0000|[dD][89a-fA-F])"
    r")*+(\\u....)"
)

CURLY_QUOTES = frozenset("“”„‟‘’‚‛«»″")  # noqa: RUF001 - the look-alikes are meant

# A curly quote right before a colon, comma or closing bracket was meant to end a text; the reader
# only stumbles at a later place.
CURLY_END = re.compile(r"[“”„‟]\s*[:,}\]]")

# How the standard library's messages begin, and the same in words for whoever wrote the request.
SYNTAX = {
    "Expecting value": "a value is expected here",
    "Expecting property name": "a key in double quotes is expected here",
    "Expecting ':'": "a colon is expected here",
    "Expecting ','": "a comma or a closing bracket is expected here",
    "Unterminated string": "the text that starts here has no closing quote",
    "Invalid control character": (
        "write a line break inside a text as \\n, a tab as \\t, and leave other control characters out"
    ),
    "Invalid \\escape": "write a backslash inside a text as \\\\",
    "Invalid \\uXXXX escape": "\\u takes four hexadecimal digits",
    "Extra data": "the JSON ends before this; send one object and nothing after it",
}


@dataclass(frozen=True, slots=True)
class ParsedBody:
    """The object of a body, and one warning for each key that an object in it repeats."""

    fields: dict[str, Any]
    warnings: list[str]


def parse_object(body: bytes) -> ParsedBody:
    """Return the one JSON object (RFC 8259) in `body`. Raise MalformedBody for anything else."""
    text = _decode(body)
    if not text or text.isspace():
        raise MalformedBody('The body is empty; send a JSON object such as {"name": "..."}.')
    pieces = QUOTED.split(text)
    _check_nesting("".join(pieces[::2]))
    objects = _Objects()
    fields = _read(text, objects)
    if not isinstance(fields, dict):
        raise MalformedBody('The body is no JSON object; send one such as {"name": "..."}.')
    _check_escapes(text)
    _check_sizes(pieces)
    return ParsedBody(
        fields,
        [f'The key "{key}" is repeated; its last value was used.' for key in objects.repeated],
    )


class _Objects:
    """Build the objects of one body, counting their keys and remembering the repeated ones."""

    def __init__(self) -> None:
        self.keys = 0
        self.repeated: dict[str, None] = {}

    def build(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        self.keys += len(pairs)
        if self.keys > MAX_KEYS:
            raise MalformedBody(f"The body has more than {MAX_KEYS:,} keys; send fewer.")
        fields: dict[str, Any] = {}
        for key, value in pairs:
            if len(key) > MAX_KEY:
                raise MalformedBody(
                    f'The key that starts with "{key[:MAX_QUOTED]}" has more than {MAX_KEY}'
                    " characters; shorten it."
                )
            if key in fields:
                self.repeated[key] = None
            fields[key] = value
        return fields


def _decode(body: bytes) -> str:
    body = body.removeprefix(BOM)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        before = body[: error.start].decode()
        raise MalformedBody(
            f"{_place(before, len(before))}: this is not UTF-8; send the body in UTF-8."
        ) from error


def _check_nesting(unquoted: str) -> None:
    # Before the reader, which needs stack for every level.
    steps = array("b", unquoted.encode().translate(NESTING_STEPS, NOT_BRACKETS))
    if max(accumulate(steps), default=0) > MAX_NESTING:
        raise MalformedBody(
            f"The body is nested deeper than {MAX_NESTING} levels; send a flatter object."
        )


def _read(text: str, objects: _Objects) -> Any:
    decoder = json.JSONDecoder(
        object_pairs_hook=objects.build,
        parse_float=_read_float,
        parse_constant=_refuse_constant,
    )
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        raise MalformedBody(_explain(error)) from error
    except ValueError as error:
        # The interpreter's own limit, sys.get_int_max_str_digits(): it keeps conversion quick.
        raise MalformedBody(
            "The body has an integer of more than 4,300 digits; send it as text in quotes."
        ) from error


def _read_float(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):
        raise MalformedBody(
            f"{digits[:MAX_QUOTED]} is too large for a number; send it as text in quotes."
        )
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedBody(f"{name} is no JSON number; send a number, null or a text in quotes.")


def _explain(error: json.JSONDecodeError) -> str:
    curly = _find_curly_quote(error)
    if curly is not None:
        return (
            f"{_place(error.doc, curly)}: {error.doc[curly]} is a curly quote; JSON takes the"
            ' straight quote ", so replace every curly one.'
        )
    place = _place(error.doc, error.pos)
    if not error.doc[error.pos :].strip():
        return f"{place}: the JSON ends too early; send all of it."
    reason = next((SYNTAX[start] for start in SYNTAX if error.msg.startswith(start)), error.msg)
    return f"{place}: {reason}."


def _find_curly_quote(error: json.JSONDecodeError) -> int | None:
    """Return where a curly quote stands for the straight one that the reader missed, if one does."""
    text, position = error.doc, error.pos
    if text[position : position + 1] in CURLY_QUOTES:
        return position
    last_text = len(text[:position].rsplit('"', 2)[0])
    found = CURLY_END.search(text, last_text)
    if found and (found.start() < position or error.msg.startswith("Unterminated")):
        return found.start()
    return None


def _check_escapes(text: str) -> None:
    # PostgreSQL stores no NUL in a text, and half a surrogate pair cannot be written as UTF-8.
    found = UNSTORABLE.match(text) if "\\u" in text else None
    if found:
        raise MalformedBody(
            f"{_place(text, found.start(1))}: {found[1]} is no character that can be stored;"
            " remove it."
        )


def _check_sizes(pieces: list[str]) -> None:
    """Refuse long texts; every second one of `pieces` is a text in its quotes, as written."""
    for index in range(1, len(pieces), 2):
        # A character takes four bytes at most, and no escape is shorter than what it stands for.
        if len(pieces[index]) * 4 > MAX_TEXT and _text_size(pieces[index]) > MAX_TEXT:
            before = "".join(pieces[:index])
            raise MalformedBody(
                f"{_place(before, len(before))}: this text is over 64 KiB; shorten it."
            )


def _text_size(quoted: str) -> int:
    return len(json.loads(quoted).encode())


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return f"Line {line}, column {column}"
