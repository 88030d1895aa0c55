"""How the body is sent, and whether it is one JSON object within the limits."""

import json
from typing import Any

from tests.connector.error_cases.case import Case, Section, as_code, body_of

LIMIT = 1024 * 1024
LONG = "7" * 100


def unsupported(sent: str, message: str, **headers: str | None) -> Case:
    """Return a start call whose headers say that its body is something else."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Case(sent, 415, "unsupported_content", message, headers=named)


def malformed(sent: str, body: bytes | str, message: str) -> Case:
    """Return a start call whose body cannot be read."""
    data = body if isinstance(body, bytes) else body.encode()
    return Case(sent, 400, "malformed_body", message, body=data)


def text(body: str, message: str) -> Case:
    """Return a start call whose body cannot be read, and is short enough to be shown."""
    return malformed(as_code(body.replace("\n", "⏎")), body, message)


def nested(levels: int) -> Any:
    return [nested(levels - 1)] if levels else []


HEADERS = Section(
    "How the body is sent",
    "JSON in UTF-8, with its length or chunked, at most 1 MiB.",
    [
        unsupported(
            "no `Content-Type`",
            "Send the body as JSON with the header Content-Type: application/json.",
            Content_Type=None,
        ),
        unsupported(
            "`Content-Type: text/plain`",
            "Send the body as JSON with the header Content-Type: application/json.",
            Content_Type="text/plain",
        ),
        unsupported(
            "`Content-Type: application/x-www-form-urlencoded`",
            "Send the body as JSON with the header Content-Type: application/json.",
            Content_Type="application/x-www-form-urlencoded",
        ),
        unsupported(
            "`Content-Type: multipart/form-data; boundary=x`",
            "Send the body as JSON with the header Content-Type: application/json.",
            Content_Type="multipart/form-data; boundary=x",
        ),
        unsupported(
            "`Content-Type: application/json; charset=latin-1`",
            "Send the body in UTF-8 with the header Content-Type: application/json; charset=utf-8.",
            Content_Type="application/json; charset=latin-1",
        ),
        unsupported(
            "`Content-Type: application/json; charset=utf-16`",
            "Send the body in UTF-8 with the header Content-Type: application/json; charset=utf-8.",
            Content_Type="application/json; charset=utf-16",
        ),
        unsupported(
            "`Content-Encoding: gzip`",
            "Send the body as it is, without the header Content-Encoding.",
            Content_Encoding="gzip",
        ),
        unsupported(
            "`Content-Encoding: identity`",
            "Send the body as it is, without the header Content-Encoding.",
            Content_Encoding="identity",
        ),
        Case(
            "1 MiB and one byte, announced",
            413,
            "body_too_large",
            "The body is over 1 MiB; send less in one request.",
            body=b" " * (LIMIT + 1),
        ),
        Case(
            "1 MiB and one byte, chunked",
            413,
            "body_too_large",
            "The body is over 1 MiB; send less in one request.",
            body=b" " * (LIMIT + 1),
            is_chunked=True,
        ),
    ],
)

TEXT = Section(
    "What the body says",
    "One JSON object (RFC 8259). A byte order mark is skipped.",
    [
        malformed(
            "an empty body", "", 'The body is empty; send a JSON object such as {"name": "..."}.'
        ),
        malformed(
            "blanks only",
            " \r\n\t",
            'The body is empty; send a JSON object such as {"name": "..."}.',
        ),
        malformed(
            "a byte order mark only",
            b"\xef\xbb\xbf",
            'The body is empty; send a JSON object such as {"name": "..."}.',
        ),
        Case(
            "an empty body, chunked",
            400,
            "malformed_body",
            'The body is empty; send a JSON object such as {"name": "..."}.',
            body=b"",
            is_chunked=True,
        ),
        text('{"name": ', "Line 1, column 10: the JSON ends too early; send all of it."),
        text('{"name": "CountDown"', "Line 1, column 21: the JSON ends too early; send all of it."),
        text(
            '{"name": "Count', "Line 1, column 10: the text that starts here has no closing quote."
        ),
        text('{"name": CountDown}', "Line 1, column 10: a value is expected here."),
        text("{'name': 'CountDown'}", "Line 1, column 2: a key in double quotes is expected here."),
        text('{name: "CountDown"}', "Line 1, column 2: a key in double quotes is expected here."),
        text('{"name" "CountDown"}', "Line 1, column 9: a colon is expected here."),
        text(
            '{"name": "CountDown" "worker": 1}',
            "Line 1, column 22: a comma or a closing bracket is expected here.",
        ),
        text(
            '{"name": "CountDown",}', "Line 1, column 22: a key in double quotes is expected here."
        ),
        text(
            '{"name": "CountDown"} {}',
            "Line 1, column 23: the JSON ends before this; send one object and nothing after it.",
        ),
        text(
            '{"name": "CountDown"}\n{"name": "CountDown"}',
            "Line 2, column 1: the JSON ends before this; send one object and nothing after it.",
        ),
        text('{"name": "C:\\Temp"}', "Line 1, column 13: write a backslash inside a text as \\\\."),
        text(
            '{"name": "Count\nDown"}',
            "Line 1, column 16: write a line break inside a text as \\n, a tab as \\t, and leave other control characters out.",
        ),
        text('{"name": "\\u12x4"}', "Line 1, column 12: \\u takes four hexadecimal digits."),
        text('{"worker": 01}', "Line 1, column 13: a comma or a closing bracket is expected here."),
        text("name=CountDown", "Line 1, column 1: a value is expected here."),
        text("[]", 'The body is no JSON object; send one such as {"name": "..."}.'),
        text('"CountDown"', 'The body is no JSON object; send one such as {"name": "..."}.'),
        text("null", 'The body is no JSON object; send one such as {"name": "..."}.'),
        text("12", 'The body is no JSON object; send one such as {"name": "..."}.'),
        text(
            "{“name”: “CountDown”}",
            'Line 1, column 2: “ is a curly quote; JSON takes the straight quote ", so replace every curly one.',
        ),
        text(
            '{"name": “CountDown”}',
            'Line 1, column 10: “ is a curly quote; JSON takes the straight quote ", so replace every curly one.',
        ),
        text(
            '{"name”: "CountDown"}',
            'Line 1, column 7: ” is a curly quote; JSON takes the straight quote ", so replace every curly one.',
        ),
        text(
            '{"name": "CountDown”}',
            'Line 1, column 20: ” is a curly quote; JSON takes the straight quote ", so replace every curly one.',
        ),
        malformed(
            "a byte that is not UTF-8",
            b'{"name": "\xff"}',
            "Line 1, column 11: this is not UTF-8; send the body in UTF-8.",
        ),
        malformed(
            "UTF-16",
            '{"name": "CountDown"}'.encode("utf-16"),
            "Line 1, column 1: this is not UTF-8; send the body in UTF-8.",
        ),
        malformed(
            "half a surrogate pair as bytes",
            b'{"name": "\xed\xa0\x80"}',
            "Line 1, column 11: this is not UTF-8; send the body in UTF-8.",
        ),
        text(
            '{"values": {"seconds": NaN}}',
            "NaN is no JSON number; send a number, null or a text in quotes.",
        ),
        text(
            '{"values": {"seconds": Infinity}}',
            "Infinity is no JSON number; send a number, null or a text in quotes.",
        ),
        text(
            '{"values": {"seconds": -Infinity}}',
            "-Infinity is no JSON number; send a number, null or a text in quotes.",
        ),
        text(
            '{"values": {"seconds": 1e400}}',
            "1e400 is too large for a number; send it as text in quotes.",
        ),
        malformed(
            "a number of 100 digits and `e999`",
            f'{{"values": {{"seconds": {LONG}e999}}}}',
            "7777777777777777777777777777777777777777 is too large for a number; send it as text in quotes.",
        ),
        malformed(
            "an integer of 4,301 digits",
            f'{{"values": {{"seconds": {"9" * 4301}}}}}',
            "The body has an integer of more than 4,300 digits; send it as text in quotes.",
        ),
        text(
            '{"name": "Count\\u0000Down"}',
            "Line 1, column 16: \\u0000 is no character that can be stored; remove it.",
        ),
        text(
            '{"values": {"\\u0000": 1}}',
            "Line 1, column 14: \\u0000 is no character that can be stored; remove it.",
        ),
        text(
            '{"name": "\\ud800"}',
            "Line 1, column 11: \\ud800 is no character that can be stored; remove it.",
        ),
        text(
            '{"name": "\\ude00\\ud83d"}',
            "Line 1, column 11: \\ude00 is no character that can be stored; remove it.",
        ),
        malformed(
            "NUL itself in a text",
            '{"name": "\0"}',
            "Line 1, column 11: write a line break inside a text as \\n, a tab as \\t, and leave other control characters out.",
        ),
        malformed(
            "33 levels",
            json.dumps({"values": nested(31)}),
            "The body is nested deeper than 32 levels; send a flatter object.",
        ),
        malformed(
            "100,000 levels",
            '{"a":' * 100_000,
            "The body is nested deeper than 32 levels; send a flatter object.",
        ),
        malformed(
            "1,001 keys",
            body_of(values={f"k{number}": 1 for number in range(999)}),
            "The body has more than 1,000 keys; send fewer.",
        ),
        malformed(
            "a key of 256 characters",
            json.dumps({"k" * 256: 1}),
            'The key that starts with "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk" has more than 255 characters; shorten it.',
        ),
        malformed(
            "a text of 64 KiB and one byte",
            body_of(values={"seconds": "7" * (65536 + 1)}),
            "Line 1, column 45: this text is over 64 KiB; shorten it.",
        ),
    ],
)
