"""A running installation whose beat and worker freeze: it must not stay green."""

import time
from typing import Any

import psutil

from tests.stack.conftest import Installation

RED_WITHIN = 60.0
GREEN_WITHIN = 30.0


def test_frozen_beat_and_worker_turn_red_and_green_again(fresh: Installation) -> None:
    fresh.start()
    beat, worker = (_find_child(fresh, name) for name in ("beat", "worker"))
    assert _red_checks(fresh) == {}

    began = time.monotonic()
    for process in (beat, worker):
        process.suspend()  # SIGSTOP: it does not end, so the supervisor has nothing to start again
    try:
        seconds = _wait_for_red(fresh, {"beat", "worker", "broker"}, began)
        print(f"seconds until red: {seconds}")  # noqa: T201 - the figure is what the test is for
        ended = fresh.manage("doctor")
    finally:
        for process in (beat, worker):
            process.resume()

    assert max(seconds.values()) < RED_WITHIN
    assert fresh.call("GET", "/healthz")[0] == 200
    assert ended.returncode == 1
    assert "no beat is online; the last one ticked" in ended.stdout
    _wait_for_green(fresh)
    assert fresh.manage("doctor").returncode == 0


def test_doctor_finds_a_running_installation_well(running: Installation) -> None:
    ended = running.manage("doctor")

    assert ended.returncode == 0, ended.stdout
    assert "\x1b" not in ended.stdout


def _find_child(installation: Installation, name: str) -> psutil.Process:
    children = psutil.Process(installation.process.pid).children()
    return next(child for child in children if child.cmdline()[2:3] == [name])


def _red_checks(installation: Installation) -> dict[str, Any]:
    _, answer = installation.call("GET", "/readyz")
    return {name: check for name, check in answer["checks"].items() if not check["ok"]}


def _wait_for_red(installation: Installation, names: set[str], began: float) -> dict[str, float]:
    """Return after how many seconds each check was red first."""
    seconds: dict[str, float] = {}
    while not names <= set(seconds):
        passed = time.monotonic() - began
        for name in _red_checks(installation):
            seconds.setdefault(name, round(passed, 1))
        assert passed < RED_WITHIN, seconds
        time.sleep(0.2)
    return seconds


def _wait_for_green(installation: Installation) -> None:
    deadline = time.monotonic() + GREEN_WITHIN
    while red := _red_checks(installation):
        assert time.monotonic() < deadline, red
        time.sleep(0.2)
