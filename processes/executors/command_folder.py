"""The folder of one attempt of a command: what it is given, and what it leaves."""

import fcntl
import json
import math
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NoReturn

from processes.executors.base import ProcessFailed, Work

PROGRESS_BYTES = 256


class CommandFolder:
    """The files of one attempt; the command's working directory is `directory`, which is empty.

    `lock` is a descriptor of the folder: while anybody holds it, `remove_leftovers` leaves it.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.lock = lock
        self.directory = path / "work"
        self.values = path / "values.json"
        self.outputs = path / "outputs.json"
        self.progress = path / "progress"

    def fill(self, values: Mapping[str, Any]) -> None:
        """Write what the command is given."""
        self.directory.mkdir(mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with open(os.open(self.values, flags, 0o600), "w", encoding="utf-8") as file:
            json.dump(values, file, ensure_ascii=False)

    def remove(self) -> None:
        """Remove it with all that is in it."""
        remove_folder(self.path)

    def read_outputs(self, max_bytes: int) -> dict[str, Any]:
        """Return the outputs that the command left; none if it wrote none.

        At most `max_bytes` are read. Raise ProcessFailed where the file is not what it should be.
        """
        data = _read_regular_file(self.outputs, max_bytes)
        if not data.strip():
            return {}
        try:
            outputs = json.loads(data, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            text = "it is nested too deeply" if isinstance(error, RecursionError) else error
            raise ProcessFailed(f"The file ARABICA_OUTPUTS holds no JSON: {text}.") from error
        if not isinstance(outputs, dict):
            raise ProcessFailed(
                "The file ARABICA_OUTPUTS takes a JSON object such as"
                f' {{"greeting": "hello"}}, not {_name_type(outputs)}.'
            )
        return outputs

    def read_progress(self) -> tuple[float, float | None] | None:
        """Return `done` and `total` of the last line of the file ARABICA_PROGRESS that has them."""
        try:
            with open(_open_regular_file(self.progress), "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - PROGRESS_BYTES))
                lines = file.read(PROGRESS_BYTES).splitlines()
        except (OSError, _NoRegularFile):
            return None
        for line in reversed(lines):
            with suppress(ValueError):
                done, *total = (_read_number(word) for word in line.split())
                if len(total) <= 1:
                    return done, total[0] if total else None
        return None


@contextmanager
def make_folder(parent: Path, work: Work) -> Iterator[CommandFolder]:
    """Make the folder of an attempt, and remove it at the end."""
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(parent, fcntl.LOCK_SH):  # so that nobody removes it before it is locked
        path = Path(mkdtemp(prefix=f"{work.run_id}-{work.attempt}-", dir=parent))
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        folder = CommandFolder(path, lock)
        folder.fill(work.values)
        yield folder
    finally:
        remove_folder(path)  # again, for what ended before it was started
        os.close(lock)


def remove_leftovers(parent: Path) -> int:
    """Remove the folders of attempts that nobody carries out any more; return how many.

    They are left when a worker is killed before its command has a shepherd, or with the shepherd,
    and by a power cut.
    """
    if not parent.is_dir():
        return 0
    removed = 0
    with _locked(parent, fcntl.LOCK_EX):
        for path in parent.iterdir():
            with suppress(OSError), _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
                remove_folder(path)
                removed += 1
    return removed


def remove_folder(path: Path) -> None:
    """Remove a folder, also where a command has taken the right to do so away."""
    for folder, names, _ in os.walk(path):
        for name in names:
            inner = os.path.join(folder, name)
            if not os.path.islink(inner):
                with suppress(OSError):
                    os.chmod(inner, 0o700)
    shutil.rmtree(path, ignore_errors=True)


class _NoRegularFile(Exception):
    """Something else is in the place of a file."""


def _open_regular_file(path: Path) -> int:
    """Open a file that a command wrote; never wait for a FIFO or follow a link."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise _NoRegularFile


def _read_regular_file(path: Path, max_bytes: int) -> bytes:
    try:
        descriptor = _open_regular_file(path)
    except FileNotFoundError:
        return b""
    except (OSError, _NoRegularFile) as error:
        raise ProcessFailed(
            "What the command put in the place of the file ARABICA_OUTPUTS is no regular file"
            " that can be read."
        ) from error
    with open(descriptor, "rb") as file:
        data = file.read(max_bytes + 1)
        size = os.fstat(descriptor).st_size
    if len(data) > max_bytes:
        raise ProcessFailed(
            f"The file ARABICA_OUTPUTS has {size:,} bytes; the limit of the outputs is"
            f" {max_bytes:,} bytes."
        )
    return data


@contextmanager
def _locked(path: Path, operation: int) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, operation)
        yield
    finally:
        os.close(descriptor)


def _read_number(word: bytes) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError(word)
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _name_type(value: object) -> str:
    names = {list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
