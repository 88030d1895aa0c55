"""No `quartzDef` keeps a web process busy, whatever is in its 1,000 characters."""

import time

import pytest

from processes.models import ProcessModel
from scheduler import quartz
from tests.conftest import START, Caller

BAR = 0.050  # seconds of CPU, beside those of a plain plan
PLAIN = "0 6 6 ? * FRI"


def cost(acme: Caller, text: str) -> float:
    """Return the seconds of CPU of a dry run, which reads the plan, searches and describes it.

    The best of five: a collection of garbage, or a neighbour on the core, may hit any of them.
    """
    took = float("inf")
    for _ in range(5):
        quartz._compile.cache_clear()
        began = time.process_time()
        acme.start({"name": "CountDown", "quartzDef": text}, f"{START}?dryRun=true")
        took = min(took, time.process_time() - began)
    return took


def filled(pattern: str, item: str) -> str:
    """Return the longest expression that has a list of one item in a field."""
    room = 1_000 - len(pattern.format(""))
    return pattern.format(",".join([item] * ((room + 1) // (len(item) + 1))))


@pytest.mark.parametrize(
    "text",
    [
        filled("0 0 0 29 2 ? {}", "*"),
        filled("0 0 0 1 1 ? {}", "1970/1"),
        filled("{} * * * * ?", "59-0"),
        filled("0 0 0 ? * {}", "FR"),
        filled("0 0 0 {} * ?", "31"),
        filled("{} * * * *", "*/5"),
        filled("* * * * {}", "1-5"),
        filled("* * * {} * MON", "1"),
        "0 0 0 29 2 ? 2199",
        "0 0 0 30 2 ?",
        "0 0 0 1 1 ? 2026/" + "9" * 900,
        ", " * 500,
    ],
    ids=lambda text: text[:20],
)
def test_worst_plans_cost_little_more_than_a_plain_one(
    acme: Caller, examples: dict[str, ProcessModel], text: str
) -> None:
    assert len(text) <= 1_000
    plain = cost(acme, PLAIN)

    assert cost(acme, text) - plain < BAR
