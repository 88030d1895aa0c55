"""The main job on a running installation: start a process, get its outputs."""

import json
import sqlite3
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.stack.conftest import Installation

ADA = {
    "runOnce": "Y",
    "runImmediately": "Y",
    "name": "OneStepNotepadRunner",
    "worker": "1",
    "values": {"username": "Ada", "usersurname": "Lovelace"},
}
ENDED = {
    "status": "SUCCEEDED",
    "message": "Your transaction has ended.",
    "__out_x": "Ada Lovelace",
}


def test_first_start_shows_the_main_job_done(running: Installation) -> None:
    shown = running.wait_for_output(r'GET .*\n  (\{"status".*\})')

    assert '"message": "Process saved"' in running.output
    assert json.loads(shown[1]) == ENDED


def test_printed_curl_line_works_as_printed(running: Installation) -> None:
    line = running.wait_for_output(r"(?m)^(curl .*)$")[1]

    printed = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)  # noqa: S603, S607

    answer = json.loads(printed.stdout)
    assert answer["message"] == "Process saved"
    assert running.wait_for_end(answer["robustaSpid"]) == ENDED


@pytest.mark.parametrize(
    "path",
    [
        "/scheduler/connector-api/process/start",
        "/scheduler/connector-API/process/start",
        "/scheduler/connector-api/process/start/",
    ],
)
def test_known_client_works_unchanged(running: Installation, path: str) -> None:
    body = (
        b'{"runOnce":"Y","runImmediately":"Y","name":"OneStepNotepadRunner","worker":"1",'
        b'"values":{"username":"Ada","usersurname":"Lovelace"}}'
    )

    status, answer = running.call("POST", path, body)

    assert status == 200
    assert answer.keys() == {"robustaSpid", "message"}
    assert running.wait_for_end(answer["robustaSpid"]) == ENDED


def test_five_hundred_starts_run_once_each(running: Installation) -> None:
    ids = [running.post(ADA) for _ in range(500)]

    ends = [running.wait_for_end(robusta_spid, 60) for robusta_spid in ids]

    assert all(end == ENDED for end in ends)
    database = Path(running.environment["VAR_DIR"], "arabica.sqlite3")
    attempts = _count_attempts(database, ids)
    assert attempts == dict.fromkeys(ids, 1)


def test_postponed_run_starts_when_its_time_has_come(running: Installation) -> None:
    start = datetime.now(UTC) + timedelta(seconds=3)
    spid = running.post(
        {"name": "CountDown", "values": {"seconds": 0}, "startDate": f"{start:%F %T}"}
    )

    _, waiting = running.call("GET", f"/scheduler/connector-api/process/status/{spid}")
    end = running.wait_for_end(spid, 30)

    assert waiting["status"] == "WAITING"
    assert "due at" in waiting["message"]
    assert end["__out_counted"] == 0


def test_failed_process_is_tried_again_and_succeeds(running: Installation) -> None:
    spid = running.post({"name": "FailNTimes", "values": {"times": "2"}, "retryCount": "2"})

    assert running.wait_for_end(spid)["__out_attempts"] == 3


def test_failure_is_answered_in_the_process_own_words(running: Installation) -> None:
    spid = running.post({"name": "FailNTimes", "values": {"times": 9, "text": "No paper."}})

    assert running.wait_for_end(spid) == {"status": "FAILED", "message": "No paper."}


def test_both_health_addresses_are_green(running: Installation) -> None:
    assert running.call("GET", "/healthz") == (200, {"status": "ok"})
    status, answer = running.call("GET", "/readyz")
    assert status == 200, answer
    assert set(answer["checks"]) == {
        "database",
        "worker",
        "beat",
        "broker",
        "queue",
        "leases",
        "fires",
    }


def _count_attempts(database: Path, ids: list[str]) -> dict[str, int]:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute(
            "SELECT run_id, count(*) FROM processes_runattempt GROUP BY run_id"
        )
        counts = {_dashed(run_id): count for run_id, count in rows}
    return {robusta_spid: counts[robusta_spid] for robusta_spid in ids}


def _dashed(text: str) -> str:
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
