"""Beats that die between COMMIT and publish, and stop in the middle of a claim; run as a program.

Each beat is a process of its own, forked once everything is loaded, so that one that was killed is
replaced at once. What is done to them goes to a file, a line each. Only its own children are ended.
"""

import argparse
import faulthandler
import os
import random
import signal
import sys
import time
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

LONG_STOP = 6.5  # seconds: longer than the database keeps a stalled transaction
LOOK_SECONDS = 0.02
UNLUCKY_PLAN = 13  # whoever claims a schedule with this value dies before it rings
END_WITHIN = 30.0


def main() -> None:
    """Keep the beats going until SIGTERM."""
    options = _read_arguments()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from processes.lifetime import die_with_parent

    die_with_parent()
    Nursery(options).run()


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--beats", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=5, help="schedules a claim")
    # The chances of each claim that has made runs.
    parser.add_argument("--kill-before-ring", type=float, default=0.0)
    parser.add_argument("--stop-in-claim", type=float, default=0.0)
    # On average every so many seconds, at any moment; 0 is never.
    parser.add_argument("--kill-every", type=float, default=0.0)
    parser.add_argument("--end-every", type=float, default=0.0)
    parser.add_argument("--longest-stop", type=float, default=LONG_STOP)
    parser.add_argument("--clocks-apart", type=float, default=0.0)
    return parser.parse_args()


class Nursery:
    """The parent: it replaces beats that were killed and wakes those that were stopped."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._random = random.Random(options.seed)  # noqa: S311 - a test's moments
        self._numbers: dict[int, int] = {}
        self._wake_at: dict[int, float] = {}
        self._end_by: dict[int, float] = {}
        self._kill_at = self._plan(options.kill_every)
        self._end_at = self._plan(options.end_every)
        self._born = 0
        self._ending = False

    def run(self) -> None:
        """Return once SIGTERM has come and every beat has ended."""
        signal.signal(signal.SIGTERM, self._end)
        for number in range(self._options.beats):
            self._bear(number)
        self._note("ready")
        print("beats are ready.", flush=True)  # noqa: T201 - the test waits for it
        while not self._ending:
            self._look_after()
            time.sleep(LOOK_SECONDS)
        self._stop_all()

    def _end(self, *args: object) -> None:
        self._ending = True

    def _choose_fate(self, number: int) -> str:
        """Return whether this beat is certain to stop in its first claim, until it was done once."""
        notes = self._options.notes.read_text() if self._options.notes.exists() else ""
        if number == 1 and self._options.stop_in_claim and "stopped" not in notes:
            return "stop"
        return ""

    def _bear(self, number: int) -> None:
        self._born += 1
        seed, parent = self._options.seed + self._born, os.getpid()
        fate = self._choose_fate(number)
        # Not to be taken for the parent by a signal that comes before it has its own handler.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            faulthandler.register(signal.SIGUSR1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        if pid == 0:
            be_beat(self._options, number, seed, parent, fate)
        self._numbers[pid] = number

    def _look_after(self) -> None:
        while (found := self._wait_for_any()) is not None:
            pid, status = found
            if os.WIFSTOPPED(status):
                self._plan_waking(pid)
            else:
                self._replace(pid, status)
        now = time.monotonic()
        for pid in [pid for pid, at in self._wake_at.items() if at <= now]:
            del self._wake_at[pid]
            os.kill(pid, signal.SIGCONT)
        if now >= self._kill_at:
            self._kill_at = self._plan(self._options.kill_every)
            self._send(signal.SIGKILL, "killed_anywhere")
        if now >= self._end_at:
            self._end_at = self._plan(self._options.end_every)
            self._end_by.setdefault(self._send(signal.SIGTERM, "told_to_end"), now + END_WITHIN)
        for pid in [pid for pid, by in self._end_by.items() if by <= now]:
            del self._end_by[pid]
            self._force(pid)

    def _send(self, number: int, what: str) -> int:
        pid = self._random.choice(list(self._numbers))
        self._note(what, pid)
        os.kill(pid, number)
        return pid

    def _force(self, pid: int) -> None:
        self._note("did_not_end", pid)
        os.kill(pid, signal.SIGUSR1)  # it says where it is
        time.sleep(LOOK_SECONDS)
        os.kill(pid, signal.SIGKILL)

    def _wait_for_any(self) -> tuple[int, int] | None:
        pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        return (pid, status) if pid else None

    def _plan(self, every: float) -> float:
        return time.monotonic() + self._random.expovariate(1 / every) if every else float("inf")

    def _plan_waking(self, pid: int) -> None:
        first = "stopped" not in self._options.notes.read_text()
        longest = self._options.longest_stop
        seconds = longest if first else self._random.choice([0.1, 0.5, 2.0, longest])
        self._note("stopped", pid, seconds)
        self._wake_at[pid] = time.monotonic() + seconds

    def _replace(self, pid: int, status: int) -> None:
        number = self._numbers.pop(pid)
        self._wake_at.pop(pid, None)
        told_to = self._end_by.pop(pid, None) is not None
        if not told_to and not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            self._note("ended_by_itself", pid, status)  # which no fault may lead to
        self._bear(number)

    def _stop_all(self) -> None:
        for pid in self._numbers:
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + END_WITHIN
        while self._numbers:
            with suppress(ChildProcessError):
                if found := self._wait_for_any():
                    self._numbers.pop(found[0], None)
                    continue
            if time.monotonic() > deadline:
                for pid in self._numbers:
                    self._force(pid)
            time.sleep(LOOK_SECONDS)

    def _note(self, *words: object) -> None:
        note(self._options.notes, *words)


def note(file: Path, *words: object) -> None:
    """Append a line."""
    with file.open("a") as notes:
        notes.write(" ".join(map(str, words)) + "\n")


def be_beat(options: argparse.Namespace, number: int, seed: int, parent: int, fate: str) -> None:
    """Tick until killed, with the chances that were asked for."""
    import time_machine
    from celery import current_app
    from django.utils import timezone

    from processes.lifetime import die_with_parent
    from scheduler.beat import BeatProgram

    die_with_parent(parent_pid=parent)
    _make_mortal(options, random.Random(seed), fate)  # noqa: S311 - a test's moments
    offset = timedelta(seconds=options.clocks_apart * (number - 1))
    if offset:
        time_machine.travel(timezone.now() + offset, tick=True).start()
    BeatProgram(app=current_app, quiet=True, loglevel="INFO").run()
    sys.exit(0)


def _make_mortal(options: argparse.Namespace, chance: random.Random, fate: str) -> None:
    """Wrap the two moments; a beat whose `fate` is to stop does so in its first claim."""
    from processes import queueing
    from scheduler import beat, firing

    ring, store = queueing.ring_for_runs, firing._store

    def die_or_ring(runs: Any) -> int:
        unlucky = any(run.values.get("plan") == UNLUCKY_PLAN for run in runs)
        if runs and (chance.random() < options.kill_before_ring or unlucky):
            note(options.notes, "killed_before_ring", os.getpid(), len(runs))
            os.kill(os.getpid(), signal.SIGKILL)
        return ring(runs)

    def store_and_stop(batch: firing.Batch) -> None:
        nonlocal fate
        if batch.runs and (chance.random() < options.stop_in_claim / 2 or fate == "stop"):
            fate = ""
            os.kill(os.getpid(), signal.SIGSTOP)
        store(batch)
        if batch.runs and chance.random() < options.stop_in_claim / 2:
            os.kill(os.getpid(), signal.SIGSTOP)

    queueing.ring_for_runs = die_or_ring
    firing._store = store_and_stop
    # Small claims, so that there are many moments and the beats meet.
    setattr(beat, "fire_due_schedules", partial(firing.fire_due_schedules, options.batch))  # noqa: B010 - mypy sees no export


if __name__ == "__main__":
    main()
