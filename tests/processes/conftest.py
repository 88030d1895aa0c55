"""A node that claims, and process models it can execute."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from processes import nodes, registry
from processes.models import ProcessModel, Worker
from tests.factories import ProcessModelFactory

Register = Callable[[Callable[..., Any]], ProcessModel]


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
