"""An upgrade under load: the schema changes first, then the services start again one by one."""

import subprocess
import sys
import time
from collections import Counter

import pytest
from django.db import connection, connections
from django.utils import timezone

from processes.models import ProcessModel, Run
from processes.queueing import queue_run
from scheduler.drafts import ScheduleDraft
from scheduler.models import Schedule
from scheduler.planning import create_schedule
from tests.faults.checker import check_runs, check_schedule
from tests.faults.conftest import SIZE
from tests.faults.ground import PROJECT, Ground
from tests.faults.results import Result
from tests.faults.traffic import Traffic

pytestmark = pytest.mark.skipif(SIZE != "long", reason="It takes a minute: FAULTS=long.")

LATER = "tests.faults.later_settings"
BEFORE, AFTER = 4.0, 4.0  # seconds of load
OLD = 5_000  # finished runs, so that the tables are not empty
QUEUED = 40
PLANS = 3
PATIENCE = 90.0


def test_nothing_is_lost_by_an_upgrade(ground: Ground, seed: int) -> None:
    model = ground.prepare()
    _make_old_runs(model)
    traffic = Traffic(ground, seed=seed, clients=4, pause=0.5)
    traffic.start_web()
    ground.start_worker(concurrency=3)
    ground.start("beat", "manage.py", "beat", ready="Waking up")
    plans = [_make_plan(model) for _ in range(PLANS)]
    began = int(time.time()) + 2
    ids = [queue_run(model, {"seconds": 0.5}).pk for _ in range(QUEUED)]
    connections.close_all()

    with traffic.going_on():
        time.sleep(BEFORE)
        since = time.monotonic()
        _migrate(ground)
        lasted = time.monotonic() - since
        time.sleep(AFTER)
        until_migrated = time.monotonic()
        _restart_one_by_one(ground, traffic)
        time.sleep(AFTER)
    until = int(time.time()) - 2
    ground.wait_until(_is_settled, "the last run", seconds=PATIENCE, pause=0.5)

    findings = check_runs(ground.journal.read(), ids)
    for plan in plans:
        findings += check_schedule(plan, after=began, until=until)
    old_code = [answer for answer in traffic.answers if answer.began < until_migrated]
    refused = Counter(answer.status for answer in old_code if answer.status != 200)
    slowest = max(answer.seconds for answer in old_code)
    statuses = Counter(Run.objects.values_list("status", flat=True))
    note = (
        f"{connection.vendor}: migrated in {lasted:.1f} s beside {OLD} old runs; until the restart"
        f" {len(old_code)} starts, {dict(refused) or 'none'} refused; in all {traffic.count()};"
        f" {dict(statuses)}; slowest: a start until the restart"
    )
    Result.of(
        f"19 upgrade ({connection.vendor})",
        findings,
        trials=len(ids) + len(traffic.answers),
        seed=seed,
        slowest=slowest,
        note=note,
    ).keep()
    assert not findings, str(findings)
    assert not refused
    assert set(statuses) == {Run.Status.SUCCEEDED}


def _make_old_runs(model: ProcessModel) -> None:
    old = {"status": Run.Status.SUCCEEDED, "finished_at": timezone.now(), "attempt": 1}
    runs = [Run(process_model=model, outputs={"token": ""}, **old) for _ in range(OLD)]
    Run.objects.bulk_create(runs, batch_size=500)


def _migrate(ground: Ground) -> None:
    """Bring the schema to that of a later version, as its `manage.py prepare` would."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "manage.py", "migrate", "--settings", LATER],
        cwd=PROJECT,
        env=ground.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _restart_one_by_one(ground: Ground, traffic: Traffic) -> None:
    ground.environment = ground.environment | {"DJANGO_SETTINGS_MODULE": LATER}
    ground.stop("beat", seconds=60)
    ground.start("beat", "manage.py", "beat", ready="Waking up")
    ground.stop("worker", seconds=60)
    ground.start_worker(concurrency=3, name="later")
    ground.stop("web", seconds=60)
    traffic.start_web_again(name="later web")


def _make_plan(model: ProcessModel) -> Schedule:
    return create_schedule(ScheduleDraft(model, "* * * * * ?", "UTC", values={"seconds": 0.1}))


def _is_settled() -> bool:
    if Schedule.objects.armed().exists():
        Schedule.objects.update(next_fire_time=None)
    return not Run.objects.unfinished().exists()
