"""Starting a process by a plan: what each pair of flags makes, and what is stored of it."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connector.models import ApiClient
from processes.models import ProcessModel, Run, Worker
from scheduler.models import Schedule
from tests.conftest import Caller

FRIDAYS = "0 6 6 ? * FRI"
SAMPLE = {"name": "OneStepNotepadRunner", "values": {"username": "Ada", "usersurname": "Lovelace"}}
PLAN = SAMPLE | {"quartzDef": FRIDAYS}
PAST, FUTURE = {"startDate": "2020-11-16 16:56:00"}, {"startDate": "2190-01-01 06:06:00"}
# As printed, but for the quotes.
PUBLISHED = """
{"values": {"username": "Username", "username": "User Surname"},

"quartzDef":"0 6 6 ? * FR",

"startDate":"2020-11-16 16:56:00",

"endDate":"2020-11-18 16:55:00",

"runOnce": "N",

"run immediately": "N,",

"retryCount": "1",

"name": "OneStepNotepadRunner"}
"""

Examples = dict[str, ProcessModel]


def flags(run_immediately: str, run_once: str) -> dict[str, str]:
    return {"runImmediately": run_immediately, "runOnce": run_once}


WITHOUT_PLAN = [
    pytest.param(dates | flags(now, once), id=f"{label}, runImmediately {now}, runOnce {once}")
    for label, dates in (("no startDate", {}), ("past startDate", PAST), ("future", FUTURE))
    for now in "NY"
    for once in "NY"
    if (label, now) != ("future", "N")
]
ANY_DATE = [
    pytest.param({}, id="no startDate"),
    pytest.param(PAST, id="past startDate"),
    pytest.param(FUTURE, id="future startDate"),
]


@pytest.mark.parametrize("body", WITHOUT_PLAN)
def test_without_quartz_def_one_run_starts_now(
    acme: Caller, examples: Examples, body: dict[str, str]
) -> None:
    answer = acme.start(SAMPLE | body)

    run = Run.objects.get()
    assert answer.json()["robustaSpid"] == str(run.pk)
    assert abs(run.ready_at - timezone.now()) < timedelta(minutes=1)
    assert not Schedule.objects.exists()


@pytest.mark.parametrize("once", ["N", "Y"])
def test_without_quartz_def_one_run_waits_for_its_start_date(
    acme: Caller, examples: Examples, once: str
) -> None:
    acme.start(SAMPLE | FUTURE | flags("N", once))

    assert Run.objects.get().ready_at == datetime(2190, 1, 1, 6, 6, tzinfo=UTC)
    assert not Schedule.objects.exists()


@pytest.mark.parametrize("dates", ANY_DATE)
@pytest.mark.parametrize("once", ["N", "Y"])
def test_quartz_def_makes_a_plan(
    acme: Caller, examples: Examples, dates: dict[str, str], once: str
) -> None:
    answer = acme.start(PLAN | dates | flags("N", once))

    schedule = Schedule.objects.get()
    assert answer.json()["robustaSpid"] == str(schedule.pk)
    assert answer.json()["message"] == "Process saved"
    assert schedule.periodic_task.one_off == (once == "Y")
    assert schedule.next_fire_time is not None
    assert not Run.objects.exists()


@pytest.mark.parametrize("dates", ANY_DATE)
def test_quartz_def_with_run_immediately_makes_a_plan_and_a_run_now(
    acme: Caller, examples: Examples, dates: dict[str, str]
) -> None:
    answer = acme.start(PLAN | dates | flags("Y", "N"))

    schedule, run = Schedule.objects.get(), Run.objects.get()
    assert answer.json()["robustaSpid"] == str(schedule.pk)
    assert run.schedule_id == schedule.pk
    assert run.values == schedule.values == SAMPLE["values"]
    assert abs(run.ready_at - timezone.now()) < timedelta(minutes=1)
    assert schedule.next_fire_time is not None
    assert not schedule.periodic_task.one_off


@pytest.mark.parametrize("dates", ANY_DATE)
def test_quartz_def_with_both_flags_makes_one_run_now_and_no_plan(
    acme: Caller, examples: Examples, dates: dict[str, str]
) -> None:
    answer = acme.start(PLAN | dates | flags("Y", "Y"))

    assert len(answer.json()["warnings"]) == 1 + len(dates)
    run = Run.objects.get()
    assert answer.json()["robustaSpid"] == str(run.pk)
    assert abs(run.ready_at - timezone.now()) < timedelta(minutes=1)
    assert run.schedule_id is None
    assert not Schedule.objects.exists()


def test_flags_default_to_n(acme: Caller, examples: Examples) -> None:
    acme.start(PLAN | {"runOnce": None, "runImmediately": ""})

    assert not Schedule.objects.get().periodic_task.one_off
    assert not Run.objects.exists()


def test_published_sample_is_taken_as_printed(acme: Caller, examples: Examples) -> None:
    answer = acme.start(PUBLISHED)

    assert answer.status_code == 200
    assert answer.json()["message"] == "Process saved"
    assert answer.json()["warnings"] == [
        'The key "username" is repeated; its last value was used.',
        "'run immediately' was read as 'runImmediately'.",
        "'runImmediately': 'N,' was read as 'N'.",
        "'quartzDef': 'FR' was read as 'FRI'.",
        "'startDate' is in the past: fire times up to now do not count.",
        "The plan of 'quartzDef' never fires: none of its fire times from 2020-11-16 16:56:00"
        " until 2020-11-18 16:55:00 is still to come.",
    ]
    schedule = Schedule.objects.get(pk=answer.json()["robustaSpid"])
    assert schedule.values == {"username": "User Surname", "usersurname": ""}
    assert schedule.retry_count == 1
    assert schedule.next_fire_time is None
    status = acme.status(schedule.pk).json()
    assert status["status"] == "EXPIRED"
    assert "its plan never fires" in status["message"]


@pytest.mark.parametrize(
    ("body", "warning"),
    [
        ({"quartzDef": "0 6 6 ? * MO,we"}, "'quartzDef': 'MO' was read as 'MON'."),
        ({"quartzDef": "0 6 6 ? * MO,we"}, "'quartzDef': 'we' was read as 'WED'."),
        (PAST, "'startDate' is in the past: fire times up to now do not count."),
        (
            {"endDate": "2020-11-18 16:55:00"},
            "The plan of 'quartzDef' never fires: none of its fire times until 2020-11-18 16:55:00"
            " is still to come.",
        ),
        (
            {"quartzDef": "0 0 0 30 2 ?"},
            "The plan of 'quartzDef' never fires: none of its fire times is still to come.",
        ),
        (
            flags("Y", "Y"),
            "'quartzDef' was ignored: with 'runImmediately' and 'runOnce' there is one run, now.",
        ),
        (
            flags("Y", "Y") | FUTURE,
            "'startDate' was ignored: with 'runImmediately' and 'runOnce' there is one run, now.",
        ),
        (
            flags("Y", "Y") | {"endDate": "2020-11-18 16:55:00"},
            "'endDate' was ignored: with 'runImmediately' and 'runOnce' there is one run, now.",
        ),
        (
            {"quartzDef": "", "endDate": "2020-11-18 16:55:00"},
            "'endDate' was ignored: it ends a plan, and there is no 'quartzDef'.",
        ),
        (
            {"quartzDef": None, "startDate": "2190-01-01 00:00:00", "endDate": "1999-01-01 00:00"},
            "'endDate' was ignored: it ends a plan, and there is no 'quartzDef'.",
        ),
        (
            {"quartzDef": None} | FUTURE | flags("Y", "N"),
            "'startDate' was ignored: with 'runImmediately' the process runs now.",
        ),
        (
            {"quartzDef": None} | PAST | flags("Y", "N"),
            "'startDate' is in the past: the process runs now.",
        ),
    ],
)
def test_what_is_repaired_or_ignored_is_reported(
    acme: Caller, examples: Examples, body: dict[str, Any], warning: str
) -> None:
    answer = acme.start(PLAN | body)

    assert answer.status_code == 200, answer.json()
    assert answer.json()["warnings"].count(warning) == 1


def test_sound_plan_has_no_warnings(acme: Caller, examples: Examples) -> None:
    answer = acme.start(PLAN | FUTURE | {"endDate": "2190-12-31 00:00:00"})

    assert answer.json().keys() == {"robustaSpid", "message"}


@pytest.mark.parametrize("both", ["N", "Y"], ids=["plan", "no plan by both flags"])
@pytest.mark.parametrize(
    ("body", "field", "hint"),
    [
        ({"quartzDef": "0 6 6 ? * XYZ"}, "quartzDef", "'XYZ'"),
        ({"quartzDef": "0 61 6 ? * FRI"}, "quartzDef", "minute: '61'"),
        ({"quartzDef": "6 6 * * 5"}, "quartzDef", "'0 6 6 ? * FRI'"),
        ({"quartzDef": "soon"}, "quartzDef", "1 field"),
        ({"quartzDef": "   "}, "quartzDef", "6 or 7"),
        ({"quartzDef": " " * 1001}, "quartzDef", "at most 1,000"),
        (
            {"startDate": "2030-01-02 00:00:00", "endDate": "2030-01-01 00:00:00"},
            "endDate",
            "later",
        ),
        (
            {"startDate": "2030-01-02 00:00:00", "endDate": "2030-01-02 00:00:00"},
            "endDate",
            "later",
        ),
        (
            {"startDate": "2030-01-02T00:00:00+03:00", "endDate": "2030-01-01 21:00:00"},
            "endDate",
            "later",
        ),
        ({"endDate": "2200-01-01 00:00:00"}, "endDate", "2199"),
        ({"startDate": "1969-12-31 23:59:59"}, "startDate", "1970"),
        ({"timezone": "Mars/Olympus"}, "timezone", "IANA"),
    ],
)
def test_wrong_plan_is_refused_by_field(
    acme: Caller, examples: Examples, body: dict[str, Any], field: str, hint: str, both: str
) -> None:
    answer = acme.start(PLAN | flags(both, both) | body)

    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [field]
    assert answer.json()["errors"][field][0].startswith(field)
    assert hint in answer.json()["message"]
    assert not Schedule.objects.exists()
    assert not Run.objects.exists()


def test_every_fault_of_a_plan_is_told_at_once(acme: Caller, examples: Examples) -> None:
    body = {"quartzDef": "soon", "startDate": "2030-01-02 00:00", "endDate": "2030-01-01 00:00"}

    answer = acme.start(SAMPLE | body)

    assert set(answer.json()["errors"]) == {"quartzDef", "endDate"}


@pytest.mark.parametrize(
    "text",
    [
        "0 0 0 30 2 ?",
        "0 0 0 ? * " + ",".join(["MO-SU"] * 160),
        "0 " + ",".join(["0-59/1"] * 140) + " 0 ? * FR",
        "9" * 1000,
        "0 0 0 ? * FR#" + "0" * 900 + "2",
        "0 0 0 ? * " + "FR-" * 300,
        "? " * 500,
    ],
    ids=lambda text: text[:20],
)
def test_no_text_takes_long(acme: Caller, examples: Examples, text: str) -> None:
    acme.start(SAMPLE)
    took = []
    for _ in range(3):  # a collection of garbage may hit one of them
        began = time.process_time()
        answer = acme.start(SAMPLE | {"quartzDef": text} | flags("Y", "Y"))
        took.append(time.process_time() - began)

    assert min(took) < 0.05
    assert answer.status_code in {200, 400}


def test_plan_is_stored_with_the_fields_of_the_call(
    acme: Caller, examples: Examples, worker: Worker
) -> None:
    answer = acme.start(
        PLAN
        | {
            "startDate": "2190-01-01 06:06:00",
            "endDate": "2190-01-15 06:06:00",
            "timezone": "Europe/Istanbul",
            "retryCount": "2",
            "retryDelay": 30,
            "priority": 99,
            "worker": str(worker.pk),
        }
    )

    schedule = Schedule.objects.get(pk=UUID(answer.json()["robustaSpid"]))
    assert (schedule.quartz, schedule.time_zone) == (FRIDAYS, "Europe/Istanbul")
    assert (schedule.retry_count, schedule.retry_delay) == (2, timedelta(seconds=30))
    assert (schedule.priority, schedule.worker) == (99, worker)
    istanbul = ZoneInfo("Europe/Istanbul")
    task = schedule.periodic_task
    assert task.start_time == datetime(2190, 1, 1, 6, 6, tzinfo=istanbul)
    assert task.expires == datetime(2190, 1, 15, 6, 6, tzinfo=istanbul)
    assert task.name == f"OneStepNotepadRunner {schedule.pk}"
    assert schedule.owner == f"client:{ApiClient.objects.get().pk}"
    assert schedule.requested_by == "API: acme"


def test_plan_takes_what_is_not_given_from_the_process_model(
    acme: Caller, examples: Examples, worker: Worker
) -> None:
    ProcessModel.objects.filter(name="OneStepNotepadRunner").update(
        default_retry_count=3, default_retry_delay=timedelta(minutes=1), default_worker=worker
    )

    acme.start(PLAN | flags("Y", "N"))

    schedule, run = Schedule.objects.get(), Run.objects.get()
    assert (schedule.retry_count, schedule.retry_delay) == (3, timedelta(minutes=1))
    assert (schedule.worker, schedule.priority, schedule.time_zone) == (None, 50, "UTC")
    assert (run.worker, run.retry_count) == (worker, 3)


@pytest.mark.parametrize(
    ("body", "first"),
    [
        ({"startDate": "2190-01-01 06:06:00"}, "2190-01-01T06:06:00+00:00"),
        ({"startDate": "2190-01-01 06:06:01"}, "2190-01-08T06:06:00+00:00"),
        (
            {"startDate": "2190-01-01 06:06:00", "timezone": "Europe/Istanbul"},
            "2190-01-01T03:06:00+00:00",
        ),
        (
            {"startDate": "2190-01-01T06:06:00+00:00", "timezone": "Europe/Istanbul"},
            "2190-01-08T03:06:00+00:00",
        ),
        (
            {"startDate": "2190-01-01 00:00:00", "endDate": "2190-01-01 06:06:00"},
            "2190-01-01T06:06:00+00:00",
        ),
        ({"startDate": "2190-01-01 00:00:00", "endDate": "2190-01-01 06:05:59"}, None),
        (
            {
                "quartzDef": "0 0 3 * * ?",
                "startDate": "2190-03-28 02:15:00",
                "timezone": "Europe/Berlin",
            },
            "2190-03-28T01:00:00+00:00",
        ),
        (
            {
                "quartzDef": "0 30 2 * * ?",
                "startDate": "2190-10-31 00:00:00",
                "endDate": "2190-10-31 02:30:00",
                "timezone": "Europe/Berlin",
            },
            "2190-10-31T01:30:00+00:00",
        ),
    ],
    ids=[
        "start included",
        "after the start",
        "start in the zone",
        "start with an offset",
        "end included",
        "after the end",
        "start at a time that the clocks skip",
        "end at a time that comes twice",
    ],
)
def test_plan_waits_for_its_first_fire_time(
    acme: Caller, examples: Examples, body: dict[str, str], first: str | None
) -> None:
    acme.start(PLAN | body)

    stored = Schedule.objects.get().next_fire_time
    assert stored == (first and datetime.fromisoformat(first))


@pytest.mark.django_db(transaction=True)
def test_plan_and_its_run_now_are_stored_in_one_transaction_of_few_statements(
    acme: Caller, examples: Examples
) -> None:
    acme.start(PLAN | flags("Y", "N"))

    with CaptureQueriesContext(connection) as queries:
        acme.start(PLAN | flags("Y", "N"))

    statements = [query["sql"] for query in queries]
    begin, commit = _find("BEGIN", statements), _find("COMMIT", statements)
    assert begin < _find('INSERT INTO "scheduler_schedule"', statements) < commit
    assert begin < _find('INSERT INTO "processes_run"', statements) < commit
    assert len(statements) <= 10, statements  # one of them an entry of the audit


def _find(start: str, statements: list[str]) -> int:
    (found,) = (at for at, text in enumerate(statements) if text.startswith(start))
    return found
