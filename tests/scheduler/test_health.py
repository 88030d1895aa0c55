"""Readiness is judged by work done, and every red check says by how much and what to do."""

import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from processes.models import Run, RunAttempt, WorkerNode
from scheduler import deadline
from scheduler.beat import Scheduler
from scheduler.deadline import Unanswered, call_within
from scheduler.health import Check, Level, check_health
from scheduler.metrics import collect
from scheduler.models import Beat, Schedule
from scheduler.vitals import read_vitals
from tests.factories import (
    ProcessModelFactory,
    RunFactory,
    WorkerFactory,
    WorkerNodeFactory,
    make_due_schedule,
    make_schedule,
    move_back,
)
from tests.outage import database_away

NAMES = ["database", "worker", "beat", "broker", "queue", "leases", "fires"]
MOST_QUERIES = 12


def ago(seconds: float) -> Any:
    return Now() - timedelta(seconds=seconds)


def make_beat(**traits: Any) -> Beat:
    return Beat.objects.create(**{"boot_id": uuid4(), "host": "test-host", "pid": 1} | traits)


def make_node(**traits: Any) -> WorkerNode:
    return WorkerNodeFactory.create(**traits)


def make_live_parts() -> WorkerNode:
    make_beat()
    return make_node()


def find(name: str) -> Check:
    return next(check for check in check_health().checks if check.name == name)


def names_of(level: Level) -> set[str]:
    return {check.name for check in check_health().checks if check.level is level}


@pytest.mark.django_db
def test_all_is_green_while_everybody_works() -> None:
    make_beat(last_tick_at=ago(3.5))
    make_node(last_seen_at=ago(4.5), last_message_at=ago(2.5))

    health = check_health()

    assert [check.name for check in health.checks] == NAMES
    assert {check.level for check in health.checks} == {Level.OK}
    assert [check.message for check in health.checks] == [
        "the database answers",
        "1 node online, the last heartbeat was 4 s ago",
        "the last beat ticked 3 s ago, 1 beat online",
        "the broker delivered its last message to a node 2 s ago",
        "no run waits that a free slot could take",
        "no lease has run out",
        "no schedule is late",
    ]
    assert not any(check.remedy for check in health.checks)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("beat", "node", "red"),
    [
        (
            {},
            {"last_message_at": None},
            {"broker": "no node that is online has heard from the broker"},
        ),
        (
            {},
            {"last_message_at": ago(45.5)},
            {
                "broker": "the broker delivered its last message to a node 45 s ago;"
                " the limit is 30 s"
            },
        ),
        (
            {"last_tick_at": ago(30.5)},
            {},
            {"beat": "no beat is online; the last one ticked 30 s ago"},
        ),
        (
            {"stopped_at": Now(), "last_tick_at": ago(7.5)},
            {},
            {"beat": "no beat is online; the last one ticked 7 s ago"},
        ),
        (
            {},
            {"last_seen_at": ago(30.5)},
            {
                "worker": "no node of any worker is online; the last heartbeat was 30 s ago",
                "broker": "no node that is online has heard from the broker",
            },
        ),
        (
            {},
            {"stopped_at": Now(), "last_seen_at": ago(7300)},
            {
                "worker": "no node of any worker is online; the last heartbeat was 2 h ago",
                "broker": "no node that is online has heard from the broker",
            },
        ),
    ],
    ids=["never heard", "heard long ago", "beat late", "beat stopped", "node late", "node stopped"],
)
def test_red_check_says_what_is_missing_and_what_to_do(
    beat: dict[str, Any], node: dict[str, Any], red: dict[str, str]
) -> None:
    make_beat(**beat)
    make_node(**node)

    checks = [check for check in check_health().checks if not check.ok]

    assert {check.name: check.message for check in checks} == red
    assert all(check.remedy for check in checks)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("age", "level"), [(25, Level.OK), (31, Level.ERROR)], ids=["25 s", "31 s"]
)
def test_beat_and_node_are_offline_half_a_minute_after_their_last_proof_of_life(
    age: float, level: Level
) -> None:
    make_beat(last_tick_at=ago(age))
    make_node(last_seen_at=ago(age))

    levels = {name: find(name).level for name in ("beat", "worker")}

    assert levels == {"beat": level, "worker": level}


@pytest.mark.django_db
def test_one_of_many_is_enough_but_a_silent_one_is_told() -> None:
    make_beat(last_tick_at=ago(60), host="other-host")
    make_beat()
    worker = WorkerFactory.create()
    make_node(worker=worker, last_seen_at=ago(60), started_at=ago(90), host="other-host")
    make_node(worker=worker)

    health = check_health()

    assert health.is_ready
    assert names_of(Level.WARNING) == {"beat", "worker"}
    assert find("beat").message.endswith("; 1 beat went silent without having been stopped")
    assert find("worker").message.endswith("; 1 node went silent without having been stopped")


@pytest.mark.django_db
def test_what_was_replaced_on_its_host_or_stopped_is_not_told() -> None:
    make_beat(last_tick_at=ago(60), started_at=ago(90))
    make_beat(last_tick_at=ago(60), started_at=ago(90), host="other-host", stopped_at=ago(59))
    make_beat(started_at=ago(50))
    worker = WorkerFactory.create()
    make_node(worker=worker, last_seen_at=ago(60), started_at=ago(90))
    make_node(worker=worker, last_seen_at=ago(60), stopped_at=ago(59), host="other-host")
    make_node(worker=worker, started_at=ago(50))

    assert names_of(Level.WARNING) == set()


@pytest.mark.django_db
@pytest.mark.parametrize(("age", "ok"), [(20.5, True), (40.5, False)])
def test_run_that_a_free_slot_leaves_waiting_is_told(age: float, ok: bool) -> None:
    make_live_parts()
    RunFactory.create(ready_at=ago(age))
    RunFactory.create(ready_at=ago(1))

    check = find("queue")

    assert check.ok is ok
    assert f"a run that a free slot could take has waited {int(age)} s" in check.message
    assert ("the limit is 30 s" in check.message) is not ok
    assert bool(check.remedy) is not ok


@pytest.mark.django_db
def test_run_that_no_free_slot_could_take_is_no_lag() -> None:
    node = make_live_parts()
    RunFactory.create(ready_at=Now() + timedelta(minutes=1))
    RunFactory.create(ready_at=ago(99), worker=WorkerFactory.create())
    RunFactory.create(ready_at=ago(99), process_model=ProcessModelFactory.create(enabled=False))
    before = RunFactory.create(running=True, node=node)
    RunFactory.create(ready_at=ago(99), waits_for=before.pk)
    paused = WorkerFactory.create(paused_at=Now())
    make_node(worker=paused)
    RunFactory.create(ready_at=ago(99), worker=paused)

    assert read_vitals().queue_lag is None


@pytest.mark.django_db
def test_run_is_no_lag_while_every_slot_is_held() -> None:
    node = make_live_parts()
    RunFactory.create_batch(node.concurrency, running=True, node=node)
    RunFactory.create(ready_at=ago(99))

    assert read_vitals().queue_lag is None


@pytest.mark.django_db
@pytest.mark.parametrize(("age", "ok"), [(20.5, True), (95.5, False)])
def test_lease_that_nobody_ended_is_told(age: float, ok: bool) -> None:
    make_live_parts()
    RunFactory.create(running=True)
    RunFactory.create(running=True, lease_expires_at=ago(age))
    RunFactory.create(running=True, lease_expires_at=ago(2))

    check = find("leases")

    assert check.ok is ok
    assert check.message.startswith(f"2 leases have run out, the oldest {int(age)} s ago")
    assert bool(check.remedy) is not ok


@pytest.mark.django_db
@pytest.mark.parametrize(("age", "ok"), [(10, True), (45, False)])
def test_due_schedule_that_nobody_claims_is_told(age: int, ok: bool) -> None:
    make_live_parts()
    make_due_schedule(timedelta(seconds=age))
    make_schedule()

    check = find("fires")

    assert check.ok is ok
    assert f"a schedule has been due for {age}" in check.message
    assert bool(check.remedy) is not ok


@pytest.mark.django_db
def test_schedule_that_is_not_armed_is_not_late() -> None:
    make_live_parts()
    schedule = make_schedule()
    move_back(schedule, timedelta(minutes=5))
    Schedule.objects.filter(pk=schedule.pk).update(next_fire_time=None)

    assert find("fires").message == "no schedule is late"


@pytest.mark.django_db(transaction=True)
def test_nothing_at_all_is_red() -> None:
    answer = Client().get("/readyz")

    assert answer.status_code == 503
    body = answer.json()
    assert body["status"] == "not ready"
    assert {name for name, check in body["checks"].items() if not check["ok"]} == {
        "worker",
        "beat",
        "broker",
    }
    assert body["checks"]["beat"]["message"] == "no beat has ever ticked"
    assert "manage.py beat" in body["checks"]["beat"]["remedy"]
    assert "remedy" not in body["checks"]["queue"]


@pytest.mark.django_db(transaction=True)
def test_answer_is_200_when_all_is_well() -> None:
    make_live_parts()

    answer = Client().get("/readyz")

    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert list(answer.json()["checks"]) == NAMES


@pytest.mark.django_db(transaction=True)
def test_database_that_is_away_is_the_one_red_check() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("reading goes on while another process holds SQLite's write lock")
    with database_away():
        answer = Client().get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"] == {
        "database": {
            "ok": False,
            "message": "the database does not answer (OperationalError)",
            "remedy": "Start it, or correct DATABASE_URL; `manage.py doctor` says more.",
        }
    }


def test_frozen_database_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement that hangs is stood for by a wait: nothing else can freeze SQLite's reads."""
    over = threading.Event()
    monkeypatch.setattr("scheduler.health.DATABASE_SECONDS", 0.1)
    monkeypatch.setattr("scheduler.health.read_vitals", over.wait)

    answers = [Client().get("/readyz") for _ in range(deadline.MOST_AT_ONCE + 1)]
    over.set()

    assert {answer.status_code for answer in answers} == {503}
    messages = [answer.json()["checks"]["database"]["message"] for answer in answers]
    assert set(messages[:-1]) == {"the database is silent: no answer within 0.1 s"}
    assert messages[-1] == "the database is silent: 4 earlier looks have had no answer yet"
    _wait_until_nobody_looks()


@pytest.mark.django_db(transaction=True)
def test_table_that_somebody_locks_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("nothing keeps readers out of SQLite in WAL mode")
    monkeypatch.setattr("scheduler.health.DATABASE_SECONDS", 0.3)

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE scheduler_beat IN ACCESS EXCLUSIVE MODE")
        answers = [Client().get(path) for path in ("/readyz", "/healthz")]

    assert [answer.status_code for answer in answers] == [503, 200]
    assert list(answers[0].json()["checks"]) == ["database"]
    _wait_until_nobody_looks()


def test_look_hands_on_what_it_finds_and_what_it_raises() -> None:
    assert call_within(5, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        call_within(5, lambda: 1 // 0)
    with pytest.raises(Unanswered, match=r"no answer within 0\.05 s"):
        call_within(0.05, lambda: threading.Event().wait(0.3))
    _wait_until_nobody_looks()


def _wait_until_nobody_looks() -> None:
    for thread in threading.enumerate():
        if thread.name == "look":
            thread.join(5)


def make_many_rows() -> None:
    model = ProcessModelFactory.create()
    done = RunFactory.build_batch(500, succeeded=True, process_model=model)
    Run.objects.bulk_create(done)
    RunFactory.create_batch(5, process_model=model)
    worker = WorkerFactory.create()
    nodes = WorkerNodeFactory.build_batch(
        200, worker=worker, last_seen_at=ago(90_000), last_message_at=None
    )
    WorkerNode.objects.bulk_create(nodes)
    Beat.objects.bulk_create(
        Beat(boot_id=uuid4(), host="test-host", pid=pid, last_tick_at=ago(90_000))
        for pid in range(200)
    )
    node = make_node(worker=worker)
    make_node(worker=worker, last_seen_at=ago(60))
    RunFactory.create(running=True, process_model=model, node=node, lease_expires_at=ago(60))
    make_beat(last_tick_at=ago(60), host="other-host")
    make_due_schedule(process_model=model)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@pytest.mark.django_db
def test_number_of_queries_does_not_grow() -> None:
    make_many_rows()

    with CaptureQueriesContext(connection) as found:
        check_health()

    assert len(found) <= MOST_QUERIES


@pytest.mark.django_db
@pytest.mark.parametrize(
    "measure", [check_health, lambda: list(collect())], ids=["ready", "metrics"]
)
def test_every_query_is_served_by_an_index(measure: Any) -> None:
    make_many_rows()
    with CaptureQueriesContext(connection) as found:
        measure()

    queries = [query["sql"] for query in found if " FROM " in query["sql"]]

    assert len(queries) > 8
    assert [line for sql in queries for line in _explain(sql) if _reads_whole(line, sql)] == []


def _explain(sql: str) -> list[str]:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {sql}")
            return [line for (line,) in cursor.fetchall()]
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return [detail for *_, detail in cursor.fetchall()]


def _reads_whole(line: str, sql: str) -> bool:
    """Tell whether a line of a plan reads a whole table that grows; workers are a handful."""
    workers = {"SCAN processes_worker"}
    if '"processes_worker" U0' in sql:
        workers.add("SCAN U0")
    return "Seq Scan" in line or (
        line.startswith("SCAN") and "USING" not in line and line not in workers
    )


@pytest.mark.django_db
def test_new_beat_forgets_those_of_the_day_before() -> None:
    make_beat(last_tick_at=ago(86_500))
    silent = make_beat(last_tick_at=ago(86_000))
    beat = Scheduler.__new__(Scheduler)
    beat._boot_id = uuid4()

    beat._prove_life()

    assert set(Beat.objects.values_list("pk", flat=True)) == {silent.pk, beat._boot_id}


@pytest.mark.django_db
@pytest.mark.parametrize("limited", ["process model", "worker"])
@pytest.mark.parametrize("for_any", [True, False], ids=["for any", "for one"])
def test_run_that_waits_for_a_limit_is_no_fault_of_the_queue(
    limited: str, *, for_any: bool
) -> None:
    node = make_live_parts()
    process_model = ProcessModelFactory.create()
    row: Any = process_model if limited == "process model" else node.worker
    row.max_parallel_runs = 1
    row.save()
    running = RunFactory.create(running=True, process_model=process_model, node=node)
    worker = None if for_any else node.worker
    RunFactory.create(process_model=process_model, worker=worker, ready_at=ago(600))

    assert find("queue").message == "no run waits that a free slot could take"

    # It has ended, and the next one is about to be claimed.
    attempt = RunAttempt.objects.create(run=running, number=1, started_at=ago(5))
    Run.objects.filter(pk=running.pk).update(
        status="SUCCEEDED", finished_at=Now(), lease_token=None, lease_expires_at=None
    )
    assert find("queue").level is Level.OK

    RunAttempt.objects.filter(pk=attempt.pk).update(started_at=ago(60))
    assert find("queue").level is Level.ERROR


@pytest.mark.django_db
def test_limit_of_one_worker_excuses_no_other() -> None:
    make_live_parts()
    make_node(worker__max_parallel_runs=1)
    RunFactory.create(ready_at=ago(60))
    done = RunFactory.create(succeeded=True)
    RunAttempt.objects.create(run=done, number=1)

    assert find("queue").level is Level.ERROR
