"""Outputs of a run, checked before they are stored, whatever kind of executor they come from."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from processes.executors.base import ProcessFailed
from processes.text import replace_unstorable_in
from processes.value_types import MAX_NESTING, ValueType, WrongType, to_stored

MAX_OUTPUTS = 1_000
NO_TYPES: Mapping[str, str] = MappingProxyType({})


def check_outputs(
    outputs: Mapping[str, Any], *, max_bytes: int, types: Mapping[str, str] = NO_TYPES
) -> dict[str, Any]:
    """Return `outputs` in a form that both databases take.

    `types` are the declared ones, by name; what is not declared may be any JSON, and null is of
    every type. Raise ProcessFailed when they are too many, larger than `max_bytes` as JSON, or of
    another type.
    """
    if len(outputs) > MAX_OUTPUTS:
        raise ProcessFailed(
            f"The process set {len(outputs):,} outputs; at most {MAX_OUTPUTS:,} are kept."
        )
    checked = {
        name: _check_one(name, value, ValueType(types.get(name, ValueType.JSON)))
        for name, value in outputs.items()
    }
    size = len(json.dumps(checked, ensure_ascii=False).encode())
    if size > max_bytes:
        raise ProcessFailed(
            f"The outputs of the process take {size:,} bytes as JSON; its limit is"
            f" {max_bytes:,} bytes."
        )
    return checked


def _check_one(name: str, value: Any, value_type: ValueType) -> Any:
    storable = replace_unstorable_in(value, levels=MAX_NESTING)
    # Which texts an output may choose from is declared nowhere.
    value_type = ValueType.TEXT if value_type == ValueType.CHOICE else value_type
    try:
        return None if value is None else to_stored(value_type, storable)
    except WrongType as error:
        raise ProcessFailed(f"The output {name!r} takes {error.expected}.") from error
