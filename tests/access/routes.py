"""The addresses that exist: every pattern of the resolver, its converters written as `<id>`."""

import re
from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

CONVERTER = re.compile(r"(?<!\?P)<[^>]+>")


def _walk(resolver: URLResolver, prefix: str) -> Iterator[str]:
    for each in resolver.url_patterns:
        address = prefix + str(each.pattern)
        if isinstance(each, URLPattern):
            yield CONVERTER.sub("<id>", address)
        else:
            yield from _walk(each, address)


def find_addresses() -> list[str]:
    """Return every address; one that appears twice is reached by the first pattern alone."""
    return list(_walk(get_resolver(), ""))
