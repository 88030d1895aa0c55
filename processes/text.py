"""Text of a process made fit to be stored: neither database takes all that Python holds."""

import re
from collections.abc import Mapping
from typing import Any

MAX_MESSAGE_CHARACTERS = 4_000
MAX_PHRASE_CHARACTERS = 300
# PostgreSQL stores no NUL, and neither database a lone surrogate.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def replace_unstorable(text: str) -> str:
    """Return `text` with the replacement character for each character that cannot be stored."""
    return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def replace_unstorable_in(value: Any, *, levels: int) -> Any:
    """Return `value` with every text in it made storable, keys and `levels` levels included."""
    if isinstance(value, str):
        return replace_unstorable(value) if UNSTORABLE.search(value) else value
    if isinstance(value, Mapping) and levels:
        return {
            replace_unstorable_in(key, levels=0): replace_unstorable_in(item, levels=levels - 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple) and levels:
        return [replace_unstorable_in(item, levels=levels - 1) for item in value]
    return value


def make_message(text: str) -> str:
    """Return `text` as a message for people: storable, and cut where it is too long to be read."""
    text = replace_unstorable(text)
    if len(text) <= MAX_MESSAGE_CHARACTERS:
        return text
    mark = f" … (cut: {len(text):,} characters in all)"
    return text[: MAX_MESSAGE_CHARACTERS - len(mark)] + mark


def make_phrase(text: str) -> str:
    """Return `text` fit to stand inside a sentence: one line, not too long, no full stop at its end."""
    phrase = " ".join(text.split())
    if len(phrase) > MAX_PHRASE_CHARACTERS:
        phrase = phrase[: MAX_PHRASE_CHARACTERS - 1] + "…"
    return phrase.rstrip(" .") or "none was given"


def end_sentence(text: str) -> str:
    """Return `text` with a full stop, unless it ends a sentence by itself."""
    return text if text.endswith(("?", "!", "…")) else f"{text.rstrip(' .')}."
