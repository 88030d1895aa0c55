"""A registered function is called with the run's values, and its outputs are checked."""

import enum
import logging
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any, Literal, NotRequired, TypedDict
from uuid import UUID

import pytest

from processes import registry
from processes.executors.base import ProcessFailed, Work
from processes.executors.context import RunContext
from processes.executors.python import PythonExecutor
from tests.processes.recorder import Recorder

RUN_ID = UUID("0199c0de-0000-7000-8000-000000000001")


@pytest.fixture(autouse=True)
def nothing_stays_registered() -> Iterator[None]:
    with registry.isolated():
        yield


@pytest.fixture
def report() -> Recorder:
    return Recorder()


def execute(
    function: Callable[..., Any], report: Recorder, *, attempt: int = 1, **values: Any
) -> dict[str, Any]:
    registry.process(name="Tried")(function)
    return PythonExecutor().execute(Work(RUN_ID, attempt, values, {"process": "Tried"}), report)


class Colour(enum.Enum):
    RED = "red"


def test_a_function_gets_values_as_its_annotations_say(report: Recorder) -> None:
    got: dict[str, Any] = {}

    def keep(
        text: str, day: date, at: datetime, colour: Colour, data: dict[str, Any], *, count: int
    ) -> None:
        got.update(text=text, day=day, at=at, colour=colour, data=data, count=count)

    execute(
        keep,
        report,
        text="a",
        day="2026-11-23",
        at="2026-11-23T14:30:00+03:00",
        colour="red",
        data={"a": 1},
        count=3,
    )

    assert got == {
        "text": "a",
        "day": date(2026, 11, 23),
        "at": datetime.fromisoformat("2026-11-23T14:30:00+03:00"),
        "colour": Colour.RED,
        "data": {"a": 1},
        "count": 3,
    }


def test_a_value_that_is_not_given_is_the_default(report: Recorder) -> None:
    def keep(
        day: date = date(2026, 11, 23), note: str | None = None, size: int | None = 5
    ) -> dict[str, Any]:
        return {"day": day.isoformat(), "note": note, "size": size}

    outputs = execute(keep, report, size=None)

    assert outputs == {"day": "2026-11-23", "note": None, "size": 5}


def test_a_run_cannot_change_the_default_of_the_next(report: Recorder) -> None:
    def collect(items: list[Any] = []) -> dict[str, Any]:  # noqa: B006 - the case
        items.append("more")
        return {"count": len(items)}

    first = execute(collect, report)
    second = execute(collect, report)

    assert first == second == {"count": 1}


def test_a_missing_value_fails_the_run_before_the_call(report: Recorder) -> None:
    def keep(text: str) -> None:
        raise AssertionError

    with pytest.raises(ProcessFailed, match=r"^The value 'text' is missing\.$"):
        execute(keep, report)


def test_a_stored_value_that_no_longer_fits_fails_the_run(report: Recorder) -> None:
    def keep(colour: Literal["red", "green"]) -> None:
        raise AssertionError

    with pytest.raises(ProcessFailed, match=r"^The value 'colour' takes one of 'red', 'green'\.$"):
        execute(keep, report, colour="blue")


def test_a_value_that_the_function_does_not_take_is_left_out_and_logged(report: Recorder) -> None:
    def tidy() -> None: ...

    execute(tidy, report, extra=1)

    assert report.logged == [
        ("log", "The value 'extra' is no parameter of this process and was left out.")
    ]


@pytest.mark.parametrize("configuration", [{"process": "os.system"}, {}])
def test_only_a_registered_name_is_run(report: Recorder, configuration: dict[str, str]) -> None:
    with pytest.raises(ProcessFailed, match="No Python process is registered as"):
        PythonExecutor().execute(Work(RUN_ID, 1, {}, configuration), report)


def test_a_function_learns_about_its_run_from_the_context(report: Recorder) -> None:
    def work(context: RunContext, size: int) -> dict[str, Any]:
        context.log("half way")
        context.progress(1, size)
        context.progress(2)
        return {"run": str(context.run_id), "attempt": context.attempt}

    outputs = execute(work, report, attempt=3, size=2)

    assert outputs == {"run": str(RUN_ID), "attempt": 3}
    assert report.logged == [("log", "half way")]
    assert report.progressed == [(1, 2), (2, None)]


class Outputs(TypedDict):
    x: str
    day: NotRequired[date]
    count: int | None


@pytest.mark.parametrize(
    ("returned", "stored"),
    [
        ({"x": "a", "count": 1}, {"x": "a", "count": 1}),
        ({"x": "a", "count": None}, {"x": "a", "count": None}),
        ({"x": "a"}, {"x": "a"}),
        ({"x": "a", "day": date(2026, 11, 23)}, {"x": "a", "day": "2026-11-23"}),
        ({"x": "a", "count": 5.0}, {"x": "a", "count": 5}),
    ],
    ids=str,
)
def test_declared_outputs_are_returned_in_their_stored_form(
    report: Recorder, returned: Any, stored: Any
) -> None:
    def answer() -> Outputs:
        return returned  # type: ignore[no-any-return]  # the table holds what it returns

    assert execute(answer, report) == stored


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "did not set its output 'x'"),
        ({"count": 1}, "did not set its output 'x'"),
        ({"x": "a", "y": 1}, "set 'y', which is no output of it"),
        ({"x": 5}, "set its output 'x' to a value of type int; expected text"),
        ({"x": None}, "set its output 'x' to a value of type NoneType; expected text"),
        ({"x": "a", "count": "5"}, "'count' to a value of type str; expected a whole number"),
        ({"x": "a", "day": None, "count": True}, "'count' to a value of type bool"),
        (["a"], "returned a value of type list"),
    ],
    ids=str,
)
def test_outputs_other_than_declared_fail_the_run(
    report: Recorder, returned: Any, message: str
) -> None:
    def answer() -> Outputs:
        return returned  # type: ignore[no-any-return]  # the table holds what it returns

    with pytest.raises(ProcessFailed, match=message):
        execute(answer, report)


def test_a_function_without_outputs_must_not_set_any(report: Recorder) -> None:
    def answer() -> None:
        return {"x": 1}  # type: ignore[return-value]  # the case

    with pytest.raises(ProcessFailed, match="set 'x', which is no output of it"):
        execute(answer, report)


@pytest.mark.parametrize(
    ("returned", "stored"),
    [
        (None, {}),
        ({}, {}),
        ({"a": [1, {"b": date(2026, 11, 23)}]}, {"a": [1, {"b": "2026-11-23"}]}),
        ({"a": "[1]"}, {"a": "[1]"}),
    ],
    ids=str,
)
def test_a_plain_dict_may_hold_any_outputs(report: Recorder, returned: Any, stored: Any) -> None:
    def answer() -> dict[str, Any]:
        return returned  # type: ignore[no-any-return]  # the table holds what it returns

    assert execute(answer, report) == stored


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ({"a": float("nan")}, "output 'a' to a value of type float"),
        ({"a": object()}, "output 'a' to a value of type object"),
        ({"a": {1: 2}}, "output 'a' to a value of type dict"),
        ({1: "a"}, "The name 1 of an output"),
        ({"\0": "a"}, "The name .* of an output"),
    ],
    ids=["nan", "object", "key", "name", "nul"],
)
def test_outputs_that_json_cannot_hold_fail_the_run(
    report: Recorder, returned: Any, message: str
) -> None:
    def answer() -> dict[str, Any]:
        return returned  # type: ignore[no-any-return]  # the table holds what it returns

    with pytest.raises(ProcessFailed, match=message):
        execute(answer, report)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("The file is empty."), "The file is empty."),
        (ValueError(), "ValueError"),
        (ValueError(" "), "ValueError"),
        (KeyError("iban"), "KeyError: 'iban'"),
        (Unprintable(), "Unprintable"),
        (SystemExit(3), "The process ended itself with exit code 3."),
        (SystemExit(), "The process ended itself with exit code 0."),
        (SystemExit("No printer."), "No printer."),
        (GeneratorExit(), "GeneratorExit"),
    ],
    ids=repr,
)
def test_an_exception_fails_the_run_in_its_own_words(
    report: Recorder, error: BaseException, message: str
) -> None:
    def work() -> None:
        raise error

    with pytest.raises(ProcessFailed) as failure:
        execute(work, report)

    assert str(failure.value) == message
    assert len(report.lines("traceback")) == 1


def test_the_stack_trace_is_logged_from_the_function_on(report: Recorder) -> None:
    def inner() -> None:
        raise ValueError("deep")

    def work() -> None:
        inner()

    with pytest.raises(ProcessFailed):
        execute(work, report)

    (trace,) = report.lines("traceback")
    assert "in work" in trace
    assert "in inner" in trace
    assert "ValueError: deep" in trace
    assert "executors" not in trace


@pytest.mark.parametrize(
    ("error", "message"),
    [(ProcessFailed("No paper."), "No paper."), (ProcessFailed(), "ProcessFailed")],
    ids=repr,
)
def test_a_process_that_says_why_it_fails_needs_no_stack_trace(
    report: Recorder, error: ProcessFailed, message: str
) -> None:
    def work() -> None:
        raise error

    with pytest.raises(ProcessFailed) as failure:
        execute(work, report)

    assert str(failure.value) == message
    assert report.logged == []


def test_a_keyboard_interrupt_is_not_the_processs_failure(report: Recorder) -> None:
    def work() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(work, report)


def test_what_a_function_prints_is_logged_line_by_line(report: Recorder) -> None:
    def work() -> None:
        print("one", end=" ")  # noqa: T201 - the case
        print("line\nanother\n")  # noqa: T201 - the case
        print("no end", end="")  # noqa: T201 - the case

    execute(work, report)

    assert report.logged == [
        ("stdout", "one line"),
        ("stdout", "another"),
        ("stdout", ""),
        ("stdout", "no end"),
    ]


def test_what_a_failing_function_printed_stands_before_its_stack_trace(report: Recorder) -> None:
    def work() -> None:
        print("about to fail", end="")  # noqa: T201 - the case
        raise ValueError

    with pytest.raises(ProcessFailed):
        execute(work, report)

    assert [stream for stream, _ in report.logged] == ["stdout", "traceback"]


def test_a_line_without_end_is_logged_in_pieces(report: Recorder) -> None:
    def work() -> None:
        for _ in range(100):
            print("x" * 1000, end="")  # noqa: T201 - the case

    execute(work, report)

    assert "".join(report.lines("stdout")) == "x" * 100_000
    assert max(len(line) for line in report.lines("stdout")) < 10_000


def test_standard_output_is_given_back(report: Recorder) -> None:
    before = sys.stdout

    def work() -> None:
        raise ValueError

    with pytest.raises(ProcessFailed):
        execute(work, report)

    assert sys.stdout is before


def test_a_handler_kept_from_an_earlier_run_does_not_write_into_its_log(report: Recorder) -> None:
    handlers: list[logging.StreamHandler[Any]] = []

    def work() -> None:
        handlers.append(logging.StreamHandler(sys.stdout))

    execute(work, report)
    handlers[0].emit(logging.makeLogRecord({"msg": "of a later run"}))

    assert report.logged == []
