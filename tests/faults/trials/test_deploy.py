"""Web, worker and beat told to end in turn under load, as in a deploy, and started again at once."""

import random
import time
from collections import Counter
from collections.abc import Callable

from processes.models import Run, RunAttempt
from tests.faults.callers import Caller, percentile_95
from tests.faults.checker import check_runs
from tests.faults.conftest import pick
from tests.faults.ground import Ground
from tests.faults.results import Result

ROUNDS = pick(short=1, long=12)  # in each of which every process is told to end once
EVERY = pick(short=2.0, long=4.0)  # seconds between two of them
STARTS = pick(short=60, long=1000)
LASTING = ROUNDS * 3 * EVERY
ENDS_WITHIN = 45.0
SETTLED_WITHIN = 60.0
WORKER = ["manage.py", "worker", "--id", "1", "--concurrency", "3"]


def test_a_deploy_loses_nothing_and_answers_nothing_false(ground: Ground, seed: int) -> None:
    ground.prepare()
    chance = random.Random(seed)  # noqa: S311
    caller = Caller(ground)
    caller.start_web()
    ground.start_worker(concurrency=3)
    ground.start_beat()
    begin: dict[str, Callable[[], object]] = {
        "web": caller.begin_web,
        "worker": lambda: ground.start("worker", *WORKER),
        "beat": lambda: ground.start("beat", "manage.py", "beat"),
    }
    names = [name for _ in range(ROUNDS) for name in begin]
    ended, exit_codes = dict.fromkeys(begin, 0.0), Counter[str]()

    def start_and_follow() -> None:
        for _ in range(STARTS // 4):
            began = time.monotonic()
            caller.follow(caller.start(seconds=round(chance.uniform(0, 0.3), 2)))
            time.sleep(max(0.0, began + 4 * LASTING / STARTS - time.monotonic()))

    with caller.calling(*[start_and_follow] * 4) as calls:
        for name in names:
            time.sleep(chance.uniform(EVERY / 2, EVERY))
            began = time.monotonic()
            exit_codes[f"{name} {ground.stop(name, seconds=ENDS_WITHIN)}"] += 1
            ended[name] = max(ended[name], round(time.monotonic() - began, 1))
            begin[name]()
        told_to_end_under_load = not all(call.done() for call in calls)
    ground.wait_until(_is_quiet, "the last run", seconds=SETTLED_WITHIN)

    ids = set(Run.objects.values_list("pk", flat=True))
    findings = check_runs(ground.journal.read(), ids)
    findings.lies += caller.wrong
    times = Run.objects.values_list("started_at", "created_at")
    waits = [(started - created).total_seconds() for started, created in times if started]
    note = (
        f"{len(names)} processes told to end, {dict(exit_codes)}, slowest {ended};"
        f" {caller.unanswered} calls without an answer; start to the process's own p95"
        f" {percentile_95(waits):.2f} s, slowest that"
    )
    Result.of(
        f"6 deploy ({ground.pair})",
        findings,
        trials=len(caller.started),
        seed=seed,
        slowest=max(waits),
        note=note,
    ).keep()
    assert not findings, str(findings)
    assert told_to_end_under_load
    assert set(Run.objects.values_list("status", flat=True)) == {Run.Status.SUCCEEDED}
    # Each attempt lasts less than the worker waits for it.
    assert not RunAttempt.objects.exclude(outcome=RunAttempt.Outcome.SUCCEEDED).exists()


def _is_quiet() -> bool:
    return not Run.objects.unfinished().exists()
