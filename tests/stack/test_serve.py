"""`manage.py serve`: what a person at the terminal meets."""

import os
import signal
import socket
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.stack.conftest import Installation


def test_second_start_knows_its_data_and_says_how_to_reset_a_password(
    fresh: Installation,
) -> None:
    fresh.start()
    password = fresh.password
    assert fresh.stop() == 0
    fresh.output = ""

    fresh.start()

    assert "create_api_client demo --reset" in fresh.output
    assert "changepassword admin" in fresh.output
    assert "$ARABICA_PASSWORD" in fresh.output
    assert password not in fresh.output
    spid = fresh.post({"name": "OneStepNotepadRunner", "values": {"username": "Ada"}})
    assert fresh.wait_for_end(spid)["__out_x"] == "Ada"
    assert fresh.stop() == 0


def test_kill_of_the_supervisor_leaves_no_process_behind(fresh: Installation) -> None:
    fresh.start()
    processes = fresh.find_processes()
    assert len(processes) >= 7

    os.kill(fresh.process.pid, signal.SIGKILL)

    _, alive = psutil.wait_procs(processes[1:], timeout=30)
    assert [process.cmdline() for process in alive] == []


def test_interrupt_stops_everything(fresh: Installation) -> None:
    fresh.start()
    processes = fresh.find_processes()

    fresh.process.send_signal(signal.SIGINT)

    fresh.process.communicate(timeout=60)
    assert fresh.process.returncode == 0
    _, alive = psutil.wait_procs(processes[1:], timeout=30)
    assert alive == []


@pytest.mark.parametrize("name", ["web", "worker", "beat"])
def test_killed_child_is_started_again(fresh: Installation, name: str) -> None:
    fresh.start()
    child = next(p for p in fresh.find_processes() if p.cmdline()[2:3] == [name])

    child.kill()

    fresh.wait_for_output(rf"{name} .*killed by SIGKILL.*started again")
    deadline = time.monotonic() + 40
    spid = None
    while spid is None and time.monotonic() < deadline:
        with suppress(OSError):
            spid = fresh.post({"name": "OneStepNotepadRunner", "values": {"username": "Ada"}})
        time.sleep(0.2)
    assert spid is not None
    assert fresh.wait_for_end(spid, 40)["__out_x"] == "Ada"


def test_port_in_use_is_one_sentence(fresh: Installation) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", fresh.port))
        taken.listen()
        ended = fresh.manage("serve", "--prepare")

    assert ended.returncode != 0
    assert f"Cannot listen on 127.0.0.1 port {fresh.port}" in ended.stderr
    assert "Set PORT" in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("VAR_DIR", "/proc/arabica", "VAR_DIR is '/proc/arabica', which cannot be made"),
        ("PORT", "http", "PORT is 'http'; it takes a whole number from 1 to 65535."),
        ("TIME_ZONE", "Mars", "TIME_ZONE is 'Mars'; it takes an IANA time zone name"),
        ("DEBUG", "perhaps", "DEBUG is 'perhaps'; it takes 1 or 0."),
        ("SECRETS_KEY", "short", "SECRETS_KEY: key number 1 has 5 characters; it takes keys of 32"),
        ("DATABASE_URL", "mysql://x", "DATABASE_URL starts with 'mysql'"),
        ("TRUSTED_PROXIES", "10.0.0.0/33", "TRUSTED_PROXIES: "),
        ("PROCESS_MODULES", "no_such_module", "PROCESS_MODULES: cannot import 'no_such_module'"),
    ],
)
def test_wrong_setting_is_one_sentence(
    fresh: Installation, name: str, value: str, sentence: str
) -> None:
    fresh.environment[name] = value

    ended = fresh.manage("serve", "--prepare")

    assert ended.returncode != 0
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout


def test_secret_key_is_needed_beside_a_database_url(fresh: Installation) -> None:
    fresh.environment["DATABASE_URL"] = "postgres://nobody@127.0.0.1/nothing"

    ended = fresh.manage("check")

    assert ended.returncode == os.EX_CONFIG
    assert "SECRET_KEY is not set" in ended.stderr


def test_process_from_a_file_outside_the_project_runs(fresh: Installation, tmp_path: Path) -> None:
    (tmp_path / "payroll.py").write_text(
        textwrap.dedent('''
            from typing import TypedDict

            from processes.registry import process


            class Pay(TypedDict):
                net: float


            @process(name="Net pay", title="Net pay from gross")
            def net_pay(gross: float, tax: float = 0.2) -> Pay:
                """Compute the net pay.

                Args:
                    gross: Gross pay in a month.
                    tax: Share taken as tax.
                """
                return {"net": round(gross * (1 - tax), 2)}
        ''')
    )
    fresh.environment |= {"PROCESS_MODULES": "payroll", "PYTHONPATH": str(tmp_path)}
    fresh.start()

    spid = fresh.post({"name": "Net pay", "values": {"gross": "1000"}})

    assert fresh.wait_for_end(spid)["__out_net"] == 800.0


def test_worker_that_does_not_exist_is_one_sentence(fresh: Installation) -> None:
    assert fresh.manage("migrate", "-v0").returncode == 0

    ended = fresh.manage("worker", "--id", "7")

    assert "There is no worker 7; there are: none yet." in ended.stderr
    assert "Traceback" not in ended.stderr
