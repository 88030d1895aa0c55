"""Asking for the status of a plan."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from connector.plan_status import MAX_RUNS, runs_of
from processes.models import ProcessModel, Run
from scheduler import planning, switching
from scheduler.firing import fire_due_schedules
from scheduler.models import Fire, Schedule
from tests.conftest import Caller
from tests.factories import ProcessModelFactory, RunFactory, WorkerFactory
from tests.plans import explain

FRIDAYS = {"quartzDef": "0 6 6 ? * FRI", "startDate": "2190-01-01 00:00:00"}
ISTANBUL = {"timezone": "Europe/Istanbul"}
EVERY_MINUTE = {"quartzDef": "0 * * * * ?"}
SOME_ID = uuid.UUID("0199c0de-0000-7000-8000-000000000001")
LONG_AGO = datetime(2020, 11, 18, 16, 55, tzinfo=UTC)

Examples = dict[str, ProcessModel]


@pytest.fixture
def plan(acme: Caller, examples: Examples) -> Callable[..., Schedule]:
    """Return what makes a plan over the API."""

    def make(**body: Any) -> Schedule:
        answer = acme.start(
            {"name": "OneStepNotepadRunner", "values": {"username": "Ada"}} | FRIDAYS | body
        )
        return Schedule.objects.get(pk=answer.json()["robustaSpid"])

    return make


Planner = Callable[..., Schedule]


def fire(schedule: Schedule, minutes_late: int = 5) -> Run:
    """Have fire times of the last minutes come due, and return the run that the beat makes."""
    before = set(Run.objects.values_list("pk", flat=True))
    due = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=minutes_late)
    Schedule.objects.filter(pk=schedule.pk).update(next_fire_time=due)
    fire_due_schedules()
    return Run.objects.exclude(pk__in=before).get()


def add_run(schedule: Schedule, **traits: Any) -> Run:
    """Store a run of the plan beside its fire times."""
    run: Run = RunFactory.create(
        schedule_id=schedule.pk, process_model=schedule.process_model, **traits
    )
    return run


def finish(run: Run, **fields: Any) -> None:
    """End a run, with success unless told otherwise."""
    ended = {"status": Run.Status.SUCCEEDED, "outputs": {"x": "Ada"}, "finished_at": Now()}
    Run.objects.filter(pk=run.pk).update(**ended | fields)


def test_new_plan_waits_for_its_next_run(acme: Caller, plan: Planner) -> None:
    schedule = plan(**ISTANBUL)

    answer = acme.status(schedule.pk)

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "WAITING",
        "message": "Your transaction is waiting: its next run is due at 2190-01-01 06:06:00 +03.",
        "runs": [],
        "nextRun": "2190-01-01T06:06:00+03:00",
    }


def test_due_plan_that_no_beat_has_claimed_says_so(acme: Caller, plan: Planner) -> None:
    schedule = plan()
    Schedule.objects.update(next_fire_time=LONG_AGO)

    answer = acme.status(schedule.pk).json()

    assert answer["status"] == "WAITING"
    assert "was due at 2020-11-18 16:55:00 UTC and no beat has claimed it" in answer["message"]
    assert answer["nextRun"] == "2020-11-18T16:55:00+00:00"


def test_run_by_a_fire_time_is_shown_with_it(acme: Caller, plan: Planner) -> None:
    schedule = plan(**EVERY_MINUTE | ISTANBUL | {"startDate": None})
    run = fire(schedule)
    finish(run, started_at=LONG_AGO, finished_at=LONG_AGO + timedelta(seconds=2))

    answer = acme.status(schedule.pk).json()

    fire_time = Fire.objects.get(run=run).fire_time
    (shown,) = answer["runs"]
    assert datetime.fromisoformat(shown.pop("fireTime")) == fire_time
    assert shown == {
        "robustaSpid": str(run.pk),
        "status": "SUCCEEDED",
        "message": "Your transaction has ended.",
        "startedAt": "2020-11-18T19:55:00+03:00",
        "finishedAt": "2020-11-18T19:55:02+03:00",
    }
    assert (answer["status"], answer["__out_x"]) == ("SUCCEEDED", "Ada")
    assert answer["nextRun"].endswith("+03:00")
    assert acme.status(run.pk).json()["__out_x"] == "Ada"


def test_immediate_run_and_run_now_belong_to_the_plan(acme: Caller, plan: Planner) -> None:
    schedule = plan(runImmediately="Y")
    by_hand = switching.run_now(schedule.pk, requested_by="somebody")

    answer = acme.status(schedule.pk).json()

    immediate = Run.objects.exclude(pk=by_hand.pk).get()
    assert [run["robustaSpid"] for run in answer["runs"]] == [str(by_hand.pk), str(immediate.pk)]
    assert [run["fireTime"] for run in answer["runs"]] == [None, None]
    assert answer["status"] == "WAITING"
    assert answer["message"] == "Your transaction is waiting: no worker is online."
    assert answer["runs"][0]["message"] == answer["message"]
    assert answer["nextRun"] == "2190-01-01T06:06:00+00:00"


@pytest.mark.parametrize(
    ("traits", "status", "message"),
    [
        ({}, "WAITING", "Your transaction is waiting: no worker is online."),
        ({"running": True}, "RUNNING", "Your transaction is running."),
    ],
)
def test_newest_live_run_decides(
    acme: Caller, plan: Planner, traits: dict[str, Any], status: str, message: str
) -> None:
    schedule = plan()
    add_run(schedule, running=True, progress_done=1)
    add_run(schedule, **traits)
    add_run(schedule, succeeded=True)

    answer = acme.status(schedule.pk).json()

    assert (answer["status"], answer["message"]) == (status, message)
    assert "__out_x" not in answer


def test_without_a_live_run_the_one_that_finished_last_decides(acme: Caller, plan: Planner) -> None:
    schedule = plan()
    add_run(schedule, failed=True, finished_at=LONG_AGO)
    add_run(schedule, failed=True)
    add_run(schedule, succeeded=True, finished_at=LONG_AGO)

    answer = acme.status(schedule.pk).json()

    assert answer["status"] == "FAILED"
    assert answer["message"] == "The printer is out of paper."
    assert "__out_x" not in answer
    assert answer["nextRun"] == "2190-01-01T06:06:00+00:00"


def test_of_runs_that_finished_together_the_newest_decides(acme: Caller, plan: Planner) -> None:
    schedule = plan()
    for output in ("first", "second"):
        add_run(schedule, succeeded=True, finished_at=LONG_AGO, outputs={"x": output})

    answer = acme.status(schedule.pk).json()

    assert (answer["status"], answer["__out_x"]) == ("SUCCEEDED", "second")


def paused(schedule: Schedule) -> None:
    switching.pause_schedule(schedule.pk, reason="inventory")
    Schedule.objects.update(paused_at=LONG_AGO)


def paused_until(schedule: Schedule) -> None:
    until = datetime(2190, 1, 20, tzinfo=UTC)
    switching.pause_schedule(schedule.pk, until=until)
    Schedule.objects.update(paused_at=LONG_AGO)


def disabled(schedule: Schedule) -> None:
    switching.disable_schedule(schedule.pk)


def disabled_in_bulk(schedule: Schedule) -> None:
    PeriodicTask.objects.filter(pk=schedule.periodic_task_id).update(enabled=False)


def broken(schedule: Schedule) -> None:
    Schedule.objects.update(quartz="soon", next_fire_time=LONG_AGO)
    fire_due_schedules()


OBSTACLES = [
    (paused, "its plan is paused since 2020-11-18 16:55:00 UTC (inventory).", None),
    (
        paused_until,
        "its plan is paused since 2020-11-18 16:55:00 UTC until 2190-01-20 00:00:00 UTC.",
        "2190-01-22T06:06:00+00:00",
    ),
    (disabled, "its plan is disabled.", None),
    (disabled_in_bulk, "its plan is disabled.", None),
    (
        broken,
        "its plan was stopped by an error: The expression has 1 field; a Quartz expression has 6"
        " or 7: second minute hour day-of-month month day-of-week [year].",
        None,
    ),
]


@pytest.mark.parametrize("has_run", [False, True], ids=["no run", "finished run"])
@pytest.mark.parametrize(("hold_up", "reason", "next_run"), OBSTACLES)
def test_plan_that_is_held_up_waits_with_the_reason(
    acme: Caller,
    plan: Planner,
    hold_up: Callable[[Schedule], None],
    reason: str,
    next_run: str | None,
    has_run: bool,
) -> None:
    schedule = plan()
    if has_run:
        add_run(schedule, succeeded=True)
    hold_up(schedule)

    answer = acme.status(schedule.pk).json()

    assert answer["status"] == "WAITING"
    assert answer["message"] == f"Your transaction is waiting: {reason}"
    assert answer["nextRun"] == next_run
    assert "__out_x" not in answer


@pytest.mark.parametrize(("hold_up", "reason", "next_run"), OBSTACLES)
def test_live_run_decides_whatever_holds_the_plan_up(
    acme: Caller,
    plan: Planner,
    hold_up: Callable[[Schedule], None],
    reason: str,
    next_run: str | None,
) -> None:
    schedule = plan()
    add_run(schedule, running=True)
    hold_up(schedule)

    answer = acme.status(schedule.pk).json()

    assert answer["status"] == "RUNNING"
    assert answer["nextRun"] == next_run


def test_pause_that_is_over_holds_nothing_up(acme: Caller, plan: Planner) -> None:
    schedule = plan()
    Schedule.objects.update(paused_at=LONG_AGO, paused_until=LONG_AGO + timedelta(days=1))

    answer = acme.status(schedule.pk).json()

    assert "its next run is due at 2190-01-01 06:06:00 UTC" in answer["message"]


@pytest.mark.parametrize(
    ("until", "next_run"),
    [
        ("2189-12-31T00:00:00+00:00", "2190-01-01T06:06:00+00:00"),
        ("2190-01-08T06:06:00+00:00", "2190-01-08T06:06:00+00:00"),
        ("2190-01-08T06:06:00.500000+00:00", "2190-01-08T06:06:00+00:00"),
        ("2190-01-08T06:06:01+00:00", None),
    ],
    ids=["before the next", "at a fire time", "within its second", "after the last"],
)
def test_next_run_after_a_pause_is_the_first_fire_time_not_before_its_end(
    acme: Caller, plan: Planner, until: str, next_run: str | None
) -> None:
    schedule = plan(endDate="2190-01-09 00:00:00")
    switching.pause_schedule(schedule.pk, until=datetime.fromisoformat(until))

    answer = acme.status(schedule.pk).json()

    assert answer["nextRun"] == next_run


def test_next_run_leaves_out_what_is_to_be_skipped(acme: Caller, plan: Planner) -> None:
    schedule = plan()
    switching.skip_next(schedule.pk, requested_by="somebody")

    answer = acme.status(schedule.pk).json()

    assert answer["nextRun"] == "2190-01-08T06:06:00+00:00"
    assert "due at 2190-01-08 06:06:00 UTC" in answer["message"]


def test_next_run_leaves_out_what_is_to_be_skipped_after_a_pause(
    acme: Caller, plan: Planner
) -> None:
    schedule = plan()
    for _ in range(2):
        switching.skip_next(schedule.pk, requested_by="somebody")
    switching.pause_schedule(schedule.pk, until=datetime(2190, 1, 5, tzinfo=UTC))

    answer = acme.status(schedule.pk).json()

    assert answer["nextRun"] == "2190-01-15T06:06:00+00:00"


def test_run_once_plan_has_the_status_of_its_run(acme: Caller, plan: Planner) -> None:
    schedule = plan(**EVERY_MINUTE | {"startDate": None, "runOnce": "Y"})
    waiting = acme.status(schedule.pk).json()
    run = fire(schedule)
    live = acme.status(schedule.pk).json()
    finish(run)

    answer = acme.status(schedule.pk).json()

    assert "its next run is due" in waiting["message"]
    assert live["message"] == "Your transaction is waiting: no worker is online."
    assert not PeriodicTask.objects.get(plan=schedule).enabled
    assert (answer["status"], answer["__out_x"]) == ("SUCCEEDED", "Ada")
    assert answer["nextRun"] is None


def test_run_once_plan_disabled_by_hand_waits(acme: Caller, plan: Planner) -> None:
    schedule = plan(runOnce="Y")
    add_run(schedule, succeeded=True)
    disabled(schedule)

    answer = acme.status(schedule.pk).json()

    assert answer["message"] == "Your transaction is waiting: its plan is disabled."


def test_plan_that_never_fires_has_expired(acme: Caller, plan: Planner) -> None:
    schedule = plan(quartzDef="0 0 0 30 2 ?")
    Schedule.objects.update(created_at=LONG_AGO)

    answer = acme.status(schedule.pk).json()

    assert answer == {
        "status": "EXPIRED",
        "message": "Your transaction has expired: its plan never fires, since it had no fire time"
        " to come when it was saved at 2020-11-18 16:55:00 UTC.",
        "runs": [],
        "nextRun": None,
    }


def test_plan_that_ended_without_a_run_has_expired_with_the_reason(
    acme: Caller, plan: Planner
) -> None:
    schedule = plan(**EVERY_MINUTE | {"startDate": None})
    now = timezone.now().replace(second=0, microsecond=0)
    PeriodicTask.objects.filter(plan=schedule).update(expires=now - timedelta(minutes=2))
    Schedule.objects.update(
        misfire=Schedule.Misfire.SKIP,
        next_fire_time=now - timedelta(minutes=3),
        created_at=now - timedelta(minutes=4),
    )
    fire_due_schedules()

    answer = acme.status(schedule.pk).json()

    last = Fire.objects.newest_first()[0]
    assert last.fire_time == now - timedelta(minutes=2)
    assert answer["status"] == "EXPIRED"
    assert answer["message"] == (
        "Your transaction has expired: its plan ended without a run; of its last fire time,"
        f" {last.fire_time:%Y-%m-%d %H:%M:%S} UTC, the ledger says: {last.reason}"
    )


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [
        (None, "its plan ended without a run."),
        (Fire.Outcome.RAN, "its plan has ended and its runs are no longer kept."),
    ],
    ids=["ledger purged", "runs purged"],
)
def test_expired_plan_says_what_is_still_known(
    acme: Caller, plan: Planner, outcome: str | None, ending: str
) -> None:
    schedule = plan()
    Schedule.objects.update(next_fire_time=None)
    if outcome:
        Fire.objects.create(schedule=schedule, fire_time=LONG_AGO, outcome=outcome)

    answer = acme.status(schedule.pk).json()

    assert answer["status"] == "EXPIRED"
    assert answer["message"].endswith(ending)


def test_plan_that_ended_after_runs_has_not_expired(acme: Caller, plan: Planner) -> None:
    schedule = plan()
    add_run(schedule, failed=True)
    Schedule.objects.update(next_fire_time=None)

    answer = acme.status(schedule.pk).json()

    assert (answer["status"], answer["nextRun"]) == ("FAILED", None)


def test_plan_enabled_in_bulk_has_not_expired(acme: Caller, plan: Planner) -> None:
    schedule = plan()
    disabled(schedule)
    PeriodicTask.objects.update(enabled=True)

    answer = acme.status(schedule.pk).json()

    assert answer["status"] == "WAITING"
    assert answer["message"].endswith("its plan has just been enabled.")


def test_deleted_foreign_and_unowned_plans_look_like_unknown_ones(
    acme: Caller, globex: Caller, plan: Planner
) -> None:
    kept, deleted, unowned = plan(), plan(), plan()
    planning.delete_schedules([deleted.pk])
    Schedule.objects.filter(pk=unowned.pk).update(owner="")

    answers = [
        globex.status(kept.pk),
        acme.status(deleted.pk),
        acme.status(unowned.pk),
        acme.status(uuid.uuid4()),
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


def test_run_of_a_deleted_plan_can_still_be_asked_for(acme: Caller, plan: Planner) -> None:
    schedule = plan(runImmediately="Y")
    planning.delete_schedules([schedule.pk])

    assert acme.status(Run.objects.get().pk).status_code == 200


def test_letter_case_of_the_id_does_not_matter(acme: Caller, plan: Planner) -> None:
    schedule = plan()

    assert acme.status(str(schedule.pk).upper()).json() == acme.status(schedule.pk).json()


def test_runs_are_capped_and_an_older_live_one_still_decides(acme: Caller, plan: Planner) -> None:
    schedule = plan()
    oldest = add_run(schedule, running=True)
    model = ProcessModel.objects.get(pk=schedule.process_model_id)
    newer = RunFactory.build_batch(
        MAX_RUNS, schedule_id=schedule.pk, process_model=model, succeeded=True
    )
    Run.objects.bulk_create(newer)

    answer = acme.status(schedule.pk).json()

    assert len(answer["runs"]) == MAX_RUNS
    assert answer["runs"][0]["robustaSpid"] == str(max(run.pk for run in newer))
    assert str(oldest.pk) not in {run["robustaSpid"] for run in answer["runs"]}
    assert answer["status"] == "RUNNING"


def test_long_values_and_outputs_of_the_runs_are_not_read(plan: Planner) -> None:
    schedule = plan(runImmediately="Y")

    (run,) = runs_of(schedule.pk)

    assert run.get_deferred_fields() == {"values", "outputs"}


def test_statements_do_not_grow_with_the_runs(acme: Caller, plan: Planner) -> None:
    schedule = plan()
    worker = WorkerFactory.create()
    counts = []
    for _ in range(2):
        for _ in range(10):
            earlier = add_run(schedule, worker=worker)
            add_run(schedule, worker=worker, waits_for=earlier.pk)
            add_run(schedule, succeeded=True)
        with CaptureQueriesContext(connection) as queries:
            acme.status(schedule.pk)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 10


def runs_shown() -> "QuerySet[Any, Any]":
    return runs_of(SOME_ID)[:MAX_RUNS]


def older_live_runs() -> "QuerySet[Any, Any]":
    return runs_of(SOME_ID).unfinished().order_by()[:MAX_RUNS]


@pytest.mark.parametrize(
    ("make_query", "index"),
    [(runs_shown, "run_of_schedule"), (older_live_runs, "run_of_schedule_by_status")],
    ids=["runs_shown", "older_live_runs"],
)
def test_runs_are_found_by_an_index(
    db: None, make_query: Callable[[], "QuerySet[Any, Any]"], index: str
) -> None:
    model = ProcessModelFactory.create()
    ended = {"status": Run.Status.SUCCEEDED, "finished_at": LONG_AGO}
    others = [Run(process_model=model, **ended) for _ in range(5_000)]
    Run.objects.bulk_create(others, batch_size=1_000)
    Run.objects.bulk_create(
        Run(process_model=model, schedule_id=SOME_ID, **ended) for _ in range(50)
    )
    RunFactory.create_batch(5, process_model=model, schedule_id=SOME_ID)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    assert f"{index} " in explain(make_query())
