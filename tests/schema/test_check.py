"""`make schema` fails on every finding, and on a run that saw too little to find one."""

from typing import Any

import pytest

from tests.schema.check import judge
from tests.schema.hooks import make_real

FAILURE = {"code": "ST101", "title": "Server error"}


def make_report(accepted: int, rejected: int, **parts: Any) -> dict[str, Any]:
    rates = {"accepted": accepted, "unreachable": 0, "conflicts": 0, "rejected": rejected}
    report = {"failures": [], "errors": [], "exit_code": 0}
    return report | {"valid_rates": {"POST /start": {"fuzzing": rates}}} | parts


@pytest.mark.parametrize(
    ("report", "credentials", "wrong"),
    [
        (make_report(60, 40), "right", []),
        (make_report(0, 0), "no", []),
        (make_report(60, 40, failures=[FAILURE]), "right", ["ST101 Server error"]),
        (make_report(60, 40, errors=["hook"]), "right", ["hook"]),
        (
            make_report(60, 40, exit_code=1),
            "right",
            ["schemathesis ended with a warning that counts"],
        ),
        (
            make_report(10, 90),
            "right",
            ["only 10 of 100 requests were taken: the checks saw little"],
        ),
        (make_report(1, 0), "wrong", ["1 requests were taken from a stranger"]),
        (make_report(1, 0), "no", ["1 requests were taken from a stranger"]),
    ],
    ids=["fine", "nothing", "failure", "error", "warning", "little", "wrong", "stranger"],
)
def test_report_is_judged(report: dict[str, Any], credentials: str, wrong: list[str]) -> None:
    assert judge(report, credentials) == wrong


def test_run_that_made_no_request_with_right_credentials_saw_too_little() -> None:
    assert judge(make_report(0, 0), "right") == [
        "only 0 of 0 requests were taken: the checks saw little"
    ]


def test_only_what_has_the_right_shape_is_replaced() -> None:
    text = {"type": ["string", "null"], "maxLength": 5}
    fields = {"name": text, "quartzDef": text, "values": {"type": ["object", "null"]}}

    real = make_real({"name": "a", "quartzDef": "far too long", "values": 5, "other": 1}, fields)

    assert real.pop("name") != "a"
    assert real == {"quartzDef": "far too long", "values": 5, "other": 1}
