"""A beat that notes when the broker has accepted each run's bell; started by bench/schedules.py.

    python -m bench.recording_beat FILE

A line of FILE is the seconds from fire time to acceptance; `reload` marks that the beat read its
tasks again.
"""

import os
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command


def record(file: Path) -> None:
    """Beat until told to stop, writing to `file`."""
    from processes import queueing
    from processes.models import Run
    from scheduler.beat import Scheduler

    lines = file.open("a", buffering=1)
    ring_for_runs = queueing.ring_for_runs
    all_as_schedule = Scheduler.all_as_schedule

    def ring_and_note(runs: Collection[Run]) -> int:
        rings = ring_for_runs(runs)
        accepted = time.time() if rings else float("inf")
        lines.writelines(f"{accepted - run.ready_at.timestamp():.6f}\n" for run in runs)
        return rings

    def note_reload(self: Any) -> Any:
        lines.write("reload\n")
        return all_as_schedule(self)

    queueing.ring_for_runs = ring_and_note
    Scheduler.all_as_schedule = note_reload
    call_command("beat")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    record(Path(sys.argv[1]))
