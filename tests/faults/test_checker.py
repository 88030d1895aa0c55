"""The checker finds an injected loss, an injected duplicate, an unasked run and a lie."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from processes.models import Run
from scheduler.drafts import ScheduleDraft
from scheduler.models import Fire, Schedule
from scheduler.planning import create_schedule
from tests.factories import ProcessModelFactory, RunFactory
from tests.faults.checker import check_runs, check_schedule
from tests.faults.findings import Findings
from tests.faults.journal import FAILED, SUCCEEDED, Events, Journal

pytestmark = pytest.mark.django_db

FIRST = datetime(2030, 1, 1, tzinfo=UTC)
AFTER, UNTIL = int(FIRST.timestamp()) - 1, int(FIRST.timestamp()) + 9


@pytest.fixture
def journal(tmp_path: Any) -> Journal:
    """Return an empty journal."""
    return Journal(tmp_path / "journal")


def kinds(findings: Findings) -> set[str]:
    """Return which kinds of findings there are."""
    return {kind for kind, found in vars(findings).items() if found}


def succeed(journal: Journal) -> Run:
    """Return a run that was acknowledged, ran once and succeeded."""
    run: Run = RunFactory.create(succeeded=True, outputs={"token": "t"})
    journal.acknowledge(run.pk)
    journal.begin(run.pk, 1)
    journal.end(run.pk, 1, SUCCEEDED, "t")
    return run


def test_run_that_ran_once_is_nothing_to_find(journal: Journal) -> None:
    succeed(journal)

    assert not check_runs(journal.read())


def test_failed_run_and_retried_run_are_nothing_to_find(journal: Journal) -> None:
    failed: Run = RunFactory.create(failed=True, reason=Run.Reason.PROCESS_FAILED, message="f")
    journal.begin(failed.pk, 1)
    journal.end(failed.pk, 1, FAILED, "f")
    retried: Run = RunFactory.create(succeeded=True, attempt=2, outputs={"token": "t"})
    journal.begin(retried.pk, 1)
    journal.end(retried.pk, 1, FAILED, "f")
    journal.begin(retried.pk, 2)
    journal.end(retried.pk, 2, SUCCEEDED, "t")

    assert not check_runs(journal.read())


def test_acknowledged_id_without_a_row_is_lost(journal: Journal) -> None:
    journal.acknowledge(uuid.uuid4())

    assert kinds(check_runs(journal.read())) == {"lost"}


def test_acknowledged_run_that_never_started_is_lost(journal: Journal) -> None:
    journal.acknowledge(RunFactory.create().pk)

    assert kinds(check_runs(journal.read())) == {"lost"}


def test_expected_run_that_never_started_is_lost() -> None:
    assert kinds(check_runs(Events(), [RunFactory.create().pk])) == {"lost"}


def test_cancelled_run_that_never_started_is_not_lost(journal: Journal) -> None:
    run = RunFactory.create(failed=True, status=Run.Status.CANCELLED)
    journal.acknowledge(run.pk)

    assert not check_runs(journal.read())


def test_second_start_of_an_attempt_is_found(journal: Journal) -> None:
    run = succeed(journal)
    journal.begin(run.pk, 1)

    assert kinds(check_runs(journal.read())) == {"twice"}


def test_attempts_that_overlap_are_found(journal: Journal) -> None:
    run: Run = RunFactory.create(succeeded=True, attempt=2, outputs={"token": "t"})
    journal.begin(run.pk, 1)
    journal.begin(run.pk, 2)
    journal.go_on(run.pk, 1)
    journal.end(run.pk, 2, SUCCEEDED, "t")

    assert kinds(check_runs(journal.read())) == {"twice"}


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs": {"token": "another"}},
        {"status": Run.Status.FAILED, "reason": Run.Reason.PROCESS_FAILED},
        {"status": Run.Status.WAITING, "finished_at": None},
        {
            "status": Run.Status.RUNNING,
            "finished_at": None,
            "lease_token": uuid.uuid4(),
            "lease_expires_at": FIRST,
        },
        {"attempt": 0},
    ],
    ids=["outputs", "failed", "waiting", "running", "attempts"],
)
def test_status_that_differs_from_the_journal_is_a_lie(
    journal: Journal, changes: dict[str, Any]
) -> None:
    run = succeed(journal)
    Run.objects.filter(pk=run.pk).update(**changes)

    assert kinds(check_runs(journal.read())) == {"lies"}


def test_success_without_an_end_is_a_lie(journal: Journal) -> None:
    run: Run = RunFactory.create(succeeded=True)
    journal.begin(run.pk, 1)

    assert kinds(check_runs(journal.read())) == {"lies"}


@pytest.fixture
def schedule() -> Schedule:
    """Return a schedule of every second; its first ten fire times are in the ledger."""
    draft = ScheduleDraft(ProcessModelFactory.create(), "* * * * * ?", "UTC", start=FIRST)
    schedule = create_schedule(draft)
    for second in range(4):
        add_run(schedule, second)
    Fire.objects.create(
        schedule=schedule,
        fire_time=FIRST + timedelta(seconds=4),
        last_fire_time=FIRST + timedelta(seconds=8),
        count=5,
        outcome=Fire.Outcome.MISSED,
    )
    add_run(schedule, 9)
    return schedule


def add_run(schedule: Schedule, second: int) -> Fire:
    """Store that a fire time ran."""
    fire_time = FIRST + timedelta(seconds=second)
    run = RunFactory.create(
        process_model=schedule.process_model, schedule_id=schedule.pk, ready_at=fire_time
    )
    return Fire.objects.create(
        schedule=schedule, fire_time=fire_time, outcome=Fire.Outcome.RAN, run=run
    )


def check(schedule: Schedule, **options: Any) -> Findings:
    """Check the ten fire times."""
    return check_schedule(schedule, after=AFTER, until=UNTIL, **options)


def test_complete_ledger_is_nothing_to_find(schedule: Schedule) -> None:
    assert not check(schedule)


def _lose_row(schedule: Schedule, second: int) -> None:
    run = Fire.objects.get(schedule=schedule, fire_time=FIRST + timedelta(seconds=second)).run
    assert run is not None
    run.delete()
    Fire.objects.get(schedule=schedule, fire_time=FIRST + timedelta(seconds=second)).delete()


def _lose_run(schedule: Schedule) -> None:
    run = Fire.objects.filter(schedule=schedule, run__isnull=False)[0].run
    assert run is not None
    run.delete()


def _change_stretch(schedule: Schedule, **changes: Any) -> None:
    Fire.objects.filter(schedule=schedule, count__gt=1).update(**changes)


def _add_unnamed_run(schedule: Schedule, second: float) -> None:
    RunFactory.create(
        process_model=schedule.process_model,
        schedule_id=schedule.pk,
        ready_at=FIRST + timedelta(seconds=second),
    )


@pytest.mark.parametrize(
    ("injure", "kind"),
    [
        (lambda schedule: _lose_row(schedule, 0), "lost"),
        (lambda schedule: _lose_row(schedule, 2), "lost"),
        (lambda schedule: _lose_row(schedule, 9), "lost"),
        (_lose_run, "lost"),
        (lambda schedule: add_run(schedule, 5), "twice"),
        (lambda schedule: _add_unnamed_run(schedule, 20), "unasked"),
        (lambda schedule: _add_unnamed_run(schedule, 2), "twice"),
        (lambda schedule: _change_stretch(schedule, count=4), "lies"),
        (
            lambda schedule: _change_stretch(schedule, last_fire_time=FIRST + timedelta(seconds=7)),
            "lost",
        ),
        (
            lambda schedule: Fire.objects.filter(schedule=schedule, run=None).update(
                count=1, last_fire_time=None
            ),
            "lost",
        ),
    ],
    ids=[
        "first row",
        "middle row",
        "last row",
        "run",
        "row within a stretch",
        "run without a row",
        "two runs for a fire time",
        "count of a stretch",
        "end of a stretch",
        "stretch cut to one",
    ],
)
def test_injected_fault_of_the_ledger_is_found(
    schedule: Schedule, injure: Callable[[Schedule], object], kind: str
) -> None:
    injure(schedule)

    assert kind in kinds(check(schedule))


def test_row_for_a_time_that_is_not_in_the_plan_is_found(schedule: Schedule) -> None:
    every_two = ScheduleDraft(
        schedule.process_model, "0/2 * * * * ?", "UTC", start=FIRST
    ).fire_times()

    assert "unasked" in kinds(check(schedule, fire_times=every_two))


def test_run_by_hand_needs_no_row(schedule: Schedule) -> None:
    by_hand = RunFactory.create(process_model=schedule.process_model, schedule_id=schedule.pk)

    assert not check(schedule, by_hand={by_hand.pk})


def test_findings_add_up_and_say_what_they_are() -> None:
    both = Findings(lost=["a"]) + Findings(lies=["b"])

    assert str(both) == "lost: a\nlie: b"
    assert not Findings()
