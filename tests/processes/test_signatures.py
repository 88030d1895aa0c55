"""A function's signature, type hints and docstring become parameters and outputs."""

import enum
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Literal, NotRequired, Optional, TypedDict

import pytest
import typing_extensions

from processes.executors.context import RunContext
from processes.signatures import OutputSpec, ParameterSpec, UnusableProcess, describe_function
from processes.value_types import ValueType


class Colour(enum.StrEnum):
    RED = "red"
    GREEN = "green"


class Number(enum.IntEnum):
    ONE = 1


class Point(TypedDict):
    x: int


class Invoice(TypedDict):
    """An invoice that was paid.

    Attributes:
        number: The number
            of the invoice.
    """

    number: int
    paid_on: Annotated[date, "When it was paid."]
    state: Literal["open", "closed"]
    note: str | None
    reference: NotRequired[str]


class LateInvoice(TypedDict):
    number: "int"
    reference: "NotRequired[str]"


class Extended(typing_extensions.TypedDict):
    x: str


def parameter_of(annotation: Any, *default: Any) -> ParameterSpec:
    def function(value):  # type: ignore[no-untyped-def]  # annotated below
        return None

    function.__annotations__ = {"value": annotation, "return": None}
    function.__defaults__ = default
    (spec,) = describe_function(function).parameters
    return spec


@pytest.mark.parametrize(
    ("annotation", "value_type", "choices"),
    [
        (str, "text", ()),
        (int, "integer", ()),
        (float, "number", ()),
        (bool, "boolean", ()),
        (date, "date", ()),
        (datetime, "date-time", ()),
        (Literal["a", "b"], "choice", ("a", "b")),
        (Colour, "choice", ("red", "green")),
        (dict, "json", ()),
        (dict[str, int], "json", ()),
        (list[str], "json", ()),
        (Any, "json", ()),
        (Point, "json", ()),
        (Extended, "json", ()),
        (Annotated[int, "how many"], "integer", ()),
        ("int", "integer", ()),
    ],
    ids=str,
)
def test_an_annotation_says_the_type(
    annotation: Any, value_type: str, choices: tuple[str, ...]
) -> None:
    spec = parameter_of(annotation)

    assert (spec.value_type, spec.choices, spec.required) == (value_type, choices, True)


@pytest.mark.parametrize(
    "annotation",
    [int | None, Optional[int], Annotated[int | None, "x"], Annotated[int, "x"] | None],  # noqa: UP045 - authors write it
    ids=str,
)
def test_a_parameter_that_may_be_none_is_not_required(annotation: Any) -> None:
    spec = parameter_of(annotation)

    assert (spec.value_type, spec.required, spec.default) == (ValueType.INTEGER, False, None)


@pytest.mark.parametrize(
    ("annotation", "default", "stored"),
    [
        (str, "", ""),
        (int, 5, 5),
        (float, 5, 5),
        (int | None, None, None),
        (int | None, 7, 7),
        (date, date(2026, 11, 23), "2026-11-23"),
        (datetime, datetime(2026, 11, 23, 14, 30), "2026-11-23T14:30:00"),  # noqa: DTZ001 - without an offset
        (Colour, Colour.GREEN, "green"),
        (list[str], ["a"], ["a"]),
        (Any, "[1]", "[1]"),
    ],
    ids=str,
)
def test_a_default_is_kept_in_its_stored_form(annotation: Any, default: Any, stored: Any) -> None:
    spec = parameter_of(annotation, default)

    assert spec.default == stored
    assert not spec.required


@pytest.mark.parametrize(
    ("annotation", "default"),
    [(int, None), (int, "5"), (Literal["a"], "b"), (float, float("nan")), (dict, {1: 2})],
    ids=str,
)
def test_a_default_of_another_type_is_refused(annotation: Any, default: Any) -> None:
    with pytest.raises(UnusableProcess, match=r"function: the parameter 'value' has the default"):
        parameter_of(annotation, default)


@pytest.mark.parametrize(
    "annotation",
    [
        bytes,
        int | str,
        Literal["a", 1],
        Number,
        enum.Enum,
        tuple,
        object,
        Callable[[], int],
        5,
        [int],
    ],
    ids=str,
)
def test_an_unsupported_type_is_refused_with_what_is_allowed(annotation: Any) -> None:
    with pytest.raises(
        UnusableProcess, match=r"function: the parameter 'value' is annotated .*; allowed are str"
    ):
        parameter_of(annotation)


def test_a_process_is_described_by_its_docstring() -> None:
    def pay(context: RunContext, invoice: int, *, account: Annotated[str, "Who pays."]) -> Invoice:
        """Pay an invoice.

        It is paid at once.

        Args:
            invoice: The number of the invoice,
                as printed.
        """
        raise NotImplementedError

    signature = describe_function(pay)

    assert signature.takes_context
    assert signature.description == "Pay an invoice.\n\nIt is paid at once."
    assert signature.parameters == (
        ParameterSpec(
            name="invoice",
            value_type=ValueType.INTEGER,
            required=True,
            default=None,
            choices=(),
            help_text="The number of the invoice, as printed.",
            position=0,
        ),
        ParameterSpec(
            name="account",
            value_type=ValueType.TEXT,
            required=True,
            default=None,
            choices=(),
            help_text="Who pays.",
            position=1,
        ),
    )


def test_the_keys_of_a_returned_typed_dict_are_the_outputs() -> None:
    def pay() -> Invoice:
        raise NotImplementedError

    signature = describe_function(pay)

    assert signature.outputs_declared
    assert signature.outputs == (
        OutputSpec("number", ValueType.INTEGER, "The number of the invoice."),
        OutputSpec("paid_on", ValueType.DATE, "When it was paid."),
        OutputSpec("state", ValueType.CHOICE, choices=("open", "closed")),
        OutputSpec("note", ValueType.TEXT, required=False),
        OutputSpec("reference", ValueType.TEXT, required=False),
    )


def test_an_output_annotated_as_text_may_be_left_out() -> None:
    def pay() -> LateInvoice:
        raise NotImplementedError

    signature = describe_function(pay)

    assert [spec.required for spec in signature.outputs] == [True, False]


def test_a_function_that_returns_none_has_no_outputs() -> None:
    def tidy() -> None: ...

    signature = describe_function(tidy)

    assert (signature.outputs, signature.outputs_declared) == ((), True)


def test_a_function_that_returns_a_dict_declares_no_outputs() -> None:
    def tidy() -> dict[str, Any]:
        return {}

    signature = describe_function(tidy)

    assert (signature.outputs, signature.outputs_declared) == ((), False)


def test_a_function_without_docstring_has_no_description() -> None:
    def tidy(depth: int) -> None: ...

    signature = describe_function(tidy)

    assert (signature.description, signature.parameters[0].help_text) == ("", "")


def variadic(*names: str) -> None: ...
def keywords(**names: str) -> None: ...
def positional(name: str, /) -> None: ...
def unannotated(name) -> None: ...  # type: ignore[no-untyped-def]  # the case
def late_context(name: str, context: RunContext) -> None: ...
def unknown_type(name: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821 - the case
def returns_text() -> str:
    return ""


def returns_nothing_said():  # type: ignore[no-untyped-def]  # the case
    return {}


class Raw(TypedDict):
    x: bytes


def returns_bytes() -> Raw:
    return {"x": b""}


async def asynchronous() -> None: ...


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (variadic, "variadic: the parameter 'names' is variadic positional"),
        (keywords, "keywords: the parameter 'names' is variadic keyword"),
        (positional, "positional: the parameter 'name' is positional-only"),
        (unannotated, "unannotated: the parameter 'name' has no annotation; allowed are str"),
        (late_context, "late_context: the parameter 'context' .* must be the first parameter"),
        (unknown_type, "unknown_type: its annotations cannot be read .*Missing"),
        (returns_text, "returns_text: its return annotation must be a TypedDict"),
        (returns_nothing_said, "returns_nothing_said: its return annotation must be"),
        (returns_bytes, "returns_bytes: the output 'x' is annotated bytes; allowed are str"),
        (asynchronous, "asynchronous .*write it as a plain function"),
        (print, "print.*write it as a plain function"),
        (Colour, "Colour.*write it as a plain function"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_function_that_cannot_be_a_process_is_refused(
    function: Callable[..., Any], reason: str
) -> None:
    with pytest.raises(UnusableProcess, match=reason):
        describe_function(function)
