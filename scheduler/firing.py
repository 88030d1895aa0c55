"""Due schedules are claimed here: each fire time once, by any number of beats.

The lock on a schedule's row, held from reading its next fire time to writing the following one,
is what keeps two beats apart; the ledger's unique row is what would stop them if it did not.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

import structlog
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import DateTimeField, Value
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django_celery_beat.models import PeriodicTask

from processes import queueing
from processes.bulk_insert import insert_rows
from processes.models import ProcessModel, Run
from scheduler.due import Decision, Due, Row, decide
from scheduler.fire_times import FireTimes, to_datetime
from scheduler.models import Fire, Schedule
from scheduler.models.schedules import ScheduleQuerySet

logger = structlog.get_logger(__name__)

BATCH = 200
# A batch ends early rather than make a long transaction of many runs that were missed.
MAX_RUNS_PER_BATCH = 500
STALLED_TRANSACTION = "5s"
MAX_REQUESTED_BY = 200
CHANGED_FIELDS = [
    "error",
    "was_enabled",
    "paused_at",
    "paused_until",
    "pause_reason",
    "skip_until",
    "skip_reason",
]
TASK_FIELDS = ("pk", "name", "enabled", "start_time", "expires", "one_off")
ADVANCE_ONE = "UPDATE scheduler_schedule SET next_fire_time = %s, settled_until = %s WHERE id = %s"
ADVANCE_ALL = """
    UPDATE scheduler_schedule
    SET next_fire_time = row.next_fire_time, settled_until = row.settled_until
    FROM unnest(%s::timestamptz[], %s::timestamptz[], %s::uuid[])
        AS row (next_fire_time, settled_until, id)
    WHERE scheduler_schedule.id = row.id
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A locked schedule, what its periodic task says, and its runs that go on, oldest first."""

    schedule: Schedule
    task: Any
    process_model: ProcessModel
    now: datetime
    unfinished: tuple[UUID, ...]


@dataclass
class Batch:
    """What one transaction is going to write."""

    schedules: list[Schedule] = field(default_factory=list)
    changed: list[Schedule] = field(default_factory=list)
    finished: list[Schedule] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    fires: list[Fire] = field(default_factory=list)


def fire_due_schedules(limit: int = BATCH) -> int:
    """Claim up to `limit` due schedules, make their runs and ring; return how many were claimed.

    What is stored is stored whole or not at all: runs, ledger and next fire times. Rows that
    another beat has locked are left to it.
    """
    try:
        with transaction.atomic():
            _release_when_stalled()
            claimed = fire(Schedule.objects.due().locked(skip=True), limit)
    except (DataError, IntegrityError) as error:  # of one of them: the others must not suffer
        logger.error("batch refused; claiming one by one", error=str(error))
        return _fire_one_by_one(limit)
    queueing.ring_for_runs(claimed.runs)
    return len(claimed.schedules)


def fire(schedules: ScheduleQuerySet, limit: int = BATCH, *, now: datetime | None = None) -> Batch:
    """Settle every fire time of `schedules` up to `now`, in the caller's transaction.

    `schedules` is a query that locks its rows; `now` is the database's, unless given. Whoever calls
    rings for the runs after COMMIT.
    """
    moment = Now() if now is None else Value(now, output_field=DateTimeField())
    rows: list[Any] = list(schedules.annotate(now=moment)[:limit])
    if not rows:
        return Batch()
    tasks = _find_tasks(rows)
    models = ProcessModel.objects.in_bulk({row.process_model_id for row in rows})
    unfinished = _find_unfinished(rows)
    batch = Batch()
    for schedule in rows:
        claim = Claim(
            schedule=schedule,
            task=tasks[schedule.periodic_task_id],
            process_model=models[schedule.process_model_id],
            now=schedule.now,
            unfinished=unfinished[schedule.pk],
        )
        _settle(claim, batch)
        if len(batch.runs) >= MAX_RUNS_PER_BATCH:
            break
    _store(batch)
    return batch


def _release_when_stalled() -> None:
    # A beat that is stopped in the middle (SIGSTOP, a frozen host) would keep its rows locked.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                f"SET LOCAL idle_in_transaction_session_timeout = '{STALLED_TRANSACTION}'"
            )


def _find_tasks(schedules: Sequence[Schedule]) -> dict[int, Any]:
    """Return what the linked rows say, read after the lock is held.

    The query that locks may have seen older rows of other tables than of its own.
    """
    ids = [schedule.periodic_task_id for schedule in schedules]
    tasks = PeriodicTask.objects.filter(pk__in=ids)
    return {task.pk: task for task in tasks.values_list(*TASK_FIELDS, named=True)}


def _find_unfinished(schedules: Sequence[Schedule]) -> dict[UUID, tuple[UUID, ...]]:
    """Return the unfinished runs of the schedules whose overlap policy asks for them."""
    asking = [row.pk for row in schedules if row.overlap != Schedule.Overlap.ALLOW]
    found: dict[UUID, tuple[UUID, ...]] = defaultdict(tuple)
    if asking:
        runs = Run.objects.unfinished().filter(schedule_id__in=asking).order_by()
        for run in sorted(runs.only("schedule_id"), key=attrgetter("pk")):
            found[run.schedule_id] += (run.pk,)  # type: ignore[index]  # they are those asked for
    return found


def _settle(claim: Claim, batch: Batch) -> None:
    """Decide for one schedule and add what follows to the batch; disarm it if that fails."""
    schedule = claim.schedule
    try:
        decision = decide(_describe(claim))
    except Exception as error:  # whatever it is, it is this schedule's own; the others go on
        logger.error("schedule disarmed", schedule=str(schedule.pk), error=str(error))
        schedule.error = str(error) or type(error).__name__
        schedule.next_fire_time = None
        batch.changed.append(schedule)
    else:
        _carry_out(decision, claim, batch)
    batch.schedules.append(schedule)


def _describe(claim: Claim) -> Due:
    schedule, task = claim.schedule, claim.task
    after = _to_seconds(schedule.next_fire_time) - 1
    if schedule.settled_until is not None:
        after = max(after, _to_seconds(schedule.settled_until))
    return Due(
        fire_times=FireTimes.of(schedule.quartz, schedule.time_zone, task.start_time, task.expires),
        after=after,
        now=_to_seconds(claim.now),
        misfire=schedule.misfire,
        overlap=schedule.overlap,
        run_once=task.one_off,
        is_paused=schedule.paused_at is not None,
        paused_until=_to_seconds(schedule.paused_until),
        pause_reason=schedule.pause_reason,
        skip_until=_to_seconds(schedule.skip_until),
        skip_reason=schedule.skip_reason,
        runnable=claim.process_model.enabled,
        is_enabled=task.enabled,
        unfinished=len(claim.unfinished),
    )


def _to_seconds(moment: Any) -> Any:
    return None if moment is None else int(moment.timestamp())


def _carry_out(decision: Decision, claim: Claim, batch: Batch) -> None:
    schedule, before = claim.schedule, list(claim.unfinished)
    for row in decision.rows:
        run = None
        if row.outcome == Fire.Outcome.RAN:
            waits_for = (
                before[-1] if schedule.overlap == Schedule.Overlap.QUEUE and before else None
            )
            run = _make_run(claim, to_datetime(row.first), waits_for)
            before.append(run.pk)
            batch.runs.append(run)
        batch.fires.append(_make_fire(claim, row, run))
    if decision.rows:
        schedule.settled_until = batch.fires[-1].last_fire_time or batch.fires[-1].fire_time
    following = decision.next_fire_time
    schedule.next_fire_time = None if following is None else to_datetime(following)
    is_over = decision.is_finished or not claim.task.enabled
    if is_over:
        schedule.was_enabled = False  # or enabling it again would look like no change
    if _forget_what_is_over(schedule, claim.now) or is_over:
        batch.changed.append(schedule)
    if decision.is_finished:
        batch.finished.append(schedule)


def _forget_what_is_over(schedule: Schedule, now: datetime) -> bool:
    """Forget a pause and a skip that have come to their end; return whether there was one."""
    is_over = False
    if schedule.paused_at and not schedule.is_paused_at(now):
        schedule.paused_at, schedule.paused_until, schedule.pause_reason = None, None, ""
        is_over = True
    if schedule.skip_until and schedule.skip_until <= now:
        schedule.skip_until, schedule.skip_reason = None, ""
        is_over = True
    return is_over


def _make_run(claim: Claim, fire_time: datetime, waits_for: UUID | None) -> Run:
    schedule = claim.schedule
    return Run(
        process_model_id=schedule.process_model_id,
        values=schedule.values,
        worker_id=schedule.worker_id or claim.process_model.default_worker_id,
        retry_count=schedule.retry_count,
        retry_delay=schedule.retry_delay,
        priority=schedule.priority,
        owner=schedule.owner,
        requested_by=(_("Schedule: %(name)s") % {"name": claim.task.name})[:MAX_REQUESTED_BY],
        schedule_id=schedule.pk,
        waits_for=waits_for,
        created_at=claim.now,
        ready_at=fire_time,
    )


def _make_fire(claim: Claim, row: Row, run: Run | None) -> Fire:
    return Fire(
        schedule_id=claim.schedule.pk,
        fire_time=to_datetime(row.first),
        last_fire_time=None if row.last is None else to_datetime(row.last),
        count=row.count,
        outcome=row.outcome,
        reason=row.reason,
        run_id=None if run is None else run.pk,
        recorded_at=claim.now,
    )


def _store(batch: Batch) -> None:
    insert_rows(batch.runs)
    insert_rows(batch.fires)
    _advance(batch.schedules)
    Schedule.objects.bulk_update(batch.changed, CHANGED_FIELDS)
    # A run-once plan that has run is over: it shows as disabled, on every page.
    finished = [schedule.periodic_task_id for schedule in batch.finished]
    if finished:
        PeriodicTask.objects.filter(pk__in=finished).update(enabled=False)


def _advance(schedules: Sequence[Schedule]) -> None:
    """Store where each schedule stands; as Django's bulk_update, for a quarter of its time."""
    names = ("next_fire_time", "settled_until", "id")
    fields: list[Any] = [Schedule._meta.get_field(name) for name in names]
    rows = [
        [field.get_db_prep_save(getattr(row, field.name), connection) for field in fields]
        for row in schedules
    ]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(ADVANCE_ALL, list(map(list, zip(*rows, strict=True))))
        else:
            cursor.executemany(ADVANCE_ONE, rows)


def _fire_one_by_one(limit: int) -> int:
    """Claim due schedules each in a transaction of its own; disarm those the database refuses."""
    claimed = 0
    for pk in Schedule.objects.due().values_list("pk", flat=True)[:limit]:
        try:
            with transaction.atomic():
                batch = fire(Schedule.objects.due().filter(pk=pk).locked(skip=True))
        except (DataError, IntegrityError) as error:
            logger.error("schedule disarmed", schedule=str(pk), error=str(error))
            Schedule.objects.filter(pk=pk).update(error=str(error), next_fire_time=None)
        else:
            queueing.ring_for_runs(batch.runs)
        claimed += 1
    return claimed
