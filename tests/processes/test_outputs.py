"""Outputs have caps, and only JSON is an output, whatever kind of executor they come from."""

from typing import Any

import pytest

from processes import nodes
from processes.execution import EXECUTORS, claim_run, execute_run
from processes.executors.base import ProcessFailed, Report, Work
from processes.models import ProcessModel, Run
from processes.outputs import MAX_OUTPUTS, check_outputs
from tests.factories import RunFactory
from tests.processes.conftest import Register

MIB = 1024 * 1024


class Careless:
    """An executor that checks nothing itself."""

    def __init__(self, outputs: dict[str, Any]) -> None:
        self.outputs = outputs

    def execute(self, work: Work, report: Report) -> dict[str, Any]:
        return self.outputs


def execute_one(node: nodes.Node) -> Run:
    run = claim_run(node)
    assert run is not None
    execute_run(run)
    return Run.objects.get()


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        pytest.param(
            {f"x{n}": n for n in range(MAX_OUTPUTS + 1)},
            "The process set 1,001 outputs; at most 1,000 are kept.",
            id="too many",
        ),
        pytest.param(
            {"x": "é" * MIB},
            "The outputs of the process take 2,097,161 bytes as JSON;"
            " its limit is 1,048,576 bytes.",
            id="too large",
        ),
        pytest.param({"x": float("nan")}, "The output 'x' takes JSON such as", id="NaN"),
        pytest.param({"x": [float("inf")]}, "The output 'x' takes JSON such as", id="infinity"),
        pytest.param({"x": object()}, "The output 'x' takes JSON such as", id="no JSON"),
    ],
)
def test_outputs_that_cannot_be_kept_fail_the_run(
    node: nodes.Node,
    monkeypatch: pytest.MonkeyPatch,
    outputs: dict[str, Any],
    sentence: str,
) -> None:
    monkeypatch.setitem(EXECUTORS, ProcessModel.Executor.PYTHON, Careless(outputs))
    RunFactory.create()

    run = execute_one(node)

    assert (run.status, run.outputs) == ("FAILED", None)
    assert sentence in run.message


def test_limit_of_the_process_model_counts(node: nodes.Node, register: Register) -> None:
    def give_much() -> dict[str, Any]:
        return {"x": "y" * 100}

    process_model = register(give_much)
    ProcessModel.objects.filter(pk=process_model.pk).update(max_output_bytes=50)
    RunFactory.create(process_model=process_model)

    run = execute_one(node)

    assert run.message == (
        "The outputs of the process take 109 bytes as JSON; its limit is 50 bytes."
    )


def test_most_and_largest_outputs_are_kept() -> None:
    many = {f"x{n}": n for n in range(MAX_OUTPUTS)}
    large = {"x": "y" * (MIB - len('{"x": ""}'))}

    assert check_outputs(many, max_bytes=MIB) == many
    assert check_outputs(large, max_bytes=MIB) == large
    with pytest.raises(ProcessFailed):
        check_outputs(large, max_bytes=MIB - 1)
