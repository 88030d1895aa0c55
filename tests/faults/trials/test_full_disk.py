"""A full disk under the embedded installation, and under PostgreSQL: refused in words, then forgotten."""

import errno
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import chown, copyfile
from typing import Any

import psutil
import pytest
from django.db import connection, connections

from processes.models import Run
from tests.faults.checker import check_runs
from tests.faults.conftest import SIZE
from tests.faults.ground import Ground
from tests.faults.own_postgresql import own_postgresql
from tests.faults.results import Result
from tests.faults.traffic import Traffic

pytestmark = [
    pytest.mark.usefixtures("_migrated_database"),
    pytest.mark.skipif(SIZE != "long", reason="It takes half a minute: FAULTS=long."),
    pytest.mark.skipif(sys.platform != "linux", reason="It needs tmpfs."),
    pytest.mark.skipif(
        hasattr(os, "getuid") and os.getuid() != 0, reason="Only root may mount a tmpfs."
    ),
]
MIB = 1 << 20
BEFORE, FULL, AFTER = 4.0, 12.0, 14.0  # seconds of load
GOES_ON_WITHIN = 10.0  # seconds after there is space again
ANSWERS_WITHIN = 6.0  # seconds
PATIENCE = 60.0

Filled = Callable[[], None]


@contextmanager
def _tmpfs(folder: Path, *, mebibytes: int) -> Iterator[None]:
    """Have a small file system at `folder`."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
    if (done := subprocess.run(mount, capture_output=True, check=False)).returncode:  # noqa: S603
        pytest.skip(f"A tmpfs cannot be mounted here: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)  # noqa: S603, S607


def fill(folder: Path) -> None:
    """Leave not one byte."""
    with (folder / "filling").open("ab", buffering=0) as file:
        for size in (MIB, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def empty(folder: Path) -> None:
    """Give the space back."""
    (folder / "filling").unlink()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="It is about SQLite.")
def test_embedded_installation_outlives_a_full_disk(
    django_db_blocker: Any, tmp_path: Path, seed: int
) -> None:
    disk = tmp_path / "disk"
    with django_db_blocker.unblock(), _tmpfs(disk, mebibytes=24):
        migrated = connection.settings_dict["NAME"]
        connections.close_all()
        connection.settings_dict["NAME"] = str(disk / "arabica.sqlite3")
        copyfile(migrated, connection.settings_dict["NAME"])
        (tmp_path / "ground").mkdir()
        ground = Ground(tmp_path / "ground", {"VAR_DIR": str(disk)})
        (disk / "static").mkdir()
        try:
            _try(ground, disk, seed, "16 full disk, SQLite")
        finally:
            ground.end()
            connections.close_all()
            connection.settings_dict["NAME"] = migrated


@pytest.mark.skipif(connection.vendor != "postgresql", reason="It is about PostgreSQL.")
def test_postgresql_outlives_a_full_disk(django_db_blocker: Any, tmp_path: Path, seed: int) -> None:
    with django_db_blocker.unblock(), own_postgresql(tmp_path / "ground") as (server, ground):
        disk = server.folder / "disk"
        with _tmpfs(disk, mebibytes=64):
            space = disk / "space"
            space.mkdir()
            chown(space, "postgres", "postgres")
            # The log that PostgreSQL writes ahead stays elsewhere: without space for it the server
            # itself ends, and its administrator has to start it again.
            server.tell(f"CREATE TABLESPACE small LOCATION '{space}'")
            server.tell("ALTER DATABASE arabica SET TABLESPACE small")
            try:
                _try(ground, disk, seed, "16 full disk, PostgreSQL")
            finally:
                ground.end()
                connections.close_all()
                server.stop("immediate")


def _try(ground: Ground, disk: Path, seed: int, fault: str) -> None:
    model = ground.prepare()
    model.accepts_undeclared_values = True  # such as what makes a run larger
    model.save()
    traffic = Traffic(ground, seed=seed, clients=6, pause=0.5, padding=4000)
    traffic.start_web()
    worker = ground.start_worker(concurrency=3)
    beat = ground.start("beat", "manage.py", "beat", ready="Waking up")
    web = psutil.Process(ground._processes["web"].pid)

    with traffic.going_on():
        time.sleep(BEFORE)
        fill(disk)
        full = time.monotonic()
        filling = time.monotonic()
        while filling - full < FULL:
            time.sleep(0.5)
            fill(disk)  # what a log that was cut had given back
            filling = time.monotonic()
        empty(disk)
        back = time.monotonic()
        time.sleep(AFTER)
    connections.close_all()
    ground.wait_until(
        lambda: not Run.objects.unfinished().exists(), "the last run", seconds=PATIENCE, pause=0.5
    )
    same = [process.is_running() for process in (web, worker, beat)]

    events = ground.journal.read()
    findings = check_runs(events)
    starts = sorted(a.starts[0] / 1e9 for n in events.attempts.values() for a in n.values())
    first_start = next(start for start in starts if start > back) - back
    settled = traffic.settled_after(back)
    reasons = Counter(Run.objects.values_list("status", "reason"))
    note = (
        f"full for {back - full:.1f} s; answers {traffic.count()}, slowest"
        f" {traffic.slowest():.1f} s; last refusal {settled:.1f} s, first start {first_start:.1f} s"
        f" after there was space; {dict(reasons)}; slowest: until no call was refused"
    )
    Result.of(
        fault,
        findings,
        trials=len(events.acknowledged),
        seed=seed,
        slowest=settled,
        note=note,
    ).keep()
    assert not findings, str(findings)
    assert not traffic.problems(), traffic.problems()[:10]
    assert traffic.count().get(503), "the fault was not felt"
    assert all(same)
    assert traffic.slowest() < ANSWERS_WITHIN
    assert settled < GOES_ON_WITHIN
    assert first_start < GOES_ON_WITHIN
