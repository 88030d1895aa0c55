"""Python processes that print and return too much."""

import random
from typing import Any

from processes.registry import process

MEGABYTE = 1024 * 1024


@process(name="FloodingPrint")
def flooding_print(kind: str, megabytes: int) -> dict[str, Any]:
    """Print so many megabytes.

    Args:
        kind: lines, line, nul or binary.
        megabytes: How many.
    """
    piece, end = {
        "lines": ("x" * 99, "\n"),
        "line": ("x" * MEGABYTE, ""),
        "nul": ("\0" * MEGABYTE, ""),
        "binary": (random.Random(0).randbytes(MEGABYTE).decode("latin-1"), ""),  # noqa: S311
    }[kind]
    for _ in range(megabytes * MEGABYTE // len(piece + end)):
        print(piece, end=end)  # noqa: T201 - what it is for
    return {}


@process(name="FloodingOutputs")
def flooding_outputs(kind: str) -> dict[str, Any]:
    """Return outputs that are too large, too many, or no JSON.

    Args:
        kind: size, names or nan.
    """
    outputs: dict[str, dict[str, Any]] = {
        "size": {"x": "x" * (10 * MEGABYTE)},
        "names": {f"x{number}": number for number in range(10_000)},
        "nan": {"x": float("nan")},
    }
    return outputs[kind]
