"""Web killed between COMMIT and publish, before the reply, and at any moment: no start is lost."""

import random
import time
from collections import Counter

from processes.models import Run
from tests.faults import mortal_web
from tests.faults.callers import Caller
from tests.faults.checker import check_runs
from tests.faults.conftest import pick
from tests.faults.ground import Ground
from tests.faults.results import Result

STARTS = pick(short=60, long=1000)
KILLS = pick(short=1, long=20)
KILL_EVERY = 8.0  # seconds, on average, at any moment
LOOK_SECONDS = 0.05
SETTLED_WITHIN = 60.0


def test_no_start_is_lost_or_done_twice_when_web_is_killed(ground: Ground, seed: int) -> None:
    ground.prepare()
    chance = random.Random(seed)  # noqa: S311
    notes = ground.folder / "notes"
    ground.environment |= {mortal_web.SEED: str(seed), mortal_web.NOTES: str(notes)}
    caller = Caller(ground)
    web = ("-m", mortal_web.__name__)
    caller.start_web(*web)
    ground.start_worker(concurrency=2)
    ground.start_beat()

    killed_anywhere = 0
    kill_at = time.monotonic() + chance.expovariate(1 / KILL_EVERY)
    with caller.calling(lambda: caller.start_many(STARTS)) as [starts]:
        while not starts.done():
            if ground.has_ended("web"):
                caller.begin_web(*web)
            elif time.monotonic() > kill_at and caller.is_answered():
                ground.kill("web")
                killed_anywhere += 1
                kill_at = time.monotonic() + chance.expovariate(1 / KILL_EVERY)
            time.sleep(LOOK_SECONDS)
    ground.wait_until(_is_quiet, "the last run", seconds=SETTLED_WITHIN)

    deaths = Counter(notes.read_text().splitlines())
    ids = set(Run.objects.values_list("pk", flat=True))
    findings = check_runs(ground.journal.read(), ids)
    waited = max(_waits())
    note = (
        f"{deaths.total()} deaths {dict(deaths)}, {killed_anywhere} more at any moment;"
        f" {caller.unanswered} calls without an answer, {len(ids) - STARTS} runs of a start that"
        " was made again; slowest: start to the process's own"
    )
    Result.of(
        f"1 web killed ({ground.pair})",
        findings,
        trials=STARTS,
        seed=seed,
        slowest=waited,
        note=note,
    ).keep()
    assert not findings, str(findings)
    assert not caller.wrong
    assert len(caller.started) == STARTS
    assert set(Run.objects.values_list("status", flat=True)) == {Run.Status.SUCCEEDED}
    assert deaths.total() >= KILLS


def _is_quiet() -> bool:
    return not Run.objects.unfinished().exists()


def _waits() -> list[float]:
    times = Run.objects.values_list("started_at", "created_at")
    return [(started - created).total_seconds() for started, created in times if started]
