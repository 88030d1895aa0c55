"""Starts with an Idempotency-Key: one run for each key, at once and when web is killed meanwhile."""

import json
import random
import time
from uuid import uuid4

import pytest

from connector.models import IdempotencyRecord
from processes.models import Run
from scheduler.models import Schedule
from tests.at_once import run_at_once
from tests.faults import mortal_web
from tests.faults.callers import Caller
from tests.faults.checker import check_runs
from tests.faults.conftest import pick
from tests.faults.ground import Ground
from tests.faults.journaled import NAME
from tests.faults.results import Result

AT_ONCE = 50
ROUNDS = pick(short=1, long=10)
STARTS = pick(short=60, long=500)
SETTLED_WITHIN = 60.0
RUN = {"name": NAME}
PLAN = {"name": NAME, "quartzDef": "0 0 0 1 1 ? 2199", "runImmediately": "Y"}


@pytest.mark.parametrize("body", [RUN, PLAN], ids=["run", "plan and run"])
def test_fifty_at_once_by_two_web_processes_make_one(
    ground: Ground, seed: int, body: dict[str, str]
) -> None:
    ground.prepare()
    caller = Caller(ground)
    caller.start_web("manage.py", "web", "--processes", "2")

    began = time.monotonic()
    answers = [_send_at_once(caller, json.dumps(body)) for _ in range(ROUNDS)]
    seconds = (time.monotonic() - began) / ROUNDS

    runs, plans = Run.objects.count(), Schedule.objects.count()
    Result.of(
        f"1 equal starts at once, {'plan' if body is PLAN else 'run'} ({ground.pair})",
        check_runs(ground.journal.read()),
        trials=ROUNDS * AT_ONCE,
        seed=seed,
        slowest=seconds,
        note=f"{ROUNDS} keys made {runs} runs and {plans} plans; slowest: {AT_ONCE} at once",
    ).keep()
    assert [len(one) for one in answers] == [1] * ROUNDS, answers
    assert runs == ROUNDS
    assert plans == (ROUNDS if body is PLAN else 0)


def _send_at_once(caller: Caller, body: str) -> set[str]:
    """Send fifty equal starts; return the different answers, those that are no success too."""
    key = uuid4().hex
    return {
        json.dumps(answer)
        for answer in run_at_once(lambda: caller.call(body, key), threads=AT_ONCE)
    }


def test_start_with_a_key_is_made_once_when_web_is_killed(ground: Ground, seed: int) -> None:
    ground.prepare()
    chance = random.Random(seed)  # noqa: S311 - a test's moments
    notes = ground.folder / "notes"
    notes.touch()
    ground.environment |= {mortal_web.SEED: str(seed), mortal_web.NOTES: str(notes)}
    caller = Caller(ground)
    caller.with_keys = True
    web = ("-m", mortal_web.__name__)
    caller.start_web(*web)
    ground.start_worker(concurrency=2)
    ground.start_beat()

    with caller.calling(lambda: caller.start_many(STARTS)) as [starts]:
        while not starts.done():
            if ground.has_ended("web"):
                caller.begin_web(*web)
            time.sleep(0.05 * chance.uniform(0.5, 1.5))
    ground.wait_until(
        lambda: not Run.objects.unfinished().exists(), "the last run", seconds=SETTLED_WITHIN
    )

    ids = set(Run.objects.values_list("pk", flat=True))
    deaths = len(notes.read_text().splitlines())
    findings = check_runs(ground.journal.read(), ids)
    Result.of(
        f"1 web killed, starts with keys ({ground.pair})",
        findings,
        trials=STARTS,
        seed=seed,
        slowest=max(caller.taken),
        note=f"{deaths} deaths; {caller.unanswered} calls without an answer;"
        f" {len(ids) - STARTS} runs too many; slowest: a start",
    ).keep()
    assert not findings, str(findings)
    assert not caller.wrong
    assert deaths
    assert ids == set(caller.started)
    assert IdempotencyRecord.objects.count() == STARTS
