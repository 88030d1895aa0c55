"""What clients send becomes one stored form per type, or is refused."""

import enum
import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processes.value_types import ValueType, WrongType, convert, to_python, to_stored

COLOURS = ("red", "green", "1")

TAKEN = [
    ("text", "blue", "blue"),
    ("text", "", ""),
    ("text", "  kept  ", "  kept  "),
    ("text", "5", "5"),
    ("integer", 5, 5),
    ("integer", "5", 5),
    ("integer", "-12", -12),
    ("integer", "007", 7),
    ("integer", 5.0, 5),
    ("integer", "5.0", 5),
    ("integer", "9223372036854775808", 2**63),
    ("integer", "9" * 4300, 10**4300 - 1),
    ("number", 5, 5),
    ("number", 2.5, 2.5),
    ("number", "2.5", 2.5),
    ("number", "-3", -3),
    ("number", "1e3", 1000.0),
    ("number", "1E+20", 1e20),
    ("boolean", True, True),
    ("boolean", False, False),
    ("boolean", "true", True),
    ("boolean", "False", False),
    ("boolean", "Y", True),
    ("boolean", "n", False),
    ("boolean", "1", True),
    ("boolean", "0", False),
    ("date", "2026-11-23", "2026-11-23"),
    ("date", "2024-02-29", "2024-02-29"),
    ("date-time", "2026-11-23 14:30:00", "2026-11-23T14:30:00"),
    ("date-time", "2026-11-23T14:30", "2026-11-23T14:30:00"),
    ("date-time", "2026-11-23T14:30:00Z", "2026-11-23T14:30:00+00:00"),
    ("date-time", "2026-11-23T14:30:00+03:00", "2026-11-23T14:30:00+03:00"),
    ("date-time", "2026-11-23T14:30:00-0330", "2026-11-23T14:30:00-03:30"),
    ("date-time", "2026-11-23T14:30:00.1234567", "2026-11-23T14:30:00.123456"),
    ("choice", "red", "red"),
    ("json", {"a": [1, None, True, 2.5, "x"]}, {"a": [1, None, True, 2.5, "x"]}),
    ("json", '{"a": [1]}', {"a": [1]}),
    ("json", ' [1, "[2]"]', [1, "[2]"]),
    ("json", "plain", "plain"),
    ("json", "5", "5"),
    ("json", '"quoted"', '"quoted"'),
    ("json", "{half", "{half"),
    ("json", 5, 5),
    ("json", None, None),
]

REFUSED = [
    ("text", 5),
    ("text", True),
    ("text", None),
    ("text", ["a"]),
    ("text", "a\0b"),
    ("text", "\ud800"),
    ("integer", ""),
    ("integer", " 5"),
    ("integer", "5\n"),
    ("integer", "+5"),
    ("integer", "1_000"),
    ("integer", "1,000"),
    ("integer", "٣"),
    ("integer", "²"),
    ("integer", "5.5"),
    ("integer", "1e3"),
    ("integer", "0x10"),
    ("integer", 5.5),
    ("integer", 2.0**54),
    ("integer", float("nan")),
    ("integer", float("inf")),
    ("integer", True),
    ("integer", None),
    ("integer", [5]),
    ("integer", "9" * 4301),
    ("number", ""),
    ("number", "1,5"),
    ("number", ".5"),
    ("number", "5."),
    ("number", "NaN"),
    ("number", "Infinity"),
    ("number", "1e400"),
    ("number", "٣.5"),
    ("number", "1_0.5"),
    ("number", float("nan")),
    ("number", float("-inf")),
    ("number", False),
    ("number", "9" * 4301),
    ("number", "0." + "9" * 4301),
    ("boolean", "yes"),
    ("boolean", ""),
    ("boolean", " true"),
    ("boolean", 1),
    ("boolean", 0.0),
    ("boolean", None),
    ("date", "2026-02-30"),
    ("date", "0000-01-01"),
    ("date", "20261123"),
    ("date", "2026-W48-1"),
    ("date", "23.11.2026"),
    ("date", "2026-11-23\n"),
    ("date", "2026-11-2٣"),
    ("date", "2026-11-23T00:00:00"),
    ("date", 20261123),
    ("date-time", "2026-11-23"),
    ("date-time", "2026-02-30 10:00:00"),
    ("date-time", "2026-11-23 24:00:00"),
    ("date-time", "2026-11-23x10:00:00"),
    ("date-time", "2026-11-23T10:00:00+24:00"),
    ("date-time", "2026-11-23T10:00:00 +03:00"),
    ("date-time", 1700000000),
    ("choice", "blue"),
    ("choice", "Red"),
    ("choice", ""),
    ("choice", 1),
    ("choice", None),
    ("choice", ["red"]),
    ("json", float("nan")),
    ("json", {"a": [float("inf")]}),
    ("json", '{"a": NaN}'),
    ("json", "[1e400]"),
    ("json", "[" + "9" * 4301 + "]"),
    ("json", "[" * 100_000),
    ("json", "[" * 33 + "]" * 33),
    ("json", {"a": "\0"}),
    ("json", {"\ud800": 1}),
    ("json", {1: "a"}),
    ("json", {"a": object()}),
]


def name_of(value: Any) -> str:
    return ascii(value if isinstance(value, float) else str(value)[:30])


@pytest.mark.parametrize(
    ("value_type", "value", "stored"),
    TAKEN,
    ids=[f"{kind}-{name_of(value)}-{type(value).__name__}" for kind, value, _ in TAKEN],
)
def test_a_value_is_stored_in_the_form_of_its_type(
    value_type: str, value: Any, stored: Any
) -> None:
    converted = convert(ValueType(value_type), value, choices=COLOURS)

    assert converted == stored
    assert type(converted) is type(stored)


@pytest.mark.parametrize(
    ("value_type", "value"),
    REFUSED,
    ids=[f"{number}-{kind}-{type(value).__name__}" for number, (kind, value) in enumerate(REFUSED)],
)
def test_a_value_of_another_type_is_refused(value_type: str, value: Any) -> None:
    with pytest.raises(WrongType):
        convert(ValueType(value_type), value, choices=COLOURS)


@pytest.mark.parametrize("value_type", [ValueType.INTEGER, ValueType.NUMBER, ValueType.JSON])
def test_a_whole_number_that_cannot_be_written_as_json_is_refused(value_type: ValueType) -> None:
    with pytest.raises(WrongType):
        convert(value_type, 10**4300)


@pytest.mark.parametrize(
    ("value_type", "sentence"),
    [
        ("integer", "Expected a whole number such as 5, of at most 4,300 digits."),
        ("number", "Expected a finite number such as 2.5."),
        ("boolean", "Expected true or false."),
        ("date", "Expected a date such as 2026-11-23."),
        ("choice", "Expected one of 'red', 'green', '1' (did you mean 'green'?)."),
    ],
)
def test_a_refusal_says_what_is_expected(value_type: str, sentence: str) -> None:
    with pytest.raises(WrongType) as refusal:
        convert(ValueType(value_type), "gren", choices=COLOURS)

    assert str(refusal.value) == sentence


def test_a_refusal_does_not_list_a_long_choice_whole() -> None:
    choices = [f"town {number}" for number in range(300)]

    with pytest.raises(WrongType) as refusal:
        convert(ValueType.CHOICE, "x" * 65536, choices=choices)

    assert refusal.value.expected.endswith("'town 9' or 290 more")


def test_json_may_be_32_levels_deep() -> None:
    text = "[" * 32 + "]" * 32

    converted = convert(ValueType.JSON, text)

    assert converted == json.loads(text)


def test_json_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(WrongType):
        to_stored(ValueType.JSON, endless)


def test_stored_json_shares_nothing_with_the_value() -> None:
    value = {"a": [1]}

    stored = to_stored(ValueType.JSON, value)
    value["a"].append(2)

    assert stored == {"a": [1]}


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value_type", "value", "stored"),
    [
        (ValueType.DATE, date(2026, 11, 23), "2026-11-23"),
        (ValueType.DATE_TIME, datetime(2026, 11, 23, tzinfo=UTC), "2026-11-23T00:00:00+00:00"),
        (ValueType.CHOICE, Colour.RED, "red"),
        (ValueType.TEXT, Colour.RED, "red"),
        (ValueType.JSON, (date(2026, 11, 23), Colour.RED), ["2026-11-23", "red"]),
        (ValueType.JSON, "[1]", "[1]"),
    ],
)
def test_a_python_value_is_stored_as_json(value_type: ValueType, value: Any, stored: Any) -> None:
    assert to_stored(value_type, value, choices=COLOURS) == stored


@pytest.mark.parametrize(
    ("value_type", "value"),
    [
        (ValueType.INTEGER, "5"),
        (ValueType.NUMBER, "2.5"),
        (ValueType.BOOLEAN, "true"),
        (ValueType.DATE, datetime(2026, 11, 23, tzinfo=UTC)),
        (ValueType.DATE_TIME, date(2026, 11, 23)),
    ],
)
def test_a_python_value_is_not_read_as_another_type(value_type: ValueType, value: Any) -> None:
    with pytest.raises(WrongType):
        to_stored(value_type, value)


@pytest.mark.parametrize(
    ("value_type", "stored", "value"),
    [
        (ValueType.DATE, "2026-11-23", date(2026, 11, 23)),
        (ValueType.DATE_TIME, "2026-11-23T14:30:00", datetime(2026, 11, 23, 14, 30)),  # noqa: DTZ001 - stored without an offset
        (
            ValueType.DATE_TIME,
            "2026-11-23T14:30:00+03:00",
            datetime(2026, 11, 23, 14, 30, tzinfo=timezone(timedelta(hours=3))),
        ),
        (ValueType.TEXT, "2026-11-23", "2026-11-23"),
        (ValueType.JSON, {"a": 1}, {"a": 1}),
        (ValueType.DATE, None, None),
    ],
)
def test_a_function_gets_dates_as_objects(value_type: ValueType, stored: Any, value: Any) -> None:
    assert to_python(value_type, stored) == value


def test_a_date_time_keeps_its_offset_and_gets_none_it_was_not_given() -> None:
    naive = to_python(ValueType.DATE_TIME, convert(ValueType.DATE_TIME, "2026-11-23 14:30:00"))
    aware = to_python(ValueType.DATE_TIME, convert(ValueType.DATE_TIME, "2026-11-23 14:30:00+03"))

    assert naive.tzinfo is None
    assert aware.utcoffset() == timedelta(hours=3)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.dates().map(str)
    | st.datetimes(timezones=st.none() | st.just(UTC)).map(str)
    | st.integers().map(str)
    | st.floats().map(str)
    | st.sampled_from(["Y", "0", "red", "[1]", '{"a": "[1]"}', "\0", "\udfff", "[NaN]", "[" * 5000])
)
sent = st.recursive(
    scalars | scalars.map(json.dumps),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # noisy machines
@given(value_type=st.sampled_from(ValueType), value=sent)
def test_whatever_is_sent_is_stored_as_stable_json_or_refused(
    value_type: ValueType, value: Any
) -> None:
    try:
        stored = convert(value_type, value, choices=COLOURS)
    except WrongType:
        return

    assert json.loads(json.dumps(stored, allow_nan=False)) == stored
    assert convert(value_type, stored, choices=COLOURS) == stored
    assert to_stored(value_type, to_python(value_type, stored), choices=COLOURS) == stored
