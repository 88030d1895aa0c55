"""All processes that come from one command, wherever they have gone."""

import os
import signal
from contextlib import suppress
from pathlib import Path

MARK = "FAMILY"


def find_family(mark: str, *, variable: str = MARK) -> list[int]:
    """Return the living processes whose environment has `mark` in the variable."""
    entry = f"{variable}={mark}".encode()
    return [
        int(folder.name)
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit() and entry in _read_environment(folder)
    ]


def _read_environment(folder: Path) -> list[bytes]:
    with suppress(OSError):  # it has ended, or is a kernel's
        return (folder / "environ").read_bytes().split(b"\0")
    return []


def kill_family(mark: str, *, variable: str = MARK) -> None:
    """Kill what a failed test has left."""
    while family := find_family(mark, variable=variable):
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
