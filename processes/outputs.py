"""Outputs of a run, checked before they are stored, whatever kind of executor they come from."""

import json
from collections.abc import Mapping
from typing import Any

from processes.executors.base import ProcessFailed
from processes.text import replace_unstorable_in
from processes.value_types import MAX_NESTING, ValueType, WrongType, to_stored

MAX_OUTPUTS = 1_000


def check_outputs(outputs: Mapping[str, Any], *, max_bytes: int) -> dict[str, Any]:
    """Return `outputs` in a form that both databases take.

    Raise ProcessFailed when they are too many, larger than `max_bytes` as JSON, or no JSON.
    """
    if len(outputs) > MAX_OUTPUTS:
        raise ProcessFailed(
            f"The process set {len(outputs):,} outputs; at most {MAX_OUTPUTS:,} are kept."
        )
    checked = {name: _check_one(name, value) for name, value in outputs.items()}
    size = len(json.dumps(checked, ensure_ascii=False).encode())
    if size > max_bytes:
        raise ProcessFailed(
            f"The outputs of the process take {size:,} bytes as JSON; its limit is"
            f" {max_bytes:,} bytes."
        )
    return checked


def _check_one(name: str, value: Any) -> Any:
    try:
        return to_stored(ValueType.JSON, replace_unstorable_in(value, levels=MAX_NESTING))
    except WrongType as error:
        raise ProcessFailed(f"The output {name!r} takes {error.expected}.") from error
