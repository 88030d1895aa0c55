"""The wall clock of one process jumps: nothing happens twice, and leases stay right."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import F, Max
from django.db.models.functions import Now

from processes.execution import LEASE
from processes.models import ProcessModel, Run, RunAttempt
from scheduler.drafts import ScheduleDraft
from scheduler.models import Schedule
from scheduler.planning import create_schedule
from tests.faults.checker import check_runs, check_schedule
from tests.faults.conftest import SIZE
from tests.faults.ground import Ground
from tests.faults.results import Result
from tests.faults.traffic import Traffic

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))

pytestmark = [
    pytest.mark.skipif(
        connection.vendor != "postgresql",
        reason="With SQLite the host's clock is the only one: no process can differ from it.",
    ),
    pytest.mark.skipif(SIZE != "long", reason="It takes minutes: FAULTS=long."),
    pytest.mark.skipif(not LIBRARIES, reason="libfaketime is not installed."),
]
HOUR = 3600
PLANS = 5
LASTS = 36.0  # seconds, longer than a lease
UNDER_LOAD = 40.0  # seconds
SAWTOOTH = [0, HOUR, -HOUR, 600, -600]
PATIENCE = 60.0

Clock = Callable[[int], int]
CLOCKS: dict[str, Clock] = {
    "ahead": lambda second: HOUR,
    "behind": lambda second: -HOUR,
    "sawtooth": lambda second: SAWTOOTH[second % len(SAWTOOTH)],
}


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("name", ["web", "worker", "beat"])
def test_one_wrong_clock_changes_nothing(
    ground: Ground, seed: int, name: str, clock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ground.prepare()
    offset = ground.folder / "offset"
    offset.write_text("+0")
    wrong = {
        "LD_PRELOAD": str(LIBRARIES[-1]),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # no clock that only measures ever jumps
        "FAKETIME_DONT_RESET": "1",
    }
    traffic = Traffic(ground, seed=seed, clients=3, pause=0.5)
    start: dict[str, Callable[[], Any]] = {
        "web": traffic.start_web,
        "worker": lambda: ground.start_worker(concurrency=4),
        "beat": lambda: ground.start("beat", "manage.py", "beat", ready="Waking up"),
    }
    right = ground.environment
    for each, begin in start.items():
        ground.environment = right | (wrong if each == name else {})
        begin()
    ground.environment = right
    traffic.start_run(seconds=LASTS)
    [held_id] = ground.journal.read().acknowledged
    plans = [_make_plan(model) for _ in range(PLANS)]
    began = int(time.time()) + 2

    strays: list[str] = []
    with traffic.going_on():
        for second in range(int(UNDER_LOAD)):
            offset.write_text(f"{CLOCKS[clock](second):+d}")
            strays += _find_strays()
            strays += _find_odd_answer(traffic, held_id)
            time.sleep(1)
    until = int(time.time()) - 2
    ground.wait_until(_is_settled, "the last run", seconds=PATIENCE, pause=0.5)

    findings = check_runs(ground.journal.read())
    for plan in plans:
        findings += check_schedule(plan, after=began, until=until)
    findings.lies += strays
    findings.lies += [f"{answer}" for answer in traffic.problems(allowed=(200,))]
    lost = RunAttempt.objects.filter(outcome=RunAttempt.Outcome.LOST).count()
    waited = F("started_at") - F("ready_at")
    late = Run.objects.aggregate(greatest=Max(waited))["greatest"].total_seconds()
    statuses = Counter(Run.objects.values_list("status", flat=True))
    note = (
        f"{PLANS} plans a second, answers {traffic.count()}, slowest {traffic.slowest():.1f} s;"
        f" {dict(statuses)}; {lost} attempts lost; slowest: ready to start"
    )
    Result.of(
        f"12 clock of {name} {clock}",
        findings,
        trials=Run.objects.count(),
        seed=seed,
        slowest=late,
        note=note,
    ).keep()
    assert not findings, str(findings)
    assert lost == 0
    assert set(statuses) == {Run.Status.SUCCEEDED}
    assert Run.objects.get(pk=held_id).attempt == 1


def _make_plan(model: ProcessModel) -> Schedule:
    return create_schedule(ScheduleDraft(model, "* * * * * ?", "UTC", values={"seconds": 0.1}))


def _find_strays() -> list[str]:
    """Return what is wrong with the leases, by the database's clock."""
    left = F("lease_expires_at") - Now()
    running = Run.objects.running().annotate(left=left).values_list("pk", "left")
    return [
        f"the lease of run {run_id} has {seconds:.1f} s left"
        for run_id, seconds in ((run_id, left.total_seconds()) for run_id, left in running)
        if not 0 < seconds <= LEASE.total_seconds()
    ]


def _find_odd_answer(traffic: Traffic, run_id: UUID) -> list[str]:
    status, said = traffic.read_status(run_id)
    if status == 200 and said["status"] in {"WAITING", "RUNNING", "SUCCEEDED"}:
        return []
    return [f"a status call was answered {status} {said}"]


def _is_settled() -> bool:
    if Schedule.objects.armed().exists():
        Schedule.objects.update(next_fire_time=None)
    return not Run.objects.unfinished().exists()
