"""What the fields name: process models, workers, and the values of a process model."""

import json
from typing import Any

from tests.connector.error_cases.case import Case, Section, on_fields, show

NO_MODEL = "No process model of this name can be started; check its spelling and case."
NO_WORKER = "No worker of this id can be used; leave worker out to let any worker take the run."


def process_model(sent: str, name: str, caller: str = "acme") -> Case:
    """Return a start of what the caller may not start: all of these are answered alike."""
    data = json.dumps({"name": name}).encode()
    return Case(sent, 400, "invalid_request", NO_MODEL, ("name",), body=data, caller=caller)


def worker(sent: str, number: int | str, caller: str = "acme") -> Case:
    """Return a start on a worker that the caller may not use: all of these are answered alike."""
    data = json.dumps({"name": "CountDown", "worker": number}).encode()
    return Case(sent, 400, "invalid_request", NO_WORKER, ("worker",), body=data, caller=caller)


def value(name: str, given: Any, message: str) -> Case:
    """Return a start of a process model that takes each type, with one wrong value."""
    data = json.dumps({"name": "Typed", "values": {"needed": "x", name: given}}).encode()
    return Case(
        show(**{name: given}), 400, "invalid_request", message, (f"values.{name}",), body=data
    )


def values_of(name: str, message: str, *errors: str, **values: Any) -> Case:
    """Return a start of one of the shipped process models with wrong values."""
    data = json.dumps({"name": name, "values": values}).encode()
    keys = tuple(f"values.{error}" for error in errors)
    shown = show(values=values) + f" of `{name}`"
    return Case(shown, 400, "invalid_request", message, keys, body=data)


SECTION = Section(
    "Process models and workers",
    "What a caller may not use looks like what does not exist, so no near name is offered here.",
    [
        process_model("an unknown process model", "Nobody's"),
        process_model("its name in another letter case", "countdown"),
        process_model("its name with a blank before it", " CountDown"),
        process_model("a disabled process model", "Switched off"),
        process_model("a process model that the client may not start", "Typed", "limited"),
        process_model("a name near to one that the client may not start", "Type", "limited"),
        worker("an unknown worker", 999),
        worker("an unknown worker, the largest number", "9223372036854775807"),
        worker("a disabled worker", 2),
        worker("a worker that the client may not use", 3, "limited"),
        on_fields(
            "No process model of this name can be started; check its spelling and case.",
            "name",
            name="Nobody's",
            worker=999,
        ),
    ],
)

VALUES = Section(
    "Values",
    "Texts become the type of the parameter; what cannot is named as `values.<name>`.",
    [
        values_of("OneStepNotepadRunner", "'username' is required: give a text value.", "username"),
        values_of(
            "OneStepNotepadRunner",
            "'username' is required: give a text value.",
            "username",
            username=None,
        ),
        values_of(
            "OneStepNotepadRunner",
            "'username' takes text such as 'blue', without NUL characters or lone surrogates.",
            "username",
            username=5,
        ),
        values_of(
            "OneStepNotepadRunner",
            "'usersurnam' is not a value of this process; did you mean 'usersurname'?",
            "usersurnam",
            username="Ada",
            usersurnam="L",
        ),
        values_of(
            "OneStepNotepadRunner",
            "'colour' is not a value of this process; it takes 'username', 'usersurname'.",
            "colour",
            username="Ada",
            colour="red",
        ),
        values_of(
            "OneStepNotepadRunner",
            "'username' is required: give a text value (and 1 more under errors).",
            "username",
            "Username",
            Username="Ada",
        ),
        values_of(
            "CountDown",
            "'hours' is not a value of this process; it takes 'seconds' (and 1 more under errors).",
            "hours",
            "minutes",
            hours=1,
            minutes=1,
        ),
        values_of(
            "CountDown",
            "'seconds' takes a whole number such as 5, of at most 4,300 digits.",
            "seconds",
            seconds="soon",
        ),
        values_of(
            "CountDown",
            "'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn' is not a value of this process; it takes 'seconds'.",
            "n" * 255,
            **{"n" * 255: 1},
        ),
        value("needed", None, "'needed' is required: give a text value."),
        value(
            "needed",
            ["x"],
            "'needed' takes text such as 'blue', without NUL characters or lone surrogates.",
        ),
        value("whole", "5.5", "'whole' takes a whole number such as 5, of at most 4,300 digits."),
        value("whole", 1.5, "'whole' takes a whole number such as 5, of at most 4,300 digits."),
        value("whole", True, "'whole' takes a whole number such as 5, of at most 4,300 digits."),
        value("whole", "٣", "'whole' takes a whole number such as 5, of at most 4,300 digits."),
        value(
            "whole", "7" * 4301, "'whole' takes a whole number such as 5, of at most 4,300 digits."
        ),
        value("number", "much", "'number' takes a finite number such as 2.5."),
        value("number", "1e400", "'number' takes a finite number such as 2.5."),
        value("number", "0x10", "'number' takes a finite number such as 2.5."),
        value("flag", "maybe", "'flag' takes true or false."),
        value("flag", 1, "'flag' takes true or false."),
        value("day", "2026-02-30", "'day' takes a date such as 2026-11-23."),
        value("day", "30.11.2026", "'day' takes a date such as 2026-11-23."),
        value(
            "moment",
            "2026-11-23",
            "'moment' takes a date and time such as 2026-11-23 14:30:00 or 2026-11-23T14:30:00+03:00.",
        ),
        value(
            "moment",
            "2026-11-23 25:00",
            "'moment' takes a date and time such as 2026-11-23 14:30:00 or 2026-11-23T14:30:00+03:00.",
        ),
        value(
            "colour",
            "gren",
            "'colour' takes one of 'red', 'green', 'blue' (did you mean 'green'?).",
        ),
        value("colour", "7" * 1000, "'colour' takes one of 'red', 'green', 'blue'."),
        value("colour", 1, "'colour' takes one of 'red', 'green', 'blue'."),
    ],
)
