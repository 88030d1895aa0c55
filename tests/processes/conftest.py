"""A node that claims, and process models it can execute."""

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from processes import nodes, registry
from processes.executors.base import Report, Work
from processes.executors.command import CommandExecutor
from processes.models import ProcessModel, Worker
from tests.factories import ProcessModelFactory
from tests.processes.recorder import Recorder

Register = Callable[[Callable[..., Any]], ProcessModel]
RunScript = Callable[..., dict[str, Any]]

RUN_ID = uuid.UUID("01a20ac7-0d32-73a6-a118-2c090ac322bb")
MAX_OUTPUT_BYTES = 10_000


@pytest.fixture
def node(worker: Worker) -> nodes.Node:
    """Return a registered node of `worker`."""
    node = nodes.Node(worker.pk, concurrency=1)
    nodes.register_node(node)
    return node


@pytest.fixture
def become_node(
    transactional_db: None, node: nodes.Node, monkeypatch: pytest.MonkeyPatch
) -> nodes.Node:
    """Make this process the node, as a worker process is; its transactions are real ones."""
    monkeypatch.setattr(nodes, "_current", node)
    return node


@pytest.fixture
def register(db: None) -> Iterator[Register]:
    """Return a function that stores a process model for a Python function."""

    def store(function: Callable[..., Any]) -> ProcessModel:
        model: ProcessModel = ProcessModelFactory.create()
        registry.process(name=model.name)(function)
        return model

    with registry.isolated():
        yield store


def do_nothing() -> None:
    """Be a process that always succeeds."""


@pytest.fixture
def report() -> Recorder:
    """Return a report that keeps what it is told."""
    return Recorder()


@pytest.fixture
def run_script(tmp_path: Path, report: Recorder) -> RunScript:
    """Return a function that runs a shell script as a command, and sees that no file is left.

    `options` are those of the attempt, the rest of the keywords the configuration.
    """
    programs, var = tmp_path / "programs", tmp_path / "var"
    programs.mkdir()

    def run(
        script: str,
        values: dict[str, Any] | None = None,
        *arguments: str,
        options: dict[str, Any] | None = None,
        told: Report = report,
        **configuration: Any,
    ) -> dict[str, Any]:
        program = programs / "program"
        program.write_text(script if script.startswith("#!") else f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        configuration = {"argv": ["program", *arguments], **configuration}
        limits: dict[str, Any] = {
            "kill_grace": timedelta(seconds=0.5),
            "max_output_bytes": MAX_OUTPUT_BYTES,
        }
        work = Work(RUN_ID, 2, values or {}, configuration, **(limits | (options or {})))
        try:
            return CommandExecutor(programs, var).execute(work, told)
        finally:
            assert list((var / "commands").iterdir()) == []

    return run
