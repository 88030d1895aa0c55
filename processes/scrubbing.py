"""Takes the secrets of a run out of what it says: logs, messages, standard error.

Found are a secret as it is, each of its lines, and how it looks inside JSON, a Python literal and
an address. What a process makes of it otherwise (base64, a part, upper case) is not.
"""

import io
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any
from urllib.parse import quote, quote_plus

from processes.secrets import MASK

# Shorter ones would take common words apart, and tell by the mask what they are.
MIN_CHARACTERS = 4


class Scrubber:
    """Masks secrets in texts; without secrets it returns them as they are."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _list_forms(secret)}
        # The longest first: one secret may be a part of another.
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self._beginnings = {form[:size] for form in forms for size in range(1, MIN_CHARACTERS)}

    def __bool__(self) -> bool:
        """Tell whether there is anything to mask."""
        return bool(self._forms)

    @property
    def longest(self) -> int:
        """Return how many characters the longest of what is masked has."""
        return len(self._forms[0]) if self._forms else 0

    def scrub(self, text: str) -> str:
        """Return `text` with each secret masked."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def find_end(self, text: str) -> int:
        """Return up to where a text can be scrubbed, whatever follows: behind it a secret may begin."""
        end = self._find_beginning(text)
        for form in self._forms:
            start = text.find(form, max(0, end - len(form) + 1))
            if 0 <= start < end:  # a whole secret reaches into what may be another
                is_short = len(text) - start < 2 * self.longest
                end = start if is_short else start + len(form)
        return end

    def _find_beginning(self, text: str) -> int:
        """Return where a secret may begin whose rest is still to come; the end if none does."""
        short = (len(text) - size for size in range(1, MIN_CHARACTERS) if size <= len(text))
        begins = [start for start in short if text[start:] in self._beginnings]
        return min([*begins, *(_find_half(text, form) for form in self._forms)], default=len(text))


def _find_half(text: str, form: str) -> int:
    """Return where `text` ends with a beginning of `form` of four characters or more."""
    start = text.find(form[:MIN_CHARACTERS], max(0, len(text) - len(form) + 1))
    while start >= 0 and not form.startswith(text[start:]):
        start = text.find(form[:MIN_CHARACTERS], start + 1)
    return start if start >= 0 else len(text)


class ScrubbedStream:
    """Masks secrets in a text that comes in pieces, also one that is split between two."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._held = ""

    def take(self, text: str) -> str:
        """Return what can be told of the text so far: all but what may be half a secret."""
        if not self._scrubber:
            return text
        text = self._held + text
        end = self._scrubber.find_end(text)
        self._held = text[end:]
        return self._scrubber.scrub(text[:end])

    def end(self) -> str:
        """Return what was held back: the text has ended."""
        rest, self._held = self._held, ""
        return self._scrubber.scrub(rest)


class _ScrubbedWriter(io.TextIOBase):
    """Standard error of a process with secrets."""

    def __init__(self, target: Any, scrubber: Scrubber) -> None:
        self._target = target
        self._stream = ScrubbedStream(scrubber)

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._target.write(self._stream.take(text))
        return len(text)

    def flush(self) -> None:
        self._target.flush()

    def end(self) -> None:
        self._target.write(self._stream.end())
        self._target.flush()


_current = Scrubber()


def scrub_current(text: str) -> str:
    """Return a text without the secrets of the run that this process carries out now."""
    return _current.scrub(text)


@contextmanager
def scrubbed(scrubber: Scrubber) -> Iterator[None]:
    """Keep secrets out of this process's own log and standard error for as long as this lasts."""
    global _current
    if not scrubber:
        yield
        return
    before, _current = _current, scrubber
    writer = _ScrubbedWriter(sys.stderr, scrubber)
    try:
        with redirect_stderr(writer):
            yield
    finally:
        writer.end()
        _current = before


def _list_forms(secret: str) -> Iterator[str]:
    for text in {secret, *secret.splitlines()}:
        for form in (
            text,
            json.dumps(text)[1:-1],
            json.dumps(text, ensure_ascii=False)[1:-1],
            repr(str(text))[1:-1],
            quote(text, safe=""),
            quote(text),
            quote_plus(text),
        ):
            if len(form.strip()) >= MIN_CHARACTERS:
                yield form
