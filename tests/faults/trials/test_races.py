"""Edit, disable, pause, delete and enable at the moment of the fire, with beats in other threads."""

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.db import Error, OperationalError, connection, connections, transaction
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from processes.models import ProcessModel
from scheduler.drafts import ScheduleDraft
from scheduler.fire_times import FireTimes
from scheduler.firing import fire_due_schedules
from scheduler.models import Schedule
from scheduler.planning import change_schedule, create_schedule, delete_schedules
from scheduler.switching import (
    disable_schedule,
    enable_schedule,
    follow_switches,
    pause_schedule,
    resume_schedule,
)
from tests.faults.conftest import pick
from tests.faults.findings import Findings
from tests.faults.ground import Ground
from tests.faults.races import DISABLE_IN_BULK, Change, History, State, check_history, find_orphans
from tests.faults.results import Result

POSTGRESQL = connection.vendor == "postgresql"
RACES = pick(short=150 if POSTGRESQL else 60, long=1000 if POSTGRESQL else 300)
EDITORS, EACH = (4, 6) if POSTGRESQL else (3, 4)  # threads, schedules of each
BEATS = 3 if POSTGRESQL else 2
BEFORE, AFTER = 0.06, 0.02  # seconds about the fire in which a round of changes begins
TICK, LATER = 0.25, 0.25  # seconds at most between two looks of a beat, and until it follows
QUARTZ = ["* * * * * ?", "0/2 * * * * ?", "1/2 * * * * ?", "0/3 * * * * ?"]


class Editor:
    """A person, or several, at work on some schedules; each knows what it has told them."""

    def __init__(self, model: ProcessModel, chance: random.Random) -> None:
        self._model = model
        self._chance = chance
        self._plans = 0
        self.histories: list[History] = []
        self.refused: list[str] = []
        self.made: Counter[str] = Counter()
        self.open = [self._create() for _ in range(EACH)]

    def race(self) -> None:
        """Change each schedule once, beginning at about the next whole second."""
        moment = math.ceil(time.time() + BEFORE) + self._chance.uniform(-BEFORE, AFTER)
        time.sleep(max(0.0, moment - time.time()))
        for number, history in enumerate(self.open):
            self._change(history)
            if history.state.deleted:
                self.open[number] = self._create()

    def _create(self) -> History:
        self._plans += 1
        quartz, called = self._chance.choice(QUARTZ), time.time()
        schedule = create_schedule(
            ScheduleDraft(self._model, quartz, "UTC", values={"plan": self._plans})
        )
        state = State(self._plans, FireTimes.of(quartz, "UTC"))
        created = Change("create", called, time.time(), state)
        history = History(schedule.pk, schedule.periodic_task_id, [created])
        self.histories.append(history)
        return history

    def _change(self, history: History) -> None:
        kind, change = self._chance.choice(self._choices(history))
        called = time.time()
        try:
            changes = change(history)
        except (Error, Schedule.DoesNotExist) as error:
            self.refused.append(f"{kind}: {type(error).__name__}: {error}")
            return
        self.made[kind] += 1
        history.note(kind, called, time.time(), **changes)
        if kind == DISABLE_IN_BULK:  # it holds already; a beat follows a little later
            time.sleep(self._chance.uniform(0, LATER))
            follow_switches()

    def _choices(self, history: History) -> list[tuple[str, Callable[[History], dict[str, Any]]]]:
        """Return what can be done to a schedule as it stands; what is wrong is mended first."""
        if not history.state.enabled:
            return [
                ("enable", lambda h: _switch(enable_schedule, h, enabled=True)),
                ("enable on page", lambda h: _save_page(h, enabled=True)),
                ("enable in bulk", _enable_in_bulk),
            ]
        if history.state.paused and self._chance.random() < 0.7:
            return [("resume", lambda h: _switch(resume_schedule, h, paused=False))]
        return [
            ("edit", self._edit),
            ("edit", self._edit),
            ("edit values", self._edit_values),
            ("save page", lambda h: _save_page(h)),
            ("save page outside", lambda h: _save_page(h, atomic=False)),
            ("pause", lambda h: _switch(pause_schedule, h, paused=True)),
            ("disable", lambda h: _switch(disable_schedule, h, enabled=False)),
            ("disable on page", lambda h: _save_page(h, enabled=False)),
            ("disable outside", lambda h: _save_page(h, atomic=False, enabled=False)),
            (DISABLE_IN_BULK, lambda h: _switch_in_bulk(h, enabled=False)),
            ("delete", _delete),
            ("delete on page", _delete_on_page),
        ]

    def _edit(self, history: History) -> dict[str, Any]:
        self._plans += 1
        quartz = self._chance.choice(QUARTZ)
        change_schedule(history.schedule_id, quartz=quartz, values={"plan": self._plans})
        return {"plan": self._plans, "fire_times": FireTimes.of(quartz, "UTC")}

    def _edit_values(self, history: History) -> dict[str, Any]:
        self._plans += 1
        change_schedule(history.schedule_id, values={"plan": self._plans})
        return {"plan": self._plans}


def _switch(switch: Callable[..., Any], history: History, **state: bool) -> dict[str, Any]:
    switch(history.schedule_id)
    return state


def _save_page(history: History, *, atomic: bool = True, **fields: Any) -> dict[str, Any]:
    """Save the periodic task as a page does, or as code outside of a transaction."""
    with transaction.atomic() if atomic else threading.Lock():
        task = PeriodicTask.objects.get(pk=history.task_id)
        for name, value in fields.items():
            setattr(task, name, value)
        task.save()
    return fields


def _enable_in_bulk(history: History) -> dict[str, Any]:
    """Do what the action on a selection does, and what a beat does then."""
    _switch_in_bulk(history, enabled=True)
    follow_switches()
    return {"enabled": True}


def _switch_in_bulk(history: History, *, enabled: bool) -> dict[str, Any]:
    PeriodicTask.objects.filter(pk=history.task_id).update(enabled=enabled)
    PeriodicTasks.update_changed()
    return {"enabled": enabled}


def _delete(history: History) -> dict[str, Any]:
    delete_schedules([history.schedule_id])
    return {"deleted": True}


def _delete_on_page(history: History) -> dict[str, Any]:
    with transaction.atomic():
        PeriodicTask.objects.get(pk=history.task_id).delete()
    return {"deleted": True}


def test_a_change_at_the_moment_of_the_fire_gives_the_old_plan_or_the_new_one(
    ground: Ground, seed: int
) -> None:
    model = ground.prepare()
    editors = [Editor(model, random.Random(seed + number)) for number in range(EDITORS)]  # noqa: S311
    rounds = math.ceil(RACES / (EDITORS * EACH))
    over, failed = threading.Event(), list[str]()
    beats = [threading.Thread(target=_tick, args=(over, failed)) for _ in range(BEATS)]
    people = [threading.Thread(target=_race, args=(editor, rounds)) for editor in editors]

    for thread in [*beats, *people]:
        thread.start()
    for thread in people:
        thread.join()
    until = math.floor(time.time())
    time.sleep(1.5)
    over.set()
    for thread in beats:
        thread.join()
    while fire_due_schedules():
        pass

    histories = [history for editor in editors for history in editor.histories]
    findings = sum((check_history(history, until=until) for history in histories), find_orphans())
    _report(findings, editors, failed, seed)
    assert not findings, str(findings)
    assert not failed
    assert not [sentence for editor in editors for sentence in editor.refused]


def _tick(over: threading.Event, failed: list[str]) -> None:
    """Claim what is due, over and over, as a beat does; an error costs it one tick."""
    try:
        while not over.is_set():
            try:
                fire_due_schedules()
            except OperationalError as error:
                failed.append(str(error))
            time.sleep(random.uniform(0, TICK))  # noqa: S311
    finally:
        connections.close_all()


def _race(editor: Editor, rounds: int) -> None:
    try:
        for _ in range(rounds):
            editor.race()
    finally:
        connections.close_all()


def _report(findings: Findings, editors: list[Editor], failed: list[str], seed: int) -> None:
    made = sum((editor.made for editor in editors), Counter())
    refused = [sentence for editor in editors for sentence in editor.refused]
    windows = [
        change.returned - change.called
        for editor in editors
        for history in editor.histories
        for change in history.changes
    ]
    note = (
        f"{dict(made)}; {len(refused)} refused {sorted(set(refused))[:3]};"
        f" {len(failed)} ticks failed {failed[:1]}; slowest: one change"
    )
    Result.of(
        f"13 races ({connection.vendor})",
        findings,
        trials=made.total(),
        seed=seed,
        slowest=max(windows),
        note=note,
    ).keep()
