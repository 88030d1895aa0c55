"""The fields of a start call, one by one."""

import json

from tests.connector.error_cases.case import Case, Section, on_fields


def unnamed(
    sent: str, body: object, message: str = "name is required; add it to the body."
) -> Case:
    """Return a start call whose name is missing or no name."""
    data = json.dumps(body).encode()
    return Case(sent, 400, "invalid_request", message, ("name",), body=data)


SECTION = Section(
    "Fields",
    "Every wrong field is named under `errors`; the message is the first of the texts.",
    [
        unnamed("no `name`", {}),
        unnamed('`"name": null`', {"name": None}),
        unnamed('`"name": ""`', {"name": ""}),
        unnamed('`"name": 5`', {"name": 5}, "name takes text, not 5."),
        unnamed(
            "a `name` of 201 characters",
            {"name": "x" * 201},
            "name takes at most 200 characters; it has 201.",
        ),
        on_fields('values takes an object such as {"username": "Ada"}, not text.', values="text"),
        on_fields('values takes an object such as {"username": "Ada"}, not a list.', values=[]),
        on_fields(
            'values takes an object such as {"username": "Ada"}, not a list.',
            values=[["a" * 100]],
        ),
        on_fields("retryCount takes a whole number from 0 to 99, not -1.", retryCount=-1),
        on_fields("retryCount takes a whole number from 0 to 99, not 100.", retryCount=100),
        on_fields("retryCount takes a whole number from 0 to 99, not 1.5.", retryCount=1.5),
        on_fields("retryCount takes a whole number from 0 to 99, not true.", retryCount=True),
        on_fields("retryCount takes a whole number from 0 to 99, not 'x'.", retryCount="x"),
        on_fields("retryCount takes a whole number from 0 to 99, not '-1'.", retryCount="-1"),
        on_fields("retryCount takes a whole number from 0 to 99, not ' 1'.", retryCount=" 1"),
        on_fields("retryCount takes a whole number from 0 to 99, not '٣'.", retryCount="٣"),
        on_fields("retryCount takes a whole number from 0 to 99, not [1].", retryCount=[1]),
        on_fields(
            "retryCount takes a whole number from 0 to 99, not '99999999999999999999999999999999999999….",
            retryCount="9" * 4000,
        ),
        on_fields("retryDelay takes a whole number from 0 to 86400, not -1.", retryDelay=-1),
        on_fields("retryDelay takes a whole number from 0 to 86400, not 86401.", retryDelay=86_401),
        on_fields("priority takes a whole number from 1 to 99, not 0.", priority=0),
        on_fields("priority takes a whole number from 1 to 99, not 100.", priority=100),
        on_fields("worker takes the id of a worker, such as 1, not 'one'.", worker="one"),
        on_fields("worker takes the id of a worker, such as 1, not 0.", worker=0),
        on_fields("worker takes the id of a worker, such as 1, not -1.", worker=-1),
        on_fields("worker takes the id of a worker, such as 1, not true.", worker=True),
        on_fields("worker takes the id of a worker, such as 1, not 1.0.", worker=1.0),
        on_fields(
            "worker takes the id of a worker, such as 1, not '999999999999999999999999999999'.",
            worker="9" * 30,
        ),
        on_fields("worker takes the id of a worker, such as 1, not {}.", worker={}),
        on_fields("runOnce takes Y or N, not 'maybe'.", runOnce="maybe"),
        on_fields("runOnce takes Y or N, not 'yes'.", runOnce="yes"),
        on_fields("runOnce takes Y or N, not 1.", runOnce=1),
        on_fields("runOnce takes Y or N, not [].", runOnce=[]),
        on_fields("runOnce takes Y or N, not ' Y'.", runOnce=" Y"),
        on_fields("runImmediately takes Y or N, not 'maybe'.", runImmediately="maybe"),
        on_fields(
            "runImmediately takes Y or N, not 'NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN….",
            runImmediately="N" * 100,
        ),
        on_fields(
            "timezone takes an IANA name such as Europe/Istanbul, not 'Mars/Olympus'.",
            timezone="Mars/Olympus",
        ),
        on_fields(
            "timezone takes an IANA name such as Europe/Istanbul, not '../../etc/passwd'.",
            timezone="../../etc/passwd",
        ),
        on_fields(
            "timezone takes an IANA name such as Europe/Istanbul, not 'Europe'.", timezone="Europe"
        ),
        on_fields(
            "timezone takes an IANA name such as Europe/Istanbul, not 'europe/istanbuleurope/istanbuleurope/i….",
            timezone="europe/istanbul" * 20,
        ),
        on_fields("timezone takes an IANA name such as Europe/Istanbul, not 3.", timezone=3),
        on_fields(
            "startDate takes a date and time such as 2026-11-16 16:56:00 or 2026-11-16T16:56:00+03:00, not '2026-02-30 10:00:00'.",
            startDate="2026-02-30 10:00:00",
        ),
        on_fields(
            "startDate takes a date and time such as 2026-11-16 16:56:00 or 2026-11-16T16:56:00+03:00, not '0000-01-01 10:00:00'.",
            startDate="0000-01-01 10:00:00",
        ),
        on_fields(
            "startDate takes a date and time such as 2026-11-16 16:56:00 or 2026-11-16T16:56:00+03:00, not '0001-01-01T00:00:00+14:00'.",
            startDate="0001-01-01T00:00:00+14:00",
        ),
        on_fields(
            "startDate takes a date and time such as 2026-11-16 16:56:00 or 2026-11-16T16:56:00+03:00, not '9999-12-31T23:59:59-14:00'.",
            startDate="9999-12-31T23:59:59-14:00",
        ),
        on_fields(
            "startDate takes a year from 1970 to 2199, not 1969.", startDate="1969-12-31 23:59:59"
        ),
        on_fields(
            "startDate takes a year from 1970 to 2199, not 2200.", startDate="2200-01-01 00:00:00"
        ),
        on_fields(
            "startDate takes a date and time such as 2026-11-16 16:56:00 or 2026-11-16T16:56:00+03:00, not '2026-11-16 25:00:00'.",
            startDate="2026-11-16 25:00:00",
        ),
        on_fields(
            "startDate takes a date and time such as 2026-11-16 16:56:00 or 2026-11-16T16:56:00+03:00, not '16.11.2026 10:00:00'.",
            startDate="16.11.2026 10:00:00",
        ),
        on_fields(
            "startDate takes a date and time such as 2026-11-16 16:56:00 or 2026-11-16T16:56:00+03:00, not '2026-11-16'.",
            startDate="2026-11-16",
        ),
        on_fields(
            "startDate takes a date and time such as 2026-11-16 16:56:00 or 2026-11-16T16:56:00+03:00, not '2026-11-16T10:00:00+25:00'.",
            startDate="2026-11-16T10:00:00+25:00",
        ),
        on_fields(
            "startDate takes a date and time such as 2026-11-16 16:56:00 or 2026-11-16T16:56:00+03:00, not 'tomorrow'.",
            startDate="tomorrow",
        ),
        on_fields(
            "startDate takes a date and time such as 2026-11-16 16:56:00 or 2026-11-16T16:56:00+03:00, not 1763280000.",
            startDate=1_763_280_000,
        ),
        on_fields(
            "endDate takes a date and time such as 2026-11-16 16:56:00 or 2026-11-16T16:56:00+03:00, not '2026-02-30 10:00:00'.",
            endDate="2026-02-30 10:00:00",
        ),
        on_fields(
            "endDate takes a year from 1970 to 2199, not 1969.", endDate="1969-12-31 23:59:59"
        ),
        on_fields(
            "endDate takes a year from 1970 to 2199, not 2200.", endDate="2200-01-01 00:00:00"
        ),
        on_fields(
            "'quartzdef' is not a field of this call; did you mean 'quartzDef'?",
            quartzdef="0 6 6 ? * FRI",
        ),
        on_fields(
            "'quartz' is not a field of this call; did you mean 'quartzDef'?",
            quartz="0 6 6 ? * FRI",
        ),
        on_fields(
            "'runimmediately' is not a field of this call; did you mean 'runImmediately'?",
            runimmediately="Y",
        ),
        on_fields(
            "'startdate' is not a field of this call; did you mean 'startDate'?",
            startdate="2026-11-16 10:00:00",
        ),
        on_fields("'Worker' is not a field of this call; did you mean 'worker'?", Worker=1),
        on_fields(
            "'username' is not a field of this call; the fields are name, values, quartzDef, startDate, endDate, runOnce, runImmediately, retryCount, worker, timezone, retryDelay, priority, and the values of the process belong into 'values'.",
            username="Ada",
        ),
        on_fields(
            "'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk' is not a field of this call; the fields are name, values, quartzDef, startDate, endDate, runOnce, runImmediately, retryCount, worker, timezone, retryDelay, priority, and the values of the process belong into 'values'.",
            **{"k" * 255: 1},
        ),
        on_fields(
            "runOnce takes Y or N, not 'maybe' (and 2 more under errors).",
            runOnce="maybe",
            retryCount=-1,
            worker="x",
        ),
        on_fields(
            "'quartzdef' is not a field of this call; did you mean 'quartzDef'?",
            "quartzdef",
            quartzdef="0 6 6 ? * FRI",
            retryCount=-1,
        ),
    ],
)
