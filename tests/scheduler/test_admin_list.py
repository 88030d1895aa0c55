"""The list of schedules: how each stands, what it did last, and what can be done with it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import PeriodicTask

from scheduler import switching
from scheduler.clock import database_now
from scheduler.models import Fire, Schedule
from scheduler.states import State, with_state
from tests.factories import RunFactory, WorkerFactory
from tests.plans import explain
from tests.scheduler.admin_pages import (
    DAILY,
    LIST,
    browser_of,
    make_schedule,
    page_of,
    record,
    superuser,
)

pytestmark = pytest.mark.django_db


def finished() -> Schedule:
    schedule = make_schedule(run_once=True)
    record(schedule, timedelta(hours=1))
    PeriodicTask.objects.update(enabled=False)
    return schedule


def changed(**fields: Any) -> Schedule:
    schedule = make_schedule()
    Schedule.objects.update(**fields)
    return schedule


def paused(until: timedelta | None) -> Schedule:
    schedule = make_schedule()
    now = database_now()
    Schedule.objects.update(
        paused_at=now - timedelta(days=1),
        paused_until=None if until is None else now + until,
        pause_reason="Audit",
    )
    return schedule


def ended() -> Schedule:
    schedule = make_schedule(end=database_now() + timedelta(minutes=1), quartz="0 0 0 29 2 ?")
    PeriodicTask.objects.update(expires=database_now() - timedelta(minutes=1))
    return schedule


def never_again() -> Schedule:
    schedule = make_schedule(quartz="0 0 0 1 1 ? 2025")
    record(schedule, timedelta(days=1))
    return schedule


def enabled_in_bulk() -> Schedule:
    schedule = make_schedule(enabled=False)
    PeriodicTask.objects.update(enabled=True)
    return schedule


STATES = [
    (make_schedule, State.ARMED),
    (lambda: make_schedule(enabled=False), State.DISABLED),
    (lambda: make_schedule(enabled=False, run_once=True), State.DISABLED),
    (finished, State.FINISHED),
    (lambda: changed(error="Names 31 February."), State.BROKEN),
    (lambda: make_schedule(quartz="0 0 0 1 1 ? 2025"), State.NEVER_FIRES),
    (never_again, State.ENDED),
    (ended, State.ENDED),
    (lambda: paused(None), State.PAUSED),
    (lambda: paused(timedelta(hours=1)), State.PAUSED),
    (lambda: paused(timedelta(hours=-1)), State.ARMED),
    (enabled_in_bulk, State.ARMING),
]


@pytest.mark.parametrize(("make", "state"), STATES)
def test_schedule_says_how_it_stands(make: Any, state: State) -> None:
    make()

    found: Any = with_state(Schedule.objects.all()).get()
    page = superuser().get(LIST).content.decode()

    assert found.state == state
    assert f"\n{state.label}\n" in page


def test_state_filter_finds_what_the_list_shows() -> None:
    make_schedule("Armed one")
    make_schedule("Disabled one", enabled=False)
    client = superuser()

    page = client.get(f"{LIST}?state=disabled").content.decode()

    assert "Disabled one" in page
    assert "Armed one" not in page


@pytest.mark.parametrize(
    "asked", ["process_model__id__exact={model}", "worker__id__exact={worker}"]
)
def test_list_is_narrowed_to_a_process_model_or_a_worker(asked: str) -> None:
    chosen = make_schedule("Chosen one", worker=WorkerFactory.create())
    make_schedule("Other one")
    query = asked.format(model=chosen.process_model_id, worker=chosen.worker_id)

    page = superuser().get(f"{LIST}?{query}").content.decode()

    assert "Chosen one" in page
    assert "Other one" not in page


@pytest.mark.parametrize("part", ["name", "model", "quartz", "id"])
def test_schedule_is_found_by(part: str) -> None:
    schedule = make_schedule("Chosen one", quartz=DAILY)
    make_schedule("Other one")
    wanted = {
        "name": "chosen",
        "model": schedule.process_model.name,
        "quartz": DAILY,
        "id": str(schedule.pk),
    }

    page = superuser().get(LIST, {"q": wanted[part]}).content.decode()

    assert "Chosen one" in page
    assert "Other one" not in page


def test_row_shows_plan_zone_next_fire_time_and_worker() -> None:
    schedule = make_schedule(worker=WorkerFactory.create(name="Accounting PC"))

    page = superuser().get(LIST).content.decode()

    assert schedule.next_fire_time is not None
    assert "0 6 6 ? * FRI" in page
    assert "Europe/Istanbul" in page
    assert f"Fri {schedule.next_fire_time:%Y-%m-%d} 06:06:00 +03" in page
    assert "data-countdown" in page
    assert "Accounting PC" in page


def test_paused_schedule_says_until_when_and_why() -> None:
    paused(timedelta(hours=1))

    page = superuser().get(LIST).content.decode()

    assert "until " in page
    assert "Audit" in page


def test_next_fire_time_to_be_skipped_is_marked() -> None:
    switching.skip_next(make_schedule().pk, requested_by="ada")

    page = superuser().get(LIST).content.decode()

    assert "\nskipped\n" in page


def test_last_outcome_is_the_newest_fire_and_leads_to_its_run() -> None:
    schedule = make_schedule()
    record(schedule, timedelta(days=2), outcome=Fire.Outcome.MISSED)
    run = RunFactory.create(failed=True)
    record(schedule, timedelta(days=1), run=run)

    page = superuser().get(LIST).content.decode()

    assert f'href="/admin/processes/run/{run.pk}/change/"' in page
    assert "\nmissed\n" not in page


def test_newest_fire_is_found_in_the_index_of_the_ledger() -> None:
    schedule = make_schedule()
    record(schedule, timedelta(days=1))

    plan = explain(Fire.objects.filter(schedule=schedule).newest_first()[:1])

    # SQLite gives the index of a constraint a name of its own.
    assert "fire_once" in plan or "sqlite_autoindex_scheduler_fire" in plan
    assert "TEMP B-TREE" not in plan


def test_list_takes_as_many_queries_for_ten_as_for_one() -> None:
    client = superuser()
    record(make_schedule("First"), timedelta(days=1), run=RunFactory.create())
    client.get(LIST)
    with CaptureQueriesContext(
        connection,
    ) as for_one:
        client.get(LIST)
    for number in range(9):
        record(make_schedule(str(number)), timedelta(days=1), run=RunFactory.create())

    with CaptureQueriesContext(connection) as for_ten:
        client.get(LIST)

    assert len(for_ten) == len(for_one)


def test_icons_are_those_that_fit_the_state_and_the_reader() -> None:
    schedule = make_schedule()
    may_run = browser_of("scheduler.view_schedule", "scheduler.run_schedule")

    page = may_run.get(LIST).content.decode()

    assert f"{page_of(schedule, 'ledger')}?from=list" in page
    assert f"{page_of(schedule, 'run')}?from=list" in page
    assert page_of(schedule, "pause") not in page
