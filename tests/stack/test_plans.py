"""A plan on a running installation: every fire time makes one run, and the ledger has them all."""

import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.stack.conftest import Installation

FIRES = 30
PLAN = {"name": "OneStepNotepadRunner", "values": {"username": "Ada"}}


def read(installation: Installation, schedule_id: str) -> list[tuple[datetime, datetime]]:
    """Return fire time and start of the run, for each row of the ledger that has one."""
    database = Path(installation.environment["VAR_DIR"], "arabica.sqlite3")
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute(
            "SELECT fire.fire_time, run.started_at FROM scheduler_fire AS fire"
            " JOIN processes_run AS run ON run.id = fire.run_id"
            " WHERE fire.schedule_id = ? AND fire.outcome = 'ran' ORDER BY fire.fire_time",
            [schedule_id.replace("-", "")],
        ).fetchall()
    return [(_aware(fire_time), _aware(started)) for fire_time, started in rows]


def _aware(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def count_rows(installation: Installation, schedule_id: str) -> int:
    """Return how many rows the ledger has of the schedule, whatever became of them."""
    database = Path(installation.environment["VAR_DIR"], "arabica.sqlite3")
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM scheduler_fire WHERE schedule_id = ?",
            [schedule_id.replace("-", "")],
        ).fetchone()
    return int(count)


def test_plan_of_every_two_seconds_runs_thirty_times(
    running: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    start += timedelta(seconds=start.second % 2)  # an even second, so that the last one is too
    end = start + timedelta(seconds=2 * (FIRES - 1))
    plan = running.post(
        PLAN
        | {
            "quartzDef": "*/2 * * * * ?",
            "startDate": f"{start.isoformat()}",
            "endDate": f"{end.isoformat()}",
        }
    )

    status = wait_until_over(running, plan)

    expected = [start + timedelta(seconds=2 * number) for number in range(FIRES)]
    rows = read(running, plan)
    assert [fire_time for fire_time, _ in rows] == expected
    assert count_rows(running, plan) == FIRES
    assert status["nextRun"] is None
    assert [run["status"] for run in status["runs"]] == ["SUCCEEDED"] * FIRES
    assert len({run["fireTime"] for run in status["runs"]}) == FIRES
    late = sorted((started - fire_time).total_seconds() * 1000 for fire_time, started in rows)
    with capsys.disabled():
        print(  # noqa: T201 - a figure to be read
            f"\n{FIRES} fires of a plan: lateness to the start of the run"
            f" p50 {late[FIRES // 2]:.0f} ms, p99 {late[-1]:.0f} ms"
        )


def wait_until_over(installation: Installation, plan: str) -> dict[str, Any]:
    """Return the status of a plan that fires no more and whose runs have ended."""
    for _ in range(int(FIRES * 2 / 0.5) + 60):
        _, status = installation.call("GET", f"/scheduler/connector-api/process/status/{plan}")
        if status["nextRun"] is None and status["status"] not in {"WAITING", "RUNNING"}:
            return dict(status)
        time.sleep(0.5)
    pytest.fail(f"The plan is not over: {status}")
