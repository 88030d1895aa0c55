"""Time how late schedules fire when many are stored, with beats and no worker, on real servers.

    .venv/bin/python -m bench.schedules [--stored 100000] [--due 1000] [--seconds 15] [--beats 2]

It makes a database of its own on the local PostgreSQL and uses database 9 of the local Redis, whose
content it deletes. Lateness is from the fire time to the broker's acceptance of the bell. While it
runs, one schedule is saved again and again: no beat may read its tasks anew. The reference is a
bare bulk INSERT of the same rows by the same process model, without anything decided or locked.
"""

import argparse
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

SERVER = "postgres://postgres@127.0.0.1:5432"
BROKER = "redis://127.0.0.1:6379/9"
LEAD_SECONDS = 15
ROWS_AT_ONCE = 1_000


def main() -> None:
    """Print lateness, memory, what was lost or fired twice, and the ratio to bare INSERTs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stored", type=int, default=100_000)
    parser.add_argument("--due", type=int, default=1_000, help="a second")
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--beats", type=int, default=2)
    options = parser.parse_args()
    name = f"arabica_bench_{os.getpid()}"
    administer(f"CREATE DATABASE {name}")
    os.environ |= {
        "DATABASE_URL": f"{SERVER}/{name}",
        "CELERY_BROKER_URL": BROKER,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "VAR_DIR": tempfile.mkdtemp(),
        "LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    try:
        measure(options)
    finally:
        from django.db import connections

        connections.close_all()
        administer(f"DROP DATABASE {name} WITH (FORCE)")


def administer(statement: str) -> None:
    """Execute one statement on the server's own database."""
    import psycopg

    with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as connection:
        connection.execute(statement.encode())


def measure(options: argparse.Namespace) -> None:
    """Store schedules, let beats fire them, and print what came of it."""
    import django
    import psutil
    import redis
    from django.core.management import call_command

    django.setup()
    redis.Redis.from_url(BROKER).flushdb()
    call_command("migrate", verbosity=0)
    began = time.monotonic()
    store(options.stored)
    say(f"stored {options.stored:,} schedules in {time.monotonic() - began:.0f} s")
    reference = insert_bare(options.due)
    folder = Path(tempfile.mkdtemp())
    arm_due_ones(first := time.time() + LEAD_SECONDS, options)
    beats = [start_beat(folder / f"beat-{number}") for number in range(options.beats)]
    try:
        time.sleep(LEAD_SECONDS / 2)
        readings = [line for file in folder.iterdir() for line in file.read_text().splitlines()]
        reloads_before = readings.count("reload")
        saves = save_meanwhile(until=first + options.seconds + 2)
        busy = [sum(psutil.Process(beat.pid).cpu_times()[:2]) for beat in beats]
        memory = [psutil.Process(beat.pid).memory_full_info().pss / 2**20 for beat in beats]
    finally:
        for beat in beats:
            beat.send_signal(signal.SIGTERM)
        for beat in beats:
            beat.wait(20)
    readings = [line for file in folder.iterdir() for line in file.read_text().splitlines()]
    reloads = readings.count("reload") - reloads_before
    late = sorted(float(line) for line in readings if line != "reload")
    report(late, options)
    say(f"memory of each beat: {', '.join(f'{each:.0f} MB PSS' for each in memory)}")
    say(f"{saves} saves of a schedule meanwhile, {reloads} reloads")
    cost = sum(busy) / max(len(late), 1)
    say(
        f"CPU of the beats: {cost * 1e6:.0f} us a fire, start-up included;"
        f" a bare INSERT of both rows {reference * 1e6:.0f} us"
    )


def store(count: int) -> None:
    """Store `count` schedules that fire far from now; the first will be made due."""
    from django_celery_beat.models import CrontabSchedule, PeriodicTask

    from processes.models import ProcessModel
    from scheduler.clock import database_now
    from scheduler.models import Schedule

    model = ProcessModel.objects.create(name="Bench", executor="python")
    crontab = CrontabSchedule.objects.create()
    tomorrow = database_now().replace(microsecond=0) + timedelta(days=1)
    for start in range(0, count, ROWS_AT_ONCE):
        numbers = range(start, min(start + ROWS_AT_ONCE, count))
        tasks = PeriodicTask.objects.bulk_create(
            PeriodicTask(name=f"Bench {number}", task="processes.look", crontab=crontab)
            for number in numbers
        )
        Schedule.objects.bulk_create(
            Schedule(
                periodic_task=task,
                process_model=model,
                quartz="0 0 0 1 1 ?",
                values={"number": number},
                next_fire_time=tomorrow + timedelta(seconds=number % 86_400),
            )
            for task, number in zip(tasks, numbers, strict=True)
        )


def arm_due_ones(first: float, options: argparse.Namespace) -> None:
    """Give so many schedules for each second of the window a plan that fires then."""
    from datetime import UTC, datetime

    from django.db import connection

    from scheduler.models import Schedule

    ids = list(Schedule.objects.values_list("pk", flat=True)[: options.due * options.seconds])
    for second in range(options.seconds):
        moment = datetime.fromtimestamp(int(first) + second, UTC)
        chosen = ids[second * options.due : (second + 1) * options.due]
        Schedule.objects.filter(pk__in=chosen).update(
            quartz=f"{moment:%-S %-M %-H} * * ?", next_fire_time=moment
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def insert_bare(count: int) -> float:
    """Return the CPU seconds that one run with its ledger row takes to be inserted in bulk."""
    from processes.models import ProcessModel, Run
    from scheduler.models import Fire, Schedule

    model = ProcessModel.objects.get()
    schedules = list(Schedule.objects.only("pk")[:count])
    began = time.process_time()
    for start in range(0, count, 200):
        part = schedules[start : start + 200]
        runs = [Run(process_model=model, values={"number": 1}) for _ in part]
        Run.objects.bulk_create(runs)
        Fire.objects.bulk_create(
            Fire(schedule_id=schedule.pk, fire_time=run.created_at_now, outcome="ran", run=run)
            for schedule, run in zip(part, _with_time(runs), strict=True)
        )
    spent = time.process_time() - began
    Fire.objects.all().delete()
    Run.objects.all().delete()
    return spent / count


def _with_time(runs: Any) -> Any:
    from scheduler.clock import database_now

    now = database_now()
    for run in runs:
        run.created_at_now = now
    return runs


def start_beat(file: Path) -> subprocess.Popen[bytes]:
    """Return a beat that writes to `file`."""
    file.touch()
    return subprocess.Popen([sys.executable, "-m", "bench.recording_beat", str(file)])  # noqa: S603


def save_meanwhile(until: float) -> int:
    """Save one schedule again and again; return how often."""
    from scheduler.models import Schedule
    from scheduler.planning import change_schedule

    pk = Schedule.objects.order_by("-pk").values_list("pk", flat=True)[0]
    saves = 0
    while time.time() < until:
        change_schedule(pk, priority=saves % 99 + 1)
        saves += 1
        time.sleep(1)
    return saves


def report(late: list[float], options: argparse.Namespace) -> None:
    """Print the lateness, and what the ledger says of the window."""
    from django.db.models import Count

    from processes.models import Run
    from scheduler.models import Fire

    expected = options.due * options.seconds
    fires = Fire.objects.filter(outcome="ran").count()
    twice = Run.objects.values("schedule_id").annotate(n=Count("pk")).filter(n__gt=1).count()
    say(
        f"{expected:,} fire times: {fires:,} in the ledger as ran, {len(late):,} accepted by the"
        f" broker, {expected - fires} lost, {twice} twice"
    )
    if late:
        shown = [late[min(int(len(late) * part), len(late) - 1)] for part in (0.5, 0.95, 0.99, 1)]
        p50, p95, p99, most = (f"{seconds * 1000:.0f} ms" for seconds in shown)
        say(f"lateness to broker acceptance: p50 {p50}, p95 {p95}, p99 {p99}, most {most}")


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201 - its purpose


if __name__ == "__main__":
    main()
