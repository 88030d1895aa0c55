"""A dry run checks everything, says what would happen, and stores nothing."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from processes import catalog
from processes.models import ProcessModel, Run, Worker
from scheduler.models import Schedule
from tests.conftest import START, Caller

DRY_RUN = f"{START}?dryRun=true"
ADA = {"name": "OneStepNotepadRunner", "values": {"username": "Ada"}}
FRIDAYS = ADA | {
    "quartzDef": "0 6 6 ? * FRI",
    "startDate": "2190-01-01 00:00:00",
    "timezone": "Europe/Istanbul",
}

Examples = dict[str, ProcessModel]


def test_dry_run_of_a_run_stores_nothing(acme: Caller, examples: Examples, worker: Worker) -> None:
    answer = acme.start(
        {"name": "CountDown", "values": {"seconds": "3"}, "worker": worker.pk}, DRY_RUN
    )

    assert answer.status_code == 200
    assert answer.json()["message"] == "Nothing was started: this was a dry run."
    assert answer.json()["plan"] == "One run now."
    assert answer.json()["values"] == {"seconds": 3}
    assert answer.json()["worker"] == worker.pk
    assert answer.json()["warnings"] == []
    (moment,) = answer.json()["fireTimes"]
    assert abs(datetime.fromisoformat(moment) - timezone.now()) < timedelta(minutes=1)
    assert not Run.objects.exists()


def test_dry_run_of_a_later_run_says_when(acme: Caller, examples: Examples) -> None:
    body = ADA | {"startDate": "2190-01-01 06:06:00", "timezone": "Europe/Istanbul"}

    answer = acme.start(body, DRY_RUN)

    assert answer.json()["plan"] == "One run at 2190-01-01 06:06:00 (Europe/Istanbul)."
    assert answer.json()["fireTimes"] == ["2190-01-01T06:06:00+03:00"]


def test_dry_run_of_a_plan_stores_nothing(acme: Caller, examples: Examples) -> None:
    tasks, crontabs = PeriodicTask.objects.count(), CrontabSchedule.objects.count()

    answer = acme.start(FRIDAYS, DRY_RUN)

    assert answer.status_code == 200
    assert answer.json().keys() == {
        "message",
        "plan",
        "fireTimes",
        "worker",
        "values",
        "warnings",
    }
    assert answer.json()["values"] == {"username": "Ada", "usersurname": ""}
    assert answer.json()["warnings"] == []
    assert not Schedule.objects.exists()
    assert PeriodicTask.objects.count() == tasks
    assert CrontabSchedule.objects.count() == crontabs


def test_fire_times_are_the_next_ten_in_the_zone_of_the_plan(
    acme: Caller, examples: Examples
) -> None:
    answer = acme.start(FRIDAYS, DRY_RUN)

    fridays = [f"2190-01-{day:02}" for day in (1, 8, 15, 22, 29)]
    fridays += [f"2190-02-{day:02}" for day in (5, 12, 19, 26)] + ["2190-03-05"]
    assert answer.json()["fireTimes"] == [f"{day}T06:06:00+03:00" for day in fridays]


def test_fire_times_show_a_clock_change_by_their_offset(acme: Caller, examples: Examples) -> None:
    body = {
        "quartzDef": "0 30 2 * * ?",
        "timezone": "Europe/Berlin",
        "startDate": "2190-10-30 00:00:00",
        "endDate": "2190-11-01 00:00:00",
    }

    answer = acme.start(ADA | body, DRY_RUN)

    assert answer.json()["fireTimes"] == [
        "2190-10-30T02:30:00+02:00",
        "2190-10-31T02:30:00+01:00",
    ]


@pytest.mark.parametrize(
    ("body", "begin", "end"),
    [
        ({}, "A run at every fire time of 0 6 6 ? * FRI", "from 2190-01-01 00:00:00."),
        (
            {"endDate": "2190-02-01T00:00:00+00:00"},
            "A run at every fire time of ",
            "in the time zone Europe/Istanbul from 2190-01-01 00:00:00 until 2190-02-01 03:00:00.",
        ),
        (
            {"runOnce": "Y", "startDate": None},
            "One run at the first fire time of ",
            "in the time zone Europe/Istanbul.",
        ),
        (
            {"runImmediately": "Y"},
            "One run now, and a run at every fire time of ",
            "from 2190-01-01 00:00:00.",
        ),
        ({"runImmediately": "Y", "runOnce": "Y"}, "One run now.", ""),
    ],
    ids=["every", "until", "once", "and now", "only now"],
)
def test_plan_is_said_in_a_sentence(
    acme: Caller, examples: Examples, body: dict[str, Any], begin: str, end: str
) -> None:
    answer = acme.start(FRIDAYS | body, DRY_RUN)

    assert answer.json()["plan"].startswith(begin)
    assert answer.json()["plan"].endswith(end)


def test_plan_that_runs_once_has_one_fire_time(acme: Caller, examples: Examples) -> None:
    answer = acme.start(FRIDAYS | {"runOnce": "Y"}, DRY_RUN)

    assert answer.json()["fireTimes"] == ["2190-01-01T06:06:00+03:00"]


def test_fire_times_beside_a_run_now_are_those_of_the_plan(
    acme: Caller, examples: Examples
) -> None:
    answer = acme.start(FRIDAYS | {"runImmediately": "Y"}, DRY_RUN)

    assert answer.json()["fireTimes"][0] == "2190-01-01T06:06:00+03:00"
    assert len(answer.json()["fireTimes"]) == 10


def test_plan_that_never_fires_is_warned_of(acme: Caller, examples: Examples) -> None:
    answer = acme.start(FRIDAYS | {"quartzDef": "0 0 0 30 2 ?"}, DRY_RUN)

    assert answer.json()["fireTimes"] == []
    (warning,) = answer.json()["warnings"]
    assert "never fires" in warning


@pytest.mark.parametrize("body", [ADA, FRIDAYS], ids=["run", "plan"])
def test_worker_is_the_default_of_the_process_model(
    acme: Caller, examples: Examples, worker: Worker, body: dict[str, Any]
) -> None:
    assert acme.start(body, DRY_RUN).json()["worker"] is None
    ProcessModel.objects.update(default_worker=worker)
    catalog.process_models.clear()

    answer = acme.start(body, DRY_RUN)

    assert answer.json()["worker"] == worker.pk


def test_dry_run_refuses_what_a_start_refuses(acme: Caller, examples: Examples) -> None:
    body = FRIDAYS | {"quartzDef": "0 6 6 ? * XYZ"}

    answer, refused = acme.start(body, DRY_RUN), acme.start(body)

    assert answer.status_code == refused.status_code == 400
    assert answer.json() == refused.json()


@pytest.mark.parametrize("text", ["True", "1", "yes", ""])
def test_dry_run_takes_true_or_false_only(acme: Caller, examples: Examples, text: str) -> None:
    answer = acme.start(ADA, f"{START}?dryRun={text}")

    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["dryRun"]
    assert not Run.objects.exists()


def test_dry_run_false_starts(acme: Caller, examples: Examples) -> None:
    acme.start(ADA, f"{START}?dryRun=false")

    assert Run.objects.count() == 1
