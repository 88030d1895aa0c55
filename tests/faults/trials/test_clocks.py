"""The wall clock of one process jumps: nothing happens twice, and leases stay right."""

import shutil
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
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

COMPILER = shutil.which("cc")
SOURCE = Path(__file__).resolve().parents[1] / "wall_clock.c"

pytestmark = [
    pytest.mark.skipif(
        connection.vendor != "postgresql",
        reason="With SQLite the host's clock is the only one: no process can differ from it.",
    ),
    pytest.mark.skipif(SIZE != "long", reason="It takes minutes: FAULTS=long."),
    pytest.mark.skipif(not COMPILER, reason="It compiles a clock: install a C compiler as cc."),
]
HOUR = 3600
LIBRARY = "wall_clock.so"
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
def test_one_wrong_clock_changes_nothing(ground: Ground, seed: int, name: str, clock: str) -> None:
    model = ground.prepare()
    clock_file = ground.folder / "clock"
    _set(clock_file, 0)
    wrong = {"LD_PRELOAD": str(_compile(ground.folder)), "WALL_CLOCK_FILE": str(clock_file)}
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
    process = psutil.Process(ground._processes[name].pid)
    wrong_clock = _is_wrong(process, right | wrong, clock_file)
    traffic.start_run(seconds=LASTS)
    [held_id] = ground.journal.read().acknowledged
    plans = [_make_plan(model) for _ in range(PLANS)]
    began = int(time.time()) + 2

    strays: list[str] = []
    with traffic.going_on():
        for second in range(int(UNDER_LOAD)):
            _set(clock_file, CLOCKS[clock](second))
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
    assert wrong_clock, "the fault was not felt"
    assert lost == 0
    assert set(statuses) == {Run.Status.SUCCEEDED}
    assert Run.objects.get(pk=held_id).attempt == 1


def _compile(folder: Path) -> Path:
    """Return the library that is preloaded: libfaketime spoils sleeping on the other clocks."""
    library = folder / LIBRARY
    command = ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(library), str(SOURCE)]
    subprocess.run(command, check=True)  # noqa: S603 - the compiler
    return library


def _set(file: Path, seconds: int) -> None:
    """Let the clock be wrong by so many seconds: in place, since the process has the file mapped."""
    with file.open("r+b" if file.exists() else "wb") as clock:
        clock.write(struct.pack("=q", seconds))


def _make_plan(model: ProcessModel) -> Schedule:
    return create_schedule(ScheduleDraft(model, "* * * * * ?", "UTC", values={"seconds": 0.1}))


def _is_wrong(process: psutil.Process, environment: dict[str, str], file: Path) -> bool:
    """Tell whether the process has the wrong clock, and whether that clock is wrong."""
    _set(file, HOUR)
    command = [sys.executable, "-c", "import time; print(time.time() - time.monotonic())"]
    shown = [
        float(subprocess.run(command, env=env, capture_output=True, check=True).stdout)  # noqa: S603
        for env in (environment, environment | {"LD_PRELOAD": ""})
    ]
    _set(file, 0)
    loaded = {Path(map_.path).name for map_ in process.memory_maps()}
    return LIBRARY in loaded and abs(shown[0] - shown[1] - HOUR) < 60


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
