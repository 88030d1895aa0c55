"""Commands that resist are cancelled and orphaned: nothing of them survives, no status is wrong."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection, connections

from processes.models import ProcessModel, Run
from processes.queueing import cancel_run
from tests.families import find_family, kill_family
from tests.faults.conftest import SIZE, pick
from tests.faults.findings import Findings
from tests.faults.ground import Ground
from tests.faults.results import Result

GRACE = 1.0  # seconds
ALLOWED = 2.0  # seconds after the grace
CANCELLED = pick(short=3, long=20)
ORPHANED = 20  # kills of a worker, each with as many commands as it has slots
SLOTS = 2
RANDOM = 500
RANDOM_SLOTS = 6
LOST_WITHIN = 90.0
long_only = pytest.mark.skipif(SIZE != "long", reason="takes minutes")

# It ignores TERM; so does its grandchild, which is an orphan in a session of its own.
RESISTING = """#!/bin/sh
trap '' TERM
(setsid sh -c 'trap "" TERM; : > escaped; while :; do sleep 60; done' &)
while ! [ -e escaped ]; do sleep 0.01; done
: > "$READY/$ARABICA_RUN_ID"
while :; do sleep 60; done
"""
# It ends by itself after a while, with 0 or 3, and writes down that it does.
SHORT = """#!/bin/sh
(setsid sh -c 'trap "" TERM; sleep 60' &)
sleep 0.$(($(od -An -N1 -tu1 /dev/urandom) % 6))
code=$(($(od -An -N1 -tu1 /dev/urandom) % 2 * 3))
echo $code > "$READY/$ARABICA_RUN_ID"
exit $code
"""


def test_nothing_of_a_command_survives_its_cancel(ground: Ground, seed: int) -> None:
    model = _prepare(ground, RESISTING, grace=GRACE)
    ground.start_worker(concurrency=SLOTS)
    ground.start("beat", "manage.py", "beat")
    findings, slowest = Findings(), 0.0

    ids: list[UUID] = []
    for _ in range(0, CANCELLED, SLOTS):
        batch = [Run.objects.create(process_model=model).pk for _ in range(SLOTS)]
        with _killing_what_is_left(batch):
            _wait_until_ready(ground, batch)
            began = time.monotonic()
            for run_id in batch:
                cancel_run(run_id, requested_by="test")
            slowest = max(slowest, _watch_end(batch, began, findings))
        ids += batch
    ground.wait_until(lambda: not Run.objects.unfinished().exists(), "the last run", pause=0.2)

    findings.lies += [
        f"run {run.pk} is {run.status}: {run.message}"
        for run in Run.objects.exclude(status=Run.Status.CANCELLED)
    ]
    _report("3 cancelled commands", findings, len(ids), slowest, seed)
    assert not findings, str(findings)
    ground.wait_until(lambda: not list(_folders(ground)), "the last folder to be removed")


@long_only
def test_nothing_of_a_command_survives_the_kill_of_its_worker(ground: Ground, seed: int) -> None:
    model = _prepare(ground, RESISTING, grace=GRACE)
    ground.start("beat", "manage.py", "beat")
    findings, slowest = Findings(), 0.0

    ids: list[UUID] = []
    for number in range(ORPHANED):
        worker = ground.start_worker(concurrency=SLOTS, name=f"worker-{number}")
        batch = [Run.objects.create(process_model=model).pk for _ in range(SLOTS)]
        with _killing_what_is_left(batch):
            _wait_until_ready(ground, batch)
            began = time.monotonic()
            worker.kill()
            slowest = max(slowest, _watch_end(batch, began, findings))
        ids += batch
    ground.wait_until(
        lambda: not Run.objects.unfinished().exists(), "the last loss", seconds=LOST_WITHIN
    )

    lost = Run.objects.filter(status=Run.Status.FAILED, reason=Run.Reason.WORKER_LOST)
    findings.lies += [f"run {run.pk} is {run.status}" for run in Run.objects.exclude(pk__in=lost)]
    _report("3 orphaned commands", findings, len(ids), slowest, seed)
    assert not findings, str(findings)
    ground.wait_until(lambda: not list(_folders(ground)), "the last folder to be removed")


@long_only
def test_cancels_at_random_moments_make_no_wrong_status(ground: Ground, seed: int) -> None:
    model = _prepare(ground, SHORT, grace=0.2)
    chance = random.Random(seed)  # noqa: S311 - a test's moments
    ground.start_worker(concurrency=RANDOM_SLOTS)
    ground.start("beat", "manage.py", "beat")
    began = time.monotonic()

    with ThreadPoolExecutor(RANDOM_SLOTS) as pool:
        moments = [chance.uniform(0, 1.5) for _ in range(RANDOM)]
        asked = dict(pool.map(lambda moment: _cancel_after(model, moment), moments))
    ground.wait_until(lambda: not Run.objects.unfinished().exists(), "the last run", pause=0.2)

    findings = Findings()
    for run in Run.objects.all():
        noted = ground.folder / "ready" / str(run.pk)
        code = noted.read_text().strip() if noted.exists() else ""
        if not _is_right(run, code, is_asked=asked[run.pk]):
            findings.lies.append(f"run {run.pk} is {run.status}, wrote {code!r}: {run.message}")
        if find_family(str(run.pk), variable="ARABICA_RUN_ID"):
            findings.unasked.append(f"processes of run {run.pk} survive")
            kill_family(str(run.pk), variable="ARABICA_RUN_ID")
    _report("3 cancels at random", findings, RANDOM, time.monotonic() - began, seed)
    assert not findings, str(findings)
    assert {*Run.objects.values_list("status", flat=True)} == {"SUCCEEDED", "FAILED", "CANCELLED"}
    ground.wait_until(lambda: not list(_folders(ground)), "the last folder to be removed")


def _prepare(ground: Ground, script: str, *, grace: float) -> ProcessModel:
    ground.prepare()
    programs, ready = ground.folder / "programs", ground.folder / "ready"
    programs.mkdir()
    ready.mkdir()
    (programs / "program").write_text(script)
    (programs / "program").chmod(0o755)
    ground.environment["COMMANDS_DIR"] = str(programs)
    return ProcessModel.objects.create(
        name="Command",
        executor=ProcessModel.Executor.COMMAND,
        configuration={"argv": ["program"], "environment": {"READY": str(ready)}},
        kill_grace=timedelta(seconds=grace),
    )


def _folders(ground: Ground) -> Iterator[object]:
    return (ground.folder / "commands").iterdir()


def _wait_until_ready(ground: Ground, batch: list[UUID]) -> None:
    ready = ground.folder / "ready"
    ground.wait_until(lambda: all((ready / str(pk)).exists() for pk in batch), "the commands")
    assert all(len(_family(pk)) >= 2 for pk in batch)


def _watch_end(batch: list[UUID], began: float, findings: Findings) -> float:
    """Return how long after the grace the last process was gone; note what is left too long."""
    while left := [pk for pk in batch if _family(pk)]:
        if time.monotonic() - began > GRACE + ALLOWED + 10:
            break
        time.sleep(0.02)
    after = time.monotonic() - began - GRACE
    if left or after > ALLOWED:
        findings.unasked.append(f"processes were alive {after:.2f} s after the grace: {left}")
    return after


def _family(run_id: UUID) -> list[int]:
    return find_family(str(run_id), variable="ARABICA_RUN_ID")


@contextmanager
def _killing_what_is_left(batch: list[UUID]) -> Iterator[None]:
    try:
        yield
    finally:
        for run_id in batch:
            kill_family(str(run_id), variable="ARABICA_RUN_ID")


def _cancel_after(model: ProcessModel, seconds: float) -> tuple[UUID, bool]:
    """Queue a run and cancel it so long after; return whether it was still unfinished."""
    try:
        run = Run.objects.create(process_model=model)
        time.sleep(seconds)
        return run.pk, cancel_run(run.pk, requested_by="test")
    finally:
        connections.close_all()


def _is_right(run: Run, code: str, *, is_asked: bool) -> bool:
    if run.status == Run.Status.CANCELLED:
        return is_asked
    if run.status == Run.Status.SUCCEEDED:
        return code == "0"
    return run.status == Run.Status.FAILED and code == "3" and not is_asked


def _report(fault: str, findings: Findings, trials: int, slowest: float, seed: int) -> None:
    Result.of(
        f"{fault} ({connection.vendor})",
        findings,
        trials=trials,
        seed=seed,
        slowest=slowest,
        note=f"grace {GRACE:.0f} s; slowest: the last process gone, after the grace"
        if "random" not in fault
        else "slowest: the whole trial",
    ).keep()
