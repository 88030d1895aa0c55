"""Which callers take JSON, the one thing that the API answers."""

import re
from collections.abc import Iterable
from typing import Any

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request

# From the most specific range to the widest: the first one that is named decides.
JSON_RANGES = ("application/json", "application/*", "*/*")
MEDIA_RANGE = re.compile(r"[^\s/]+/[^\s/]+")
EXCLUDED = re.compile(r"\s*q\s*=\s*0(?:\.0*)?\s*", re.IGNORECASE)


class JsonOnly(DefaultContentNegotiation):
    """Answer JSON to everybody who takes it; no parameter of the address asks for another form."""

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        """Return the renderer of JSON. Raise NotAcceptable for a caller who excludes it."""
        if not takes_json(request.META.get("HTTP_ACCEPT", "")):
            raise NotAcceptable
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


def takes_json(accept: str) -> bool:
    """Tell whether a header Accept takes JSON (RFC 9110, section 12.5.1).

    A range that cannot be read is passed over; without any that can be, the header says nothing.
    """
    excluded = {}
    for item in accept.split(","):
        media_range, _, parameters = item.partition(";")
        if MEDIA_RANGE.fullmatch(media_range.strip()):
            is_excluded = any(map(EXCLUDED.fullmatch, parameters.split(";")))
            excluded[media_range.strip().lower()] = is_excluded
    named = next((excluded[known] for known in JSON_RANGES if known in excluded), bool(excluded))
    return not named
