"""Values of a start are checked against the declared parameters, all faults told at once."""

from typing import Any

import pytest

from processes.exceptions import InvalidValues
from processes.models import ProcessModel
from processes.values import MAX_REMEDIES, check_values
from tests.factories import ParameterFactory, ProcessModelFactory


@pytest.fixture
def pay(db: None) -> ProcessModel:
    """Return a process model with one parameter of each kind of need."""
    pay: ProcessModel = ProcessModelFactory.create()
    ParameterFactory.create(process_model=pay, name="person", position=0)
    ParameterFactory.create(process_model=pay, name="amount", value_type="integer", position=1)
    ParameterFactory.create(
        process_model=pay, name="currency", required=False, default="EUR", position=2
    )
    ParameterFactory.create(process_model=pay, name="note", required=False, position=3)
    return pay


@pytest.mark.parametrize(
    ("given", "checked"),
    [
        (
            {"person": "Ada", "amount": 5},
            {"person": "Ada", "amount": 5, "currency": "EUR"},
        ),
        (
            {"person": " Ada ", "amount": "5", "currency": "USD", "note": ""},
            {"person": " Ada ", "amount": 5, "currency": "USD", "note": ""},
        ),
        (
            {"person": "Ada", "amount": 5, "currency": None, "note": None},
            {"person": "Ada", "amount": 5, "currency": "EUR"},
        ),
    ],
    ids=["defaults are filled in", "text is converted, never trimmed", "null counts as missing"],
)
def test_values_are_converted_and_completed(
    pay: ProcessModel, given: dict[str, Any], checked: dict[str, Any]
) -> None:
    assert check_values(pay, given) == checked


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"person": None}, {"person": ["'person' is required: give a text value."]}),
        ({"amount": None}, {"amount": ["'amount' is required: give an integer value."]}),
        (
            {"amount": "much"},
            {"amount": ["'amount' takes a whole number such as 5, of at most 4,300 digits."]},
        ),
        (
            {"Person": "Ada"},
            {"Person": ["'Person' is not a value of this process; did you mean 'person'?"]},
        ),
        (
            {"zzz": 1},
            {
                "zzz": [
                    "'zzz' is not a value of this process;"
                    " it takes 'person', 'amount', 'currency', 'note'."
                ]
            },
        ),
    ],
    ids=["missing", "missing, by its article", "wrong type", "near a name", "unknown"],
)
def test_fault_is_told_by_the_name_of_the_value(
    pay: ProcessModel, change: dict[str, Any], errors: dict[str, list[str]]
) -> None:
    with pytest.raises(InvalidValues) as caught:
        check_values(pay, {"person": "Ada", "amount": 5} | change)

    assert caught.value.errors == errors
    assert str(caught.value) == next(iter(errors.values()))[0]


def test_all_faults_are_told_at_once(pay: ProcessModel) -> None:
    with pytest.raises(InvalidValues) as caught:
        check_values(pay, {"amount": "much", "zzz": 1})

    assert caught.value.errors.keys() == {"person", "amount", "zzz"}


def test_long_unknown_name_is_cut(pay: ProcessModel) -> None:
    name = "z" * 10_000

    with pytest.raises(InvalidValues) as caught:
        check_values(pay, {"person": "Ada", "amount": 5, name: 1})

    [text] = caught.value.errors[name]
    assert len(text) < 400


@pytest.mark.django_db
def test_process_model_without_parameters_takes_any_value() -> None:
    values = {"a": [1, {"b": None}], "c": None}

    assert check_values(ProcessModelFactory.create(), values) == values


def test_undeclared_values_are_kept_where_the_process_model_takes_them(pay: ProcessModel) -> None:
    pay.accepts_undeclared_values = True

    checked = check_values(pay, {"person": "Ada", "amount": "5", "zzz": "5"})

    assert checked == {"person": "Ada", "amount": 5, "currency": "EUR", "zzz": "5"}


def test_what_was_given_is_left_as_it_is(pay: ProcessModel) -> None:
    given = {"person": "Ada", "amount": "5"}

    check_values(pay, given)

    assert given == {"person": "Ada", "amount": "5"}


def test_unknown_names_are_told_in_the_order_given(pay: ProcessModel) -> None:
    with pytest.raises(InvalidValues) as refused:
        check_values(pay, {"person": "Ada", "amount": 5, "z": 1, "a": 1, "m": 1})

    assert list(refused.value.errors) == ["z", "a", "m"]


def test_near_names_are_looked_for_a_few_times_only(pay: ProcessModel) -> None:
    """Each look takes time by the number of parameters: for 1,000 names it took nine seconds."""
    names = [f"person{number}" for number in range(990)]

    with pytest.raises(InvalidValues) as refused:
        check_values(pay, {"person": "Ada", "amount": 5} | dict.fromkeys(names, 1))

    texts = [text for texts in refused.value.errors.values() for text in texts]
    assert sum("did you mean 'person'?" in text for text in texts) == MAX_REMEDIES
    assert texts[-1] == "'person989' is not a value of this process."
