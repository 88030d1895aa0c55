"""What runs as the same user as a worker cannot read the worker's environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Root may read everything, so that this is tried as somebody else where root runs the tests.
SCRIPT = """
import ctypes, os, sys
from processes.privacy import PR_SET_DUMPABLE, be_private

if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1)  # as an exec by that user would have it
if sys.argv[1] == "private":
    be_private()
if not os.fork():  # which is as close to the other as a command is to its worker
    parent = os.getppid()
    for name in ("environ", "mem", "fd"):
        try:
            if name == "fd":
                os.listdir(f"/proc/{parent}/fd")
            else:
                open(f"/proc/{parent}/{name}", "rb").close()
            print(name, "open")
        except PermissionError:
            print(name, "closed")
    sys.stdout.flush()
    os._exit(0)
os.wait()
"""


def ask(project: Path, mode: str) -> list[str]:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", SCRIPT, mode],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_private_process_is_closed_to_its_user(project: Path) -> None:
    assert ask(project, "open") == ["environ open", "mem open", "fd open"]
    assert ask(project, "private") == ["environ closed", "mem closed", "fd closed"]
