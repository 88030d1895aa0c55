"""Every message delivered three times and out of order: each run once all the same."""

import random
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.db import connections

from processes.models import Run
from processes.queueing import queue_run
from tests.faults.checker import check_runs
from tests.faults.conftest import pick
from tests.faults.ground import Ground, empty_broker
from tests.faults.results import Result
from tests.faults.tripled import TIMES, everything_tripled

RUNS = pick(short=150, long=3000)
NODES = 2
THREADS = 3
FAILING = 0.2  # of the runs; their retries are rung for by the beat
SETTLED_WITHIN = pick(short=60.0, long=600.0)


def test_no_run_is_done_twice_when_each_message_comes_three_times(
    ground: Ground, seed: int
) -> None:
    model = ground.prepare()
    # Where this process rings, too.
    ground.environment["CELERY_BROKER_URL"] = settings.CELERY_BROKER_URL
    empty_broker(settings.CELERY_BROKER_URL)
    ground.environment["FAULTS_SEED"] = str(seed)
    for number in range(NODES):
        ground.start_worker(concurrency=2, name=f"worker {number}")
    ground.start("beat", "-m", "tests.faults.tripled", "beat")
    chance = random.Random(seed)  # noqa: S311

    def queue_some(count: int) -> None:
        for _ in range(count):
            failures = int(chance.random() < FAILING)
            queue_run(model, {"failures": failures}, retry_count=1)
        connections.close_all()

    with everything_tripled(seed) as messages, ThreadPoolExecutor(THREADS) as pool:
        for queued in [pool.submit(queue_some, RUNS // THREADS) for _ in range(THREADS)]:
            queued.result()
    ground.wait_until(_is_quiet, "the last run", seconds=SETTLED_WITHIN)

    ids = set(Run.objects.values_list("pk", flat=True))
    events = ground.journal.read()
    findings = check_runs(events, ids)
    attempts = sum(len(events.of_run(run_id)) for run_id in ids)
    times = Run.objects.filter(attempt=1).values_list("started_at", "created_at")
    waits = [(started - created).total_seconds() for started, created in times if started]
    note = (
        f"{messages.sent} messages for {RUNS} starts, those of the beat {TIMES} times too;"
        f" {attempts} attempts on {NODES} nodes; slowest: start to the process's own"
    )
    Result.of(
        f"8 tripled ({ground.pair})",
        findings,
        trials=len(ids),
        seed=seed,
        slowest=max(waits),
        note=note,
    ).keep()
    assert not findings, str(findings)
    assert len(ids) == RUNS
    assert set(Run.objects.values_list("status", flat=True)) == {Run.Status.SUCCEEDED}
    assert messages.sent > RUNS


def _is_quiet() -> bool:
    return not Run.objects.unfinished().exists()
