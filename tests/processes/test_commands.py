"""A run of a command on a worker: what is stored of its end."""

import json
from pathlib import Path
from typing import Any

import pytest

from processes import execution, nodes
from processes.executors.command import CommandExecutor
from processes.models import ProcessModel, Run, RunAttempt, RunLog
from tests.conftest import Caller
from tests.factories import ProcessModelFactory, RunFactory


@pytest.fixture
def execute(node: nodes.Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Any":
    """Return a function that carries out a run of a shell script and returns the run."""
    executor = CommandExecutor(tmp_path, tmp_path / "var")
    monkeypatch.setitem(execution.EXECUTORS, ProcessModel.Executor.COMMAND, executor)

    def execute(script: str, *, outputs: dict[str, str] | None = None, **fields: Any) -> Run:
        program = tmp_path / "program"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        model = ProcessModelFactory.create(
            executor="command", configuration={"argv": ["program"]}, **fields
        )
        for name, value_type in (outputs or {}).items():
            model.outputs.create(name=name, value_type=value_type)
        RunFactory.create(process_model=model)
        run = execution.claim_run(node)
        assert run is not None
        execution.execute_run(run)
        run.refresh_from_db()
        return run

    return execute


def test_example_greets(acme: Caller, node: nodes.Node, examples: dict[str, ProcessModel]) -> None:
    answer = acme.start({"name": "HelloCommand", "values": {"name": "Ada"}}).json()
    run = execution.claim_run(node)
    assert run is not None

    execution.execute_run(run)

    status = acme.status(answer["robustaSpid"]).json()
    assert (status["status"], status["__out_greeting"]) == ("SUCCEEDED", "hello Ada")
    assert list(RunLog.objects.values_list("stream", "text")) == [("stdout", "Greeting Ada\n")]
    assert RunAttempt.objects.get().outcome == "succeeded"


@pytest.mark.parametrize(
    ("script", "facts"),
    [("exit 7", (7, "")), ("kill -TERM $$", (None, "SIGTERM"))],
)
def test_exit_code_and_signal_go_to_the_attempt(
    execute: Any, script: str, facts: tuple[int | None, str]
) -> None:
    run = execute(script)

    assert (run.status, run.reason) == ("FAILED", "process_failed")
    attempt = RunAttempt.objects.get()
    assert (attempt.outcome, attempt.error) == ("failed", run.message)
    assert (attempt.exit_code, attempt.signal) == facts


def test_outputs_are_limited_by_the_process_model(execute: Any) -> None:
    run = execute('echo \'{"x": "0123456789"}\' > "$ARABICA_OUTPUTS"', max_output_bytes=12)

    assert run.status == "FAILED"
    assert run.message == (
        "The file ARABICA_OUTPUTS has 20 bytes; the limit of the outputs is 12 bytes."
    )


def test_progress_is_stored(execute: Any) -> None:
    run = execute('echo "3 10" > "$ARABICA_PROGRESS"; echo "10 10" >> "$ARABICA_PROGRESS"')

    assert (run.progress_done, run.progress_total) == (10.0, 10.0)


@pytest.mark.parametrize(
    ("value_type", "value", "sentence"),
    [
        ("integer", '"three"', "The output 'x' takes a whole number such as 5"),
        ("boolean", "1", "The output 'x' takes true or false"),
        ("date", '"2026-02-30"', "The output 'x' takes a date such as 2026-11-23"),
        ("text", "5", "The output 'x' takes text such as 'blue'"),
    ],
)
def test_output_of_another_type_than_declared_fails_the_run(
    execute: Any, value_type: str, value: str, sentence: str
) -> None:
    run = execute(f'echo \'{{"x": {value}}}\' > "$ARABICA_OUTPUTS"', outputs={"x": value_type})

    assert (run.status, run.outputs) == ("FAILED", None)
    assert run.message.startswith(sentence)


def test_outputs_of_their_declared_types_and_others_are_kept(execute: Any) -> None:
    types = {"count": "integer", "day": "date", "color": "choice", "left": "number"}
    outputs = {"count": 3, "day": "2026-11-25", "color": "blue", "left": None, "more": [1]}

    run = execute(f"echo '{json.dumps(outputs)}' > \"$ARABICA_OUTPUTS\"", outputs=types)

    assert (run.status, run.outputs) == ("SUCCEEDED", outputs)
