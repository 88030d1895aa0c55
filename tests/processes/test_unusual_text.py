"""Whatever a process says is stored on both databases: replaced visibly, cut with a mark."""

from collections.abc import Callable
from typing import Any

import pytest

from processes import nodes
from processes.execution import claim_run, execute_run
from processes.executors.base import ProcessFailed
from processes.executors.context import RunContext
from processes.models import Run, RunAttempt, RunLog
from processes.text import MAX_MESSAGE_CHARACTERS, make_message
from tests.factories import RunFactory
from tests.processes.conftest import Register

ODD = "a\0b\ud800c"
STORED = "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"


def fail() -> None:
    raise ProcessFailed(ODD)


def raise_error() -> None:
    raise ValueError(ODD)


def log(context: RunContext) -> None:
    context.log(ODD)


def print_it() -> None:
    print(ODD)  # noqa: T201 - the case


def return_text() -> dict[str, Any]:
    return {"x": ODD}


def return_nested() -> dict[str, Any]:
    return {"x": [{ODD: (ODD, 1)}]}


def carry_out(node: nodes.Node, register: Register, function: Callable[..., Any]) -> Run:
    """Run the function to its end and return the run as it is stored."""
    RunFactory.create(process_model=register(function))
    run = claim_run(node)
    assert run is not None
    execute_run(run)
    return Run.objects.get()


@pytest.mark.parametrize("function", [fail, raise_error])
def test_odd_text_of_an_error_is_stored(
    node: nodes.Node, register: Register, function: Callable[..., Any]
) -> None:
    run = carry_out(node, register, function)

    assert (run.status, run.message) == ("FAILED", STORED)
    assert RunAttempt.objects.get().error == STORED


def test_odd_text_of_a_traceback_is_stored(node: nodes.Node, register: Register) -> None:
    carry_out(node, register, raise_error)

    assert RunLog.objects.get(stream="traceback").text.endswith(f"ValueError: {STORED}\n\n")


@pytest.mark.parametrize("function", [log, print_it])
def test_odd_text_of_a_log_line_is_stored(
    node: nodes.Node, register: Register, function: Callable[..., Any]
) -> None:
    run = carry_out(node, register, function)

    assert run.status == "SUCCEEDED"
    assert RunLog.objects.get().text == f"{STORED}\n"


@pytest.mark.parametrize(
    ("function", "stored"),
    [(return_text, STORED), (return_nested, [{STORED: [STORED, 1]}])],
)
def test_odd_text_of_an_output_is_stored(
    node: nodes.Node, register: Register, function: Callable[..., Any], stored: object
) -> None:
    run = carry_out(node, register, function)

    assert (run.status, run.outputs) == ("SUCCEEDED", {"x": stored})


def test_long_error_is_cut_and_says_so(node: nodes.Node, register: Register) -> None:
    def complain() -> None:
        raise ProcessFailed("x" * 1_000_000)

    run = carry_out(node, register, complain)

    assert len(run.message) == MAX_MESSAGE_CHARACTERS
    assert run.message.endswith("xxx … (cut: 1,000,000 characters in all)")
    assert RunAttempt.objects.get().error == run.message


def test_error_of_just_the_longest_length_is_whole() -> None:
    text = "x" * MAX_MESSAGE_CHARACTERS

    assert make_message(text) == text
