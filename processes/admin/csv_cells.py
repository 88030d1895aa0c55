"""What a value becomes in a cell of a CSV file that people open in a spreadsheet.

Spreadsheets compute a cell that begins with `=`, `+`, `-` or `@`, full-width ones included, blanks
and quotes before it notwithstanding; formulas read files and call other hosts. The remedy is
OWASP's ("CSV Injection"): an apostrophe before it. Where a semicolon separates cells, a line is cut
within a quoted text too, so what follows one is looked at as a cell of its own, and what follows a
tab or an end of line likewise.
"""

import json
import re
import unicodedata
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

MAX_CHARACTERS = 32_000  # a spreadsheet moves what exceeds 32,767 into the next row
TRIGGERS = frozenset("=+-@\N{MINUS SIGN}")
SEPARATORS = re.compile(r"([;\t\r\n\x0b\x0c\x85\u2028\u2029])")
NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?(e[+-]?[0-9]{1,3})?", re.ASCII | re.IGNORECASE)


def make_cell(value: Any) -> str:
    """Return the text of a cell; times are in the site's zone, with their offset."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return timezone.localtime(value).isoformat(sep=" ", timespec="seconds")
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}"
    if isinstance(value, bool | dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return neutralise(str(value))


def neutralise(text: str) -> str:
    """Return `text` so that no spreadsheet computes it; a number stays one."""
    if NUMBER.fullmatch(text):
        return text
    if len(text) > MAX_CHARACTERS:
        text = f"{text[:MAX_CHARACTERS]} …"
    return "".join(f"'{part}" if _is_formula(part) else part for part in SEPARATORS.split(text))


def _is_formula(part: str) -> bool:
    first = next((character for character in part if not _is_skipped(character)), "")
    return unicodedata.normalize("NFKC", first) in TRIGGERS


def _is_skipped(character: str) -> bool:
    """Tell whether a spreadsheet may leave a character away before it looks for a formula."""
    return character in "\"'`" or character.isspace() or unicodedata.category(character)[0] == "C"
