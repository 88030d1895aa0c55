"""The shipped examples do what their names promise."""

from typing import Any
from uuid import UUID

import pytest

from processes import examples, registry
from processes.executors.base import ProcessFailed, Work
from processes.executors.python import PythonExecutor
from processes.value_types import ValueType
from tests.processes.recorder import Recorder

RUN_ID = UUID("0199c0de-0000-7000-8000-000000000001")


def execute(name: str, report: Recorder, *, attempt: int = 1, **values: Any) -> dict[str, Any]:
    return PythonExecutor().execute(Work(RUN_ID, attempt, values, {"process": name}), report)


@pytest.mark.parametrize(
    ("values", "x"),
    [
        ({"username": "Ada", "usersurname": "Lovelace"}, "Ada Lovelace"),
        ({"username": "Ada"}, "Ada"),
        ({"username": "Ada", "usersurname": ""}, "Ada"),
        ({"username": "", "usersurname": "Lovelace"}, "Lovelace"),
        ({"username": "", "usersurname": ""}, ""),
        ({"username": " Ada ", "usersurname": " "}, " Ada   "),
    ],
    ids=str,
)
def test_a_full_name_joins_the_parts_that_are_given(values: dict[str, Any], x: str) -> None:
    assert execute("OneStepNotepadRunner", Recorder(), **values) == {"x": x}


def test_a_count_down_reports_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    report = Recorder()
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)

    outputs = execute("CountDown", report, seconds=3)

    assert outputs == {"counted": 3}
    assert slept == [1, 1, 1]
    assert report.progressed == [(1, 3), (2, 3), (3, 3)]
    assert report.lines("log") == ["1 of 3 seconds", "2 of 3 seconds", "3 of 3 seconds"]


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_count_down_of_nothing_ends_at_once(seconds: int) -> None:
    assert execute("CountDown", Recorder(), seconds=seconds) == {"counted": 0}


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_run_fails_as_often_as_asked_with_the_text_given(attempt: int) -> None:
    report = Recorder()

    with pytest.raises(ProcessFailed, match=r"^No paper\.$"):
        execute("FailNTimes", report, attempt=attempt, times=2, text="No paper.")

    assert report.logged == []


def test_a_run_succeeds_after_the_failures_asked_for() -> None:
    assert execute("FailNTimes", Recorder(), attempt=3, times=2) == {"attempts": 3}


def test_a_run_fails_once_unless_told_how_often() -> None:
    with pytest.raises(ProcessFailed, match=r"^This run was asked to fail\.$"):
        execute("FailNTimes", Recorder())

    assert execute("FailNTimes", Recorder(), attempt=2) == {"attempts": 2}


@pytest.mark.parametrize(
    ("name", "function", "parameters", "outputs"),
    [
        (
            "OneStepNotepadRunner",
            examples.full_name,
            [("username", ValueType.TEXT, None), ("usersurname", ValueType.TEXT, "")],
            ["x"],
        ),
        ("CountDown", examples.count_down, [("seconds", ValueType.INTEGER, 10)], ["counted"]),
        (
            "FailNTimes",
            examples.fail_n_times,
            [
                ("times", ValueType.INTEGER, 1),
                ("text", ValueType.TEXT, "This run was asked to fail."),
            ],
            ["attempts"],
        ),
    ],
)
def test_an_example_explains_itself(
    name: str, function: Any, parameters: list[Any], outputs: list[str]
) -> None:
    found = registry.get(name)

    signature = found.signature
    assert found.function is function
    assert found.title
    assert found.description
    assert [(p.name, p.value_type, p.default) for p in signature.parameters] == parameters
    assert [output.name for output in signature.outputs] == outputs
    assert all(parameter.help_text for parameter in signature.parameters)
    assert all(output.help_text for output in signature.outputs)
