"""The answers of the real Quartz 2.3.2, case by case.

Each line of `quartz_vectors.jsonl` is a question that was put to Quartz (Java 17, zone rules 2025a)
and its answer; times are milliseconds since 1970. The classes:

- contract: to be answered in the same way, refusals too.
- extension: two-letter day names, which Quartz refuses; answered like three-letter ones.
- bug: Quartz's answer is evidently wrong; to be refused, or answered as `documented`.
- lenient: Quartz takes what it does not understand; to be refused, or answered in the same way.
"""

import json
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from scheduler.quartz import QuartzError, QuartzExpression

LINES = Path(__file__).with_name("quartz_vectors.jsonl").read_text(encoding="utf-8").splitlines()
VECTORS = [json.loads(line) for line in LINES]
HORIZON = 4_102_444_800  # 2100-01-01, where the recorded answers end
REJECT: Final = "reject"

Answer = tuple[list[int], bool] | Literal["reject"]


def answer(vector: dict[str, Any]) -> Answer:
    """Return the fires asked for, with whether there are no more, or that the text is refused."""
    try:
        plan = QuartzExpression(vector["expr"], tz=vector.get("tz", "UTC"))
    except QuartzError:
        return REJECT
    if not vector["valid"]:
        return [], True
    after, until = asked_range(vector)
    fires: list[int] = []
    while len(fires) < vector["count"]:
        fire = plan.next_after_epoch(after)
        if fire is None or fire >= HORIZON or fire > until:
            break
        fires.append(fire * 1000)
        after = fire
    return fires, len(fires) < vector["count"]


def asked_range(vector: dict[str, Any]) -> tuple[int, int]:
    """Return the second after which fires are asked for, and the last one that counts."""
    if "after" in vector:
        return vector["after"] // 1000, HORIZON
    first_second = -(-vector["start"] // 1000)
    return first_second - 1, vector.get("until", HORIZON * 1000) // 1000


def allowed_answers(vector: dict[str, Any]) -> list[Answer]:
    recorded: Answer = (vector["fires"], vector["end"]) if vector["valid"] else REJECT
    if vector["class"] == "lenient":
        return [REJECT, recorded]
    if vector["class"] == "bug":
        documented = vector["documented"]
        if documented == REJECT:
            return [REJECT]
        return [REJECT, (documented, len(documented) < vector["count"])]
    return [recorded]


@pytest.mark.parametrize(
    ("vector_class", "number"),
    [("contract", 1482), ("extension", 31), ("bug", 27), ("lenient", 26)],
)
def test_answers_are_those_of_quartz(
    vector_class: str, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = [vector for vector in VECTORS if vector["class"] == vector_class]

    different = [vector for vector in vectors if answer(vector) not in allowed_answers(vector)]

    with capsys.disabled():
        print(f"\nQuartz {vector_class}: {len(vectors)} cases, {len(different)} differences")  # noqa: T201 - a figure to read
    assert different == []
    assert len(vectors) == number
