"""Making a schedule in the admin."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry

from processes.models import Run
from scheduler.models import Schedule
from tests.factories import ParameterFactory, ProcessModelFactory, WorkerFactory
from tests.scheduler.admin_pages import (
    ADD,
    FRIDAYS,
    LIST,
    browser_of,
    errors_of,
    inputs,
    make_invoices,
    make_schedule,
    messages_of,
    new_form,
    superuser,
)

pytestmark = pytest.mark.django_db


INVOICES = {
    "company": "İstanbul A.Ş.\r\n2nd floor",
    "limit": "5",
    "threshold": "2.5",
    "dry_run": "false",
    "day": "2026-11-23",
    "not_before": "2026-11-23T14:30",
    "mode": "careful",
    "options": '{"a": [1, 2]}',
}


def test_process_model_is_chosen_first() -> None:
    chosen = ProcessModelFactory.create(name="PostInvoices", title="Posts the invoices")
    ProcessModelFactory.create(name="CountDown")
    client = superuser()

    every = client.get(ADD).content.decode()
    found = client.get(ADD, {"q": "invoices"}).content.decode()

    assert "CountDown" in every
    assert f"?process_model={chosen.pk}" in found
    assert "CountDown" not in found


@pytest.mark.parametrize("chosen", ["4711", "x", "²", "9" * 30, "-1"])
def test_unknown_process_model_is_chosen_anew(chosen: str) -> None:
    page = superuser().get(ADD, {"process_model": chosen})

    assert page.status_code == 200
    assert "There is no process model yet." in page.content.decode()


def test_process_models_lead_to_their_new_schedule() -> None:
    model, client = ProcessModelFactory.create(), superuser()
    target = f"{ADD}?process_model={model.pk}"
    page = f"/admin/processes/processmodel/{model.pk}/"

    assert f'href="{target}"' in client.get("/admin/processes/processmodel/").content.decode()
    assert f'href="{page}schedule/"' in client.get(f"{page}change/").content.decode()
    assert client.get(f"{page}schedule/")["Location"] == target


def test_new_schedules_are_offered_to_those_who_may_add_them() -> None:
    ProcessModelFactory.create()
    client = browser_of("processes.view_processmodel")

    page = client.get("/admin/processes/processmodel/").content.decode()

    assert "New schedule of" not in page


def test_search_for_a_process_model_bears_any_text() -> None:
    page = superuser().get(ADD, {"q": "\0%_'"})

    assert "No process model has such a name or title." in page.content.decode()


def test_schedule_is_made_with_everything_that_the_form_asks() -> None:
    model, worker, client = make_invoices(), WorkerFactory.create(), superuser()
    address, data = new_form(model, client)
    data |= inputs(model, **INVOICES) | {
        "name": "Invoices of the night",
        "start": "2026-12-01T00:00",
        "end": "2027-12-01T00:00:30",
        "worker": worker.pk,
        "priority": "60",
        "retry_count": "2",
        "retry_delay": "0:05:00",
        "misfire": "skip",
        "overlap": "queue",
        "run_once": "on",
    }

    answer = client.post(address, data, follow=True)

    schedule = Schedule.objects.get()
    task = schedule.periodic_task
    assert answer.redirect_chain == [(LIST, 302)]
    assert "Invoices of the night" in messages_of(answer)[0]
    assert (task.name, task.enabled, task.one_off) == ("Invoices of the night", True, True)
    assert (schedule.quartz, schedule.time_zone) == (FRIDAYS, "Europe/Istanbul")
    assert task.start_time == datetime(2026, 11, 30, 21, tzinfo=UTC)
    assert task.expires == datetime(2027, 11, 30, 21, 0, 30, tzinfo=UTC)
    assert (schedule.worker, schedule.priority) == (worker, 60)
    assert (schedule.retry_count, schedule.retry_delay) == (2, timedelta(minutes=5))
    assert (schedule.misfire, schedule.overlap) == ("skip", "queue")
    assert schedule.requested_by == "ada"
    assert schedule.next_fire_time is not None
    assert schedule.values == {
        "company": "İstanbul A.Ş.\n2nd floor",
        "limit": 5,
        "threshold": 2.5,
        "dry_run": False,
        "day": "2026-11-23",
        "not_before": "2026-11-23T14:30:00",
        "mode": "careful",
        "options": {"a": [1, 2]},
    }
    assert LogEntry.objects.get().object_id == str(schedule.pk)
    assert not Run.objects.exists()


def test_defaults_come_from_the_process_model() -> None:
    model = ProcessModelFactory.create(
        default_retry_count=3, default_retry_delay=timedelta(seconds=90)
    )
    ParameterFactory.create(process_model=model, name="times", value_type="integer", default=7)
    client = superuser()
    address, data = new_form(model, client)

    client.post(address, data)

    schedule = Schedule.objects.get()
    assert (schedule.retry_count, schedule.retry_delay) == (3, timedelta(seconds=90))
    assert schedule.values == {"times": 7}
    assert schedule.periodic_task.name == f"{model.name} {schedule.pk}"


def test_run_immediately_makes_one_run_beside_the_plan() -> None:
    client = superuser()
    address, data = new_form(ProcessModelFactory.create(), client, run_immediately="on")

    client.post(address, data)

    assert Run.objects.get().schedule_id == Schedule.objects.get().pk


def test_run_immediately_is_refused_while_the_process_model_is_disabled() -> None:
    client = superuser()
    model = ProcessModelFactory.create(enabled=False)
    address, data = new_form(model, client, run_immediately="on")

    answer = client.post(address, data)

    assert errors_of(answer) == {
        "run_immediately": ["The process model is disabled: it cannot run now."]
    }
    assert not Schedule.objects.exists()


def test_run_immediately_takes_the_permission_to_run() -> None:
    client = browser_of("scheduler.add_schedule", "scheduler.view_schedule")
    address, data = new_form(ProcessModelFactory.create(), client, run_immediately="on")

    client.post(address, data)

    assert Schedule.objects.exists()
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("fields", "field", "part"),
    [
        ({"quartz": "0 0 31 2 * ?"}, "quartz", "out of range"),
        ({"quartz": "6 6 * * 5"}, "quartz", "Quartz"),
        ({"quartz": ""}, "quartz", "required"),
        ({"time_zone": "Europe/Nowhere"}, "time_zone", "no time zone"),
        ({"start": "2026-12-01T00:00", "end": "2026-11-01T00:00"}, "end", "later than the start"),
        ({"start": "soon"}, "start", "Write a date and time"),
        ({"start": "2026-12-01T00:00+03:00"}, "start", "offset"),
        (
            {"start": "2027-03-28T02:30", "time_zone": "Europe/Berlin"},
            "start",
            "leave this time out",
        ),
        ({"retry_count": "100"}, "retry_count", "99"),
        ({"retry_delay": "25:00:00"}, "retry_delay", "1 day"),
        ({"priority": "0"}, "priority", "1"),
        ({"name": "x" * 201}, "name", "200"),
        ({"misfire": "never"}, "misfire", "never"),
        ({"worker": "4711"}, "worker", "valid choice"),
        ({"other_values": "[1]"}, "other_values", "no JSON object"),
        ({"other_values": "{"}, "other_values", "no JSON"),
    ],
)
def test_error_stands_at_its_field(fields: dict[str, str], field: str, part: str) -> None:
    client = superuser()
    address, data = new_form(ProcessModelFactory.create(), client, **fields)

    answer = client.post(address, data)

    assert list(errors_of(answer)) == [field]
    assert part in errors_of(answer)[field][0]
    assert not Schedule.objects.exists()


def test_name_of_another_schedule_is_refused_at_its_field() -> None:
    make_schedule("Every Friday")
    client = superuser()
    address, data = new_form(ProcessModelFactory.create(), client, name="Every Friday")

    answer = client.post(address, data)

    assert list(errors_of(answer)) == ["name"]
    assert Schedule.objects.count() == 1


@pytest.mark.parametrize(
    ("values", "wrong", "part"),
    [
        ({"company": ""}, "company", "required"),
        ({"limit": "five"}, "limit", "a whole number"),
        ({"threshold": "much"}, "threshold", "a finite number"),
        ({"dry_run": "perhaps"}, "dry_run", "true or false"),
        ({"day": "2026-02-30"}, "day", "a date"),
        ({"not_before": "2026-11-23"}, "not_before", "a date and time"),
        ({"mode": "fats"}, "mode", "did you mean 'fast'"),
        ({"options": "{'a': 1}"}, "options", "no JSON"),
    ],
)
def test_value_of_another_type_is_refused_at_its_input(
    values: dict[str, str], wrong: str, part: str
) -> None:
    model, client = make_invoices(), superuser()
    address, data = new_form(model, client)

    answer = client.post(address, data | inputs(model, **INVOICES) | inputs(model, **values))

    (field,) = inputs(model, **{wrong: ""})
    assert list(errors_of(answer)) == [field]
    assert part in errors_of(answer)[field][0]
    assert not Schedule.objects.exists()
