"""A command gets no more memory, time, files and processes than its configuration says."""

import resource
import sys

import pytest

from processes.executors.base import ProcessFailed
from tests.processes.conftest import RunScript
from tests.processes.recorder import Recorder

PRINT_LIMITS = f"""#!{sys.executable} -IS
import resource
for name in ("AS", "CPU", "NOFILE", "FSIZE", "NPROC", "CORE"):
    print(*resource.getrlimit(getattr(resource, "RLIMIT_" + name)))
"""


def read(report: Recorder) -> list[tuple[int, int]]:
    return [(int(soft), int(hard)) for soft, hard in map(str.split, report.lines("stdout"))]


def test_limits_are_set_also_without_being_asked_for(
    run_script: RunScript, report: Recorder
) -> None:
    run_script(PRINT_LIMITS)

    memory, processor, files, size, _, core = read(report)
    assert memory == (4096 * 2**20,) * 2
    assert processor == (3600, 3605)
    assert files == (1024,) * 2
    assert size == (1024 * 2**20,) * 2
    assert core == (0, 0)


def test_limits_are_those_of_the_configuration(run_script: RunScript, report: Recorder) -> None:
    limits = {"memory_mb": 500, "cpu_seconds": 7, "open_files": 20, "file_mb": 3, "processes": 50}

    run_script(PRINT_LIMITS, limits=limits)

    assert read(report) == [
        (500 * 2**20,) * 2,
        (7, 12),
        (20,) * 2,
        (3 * 2**20,) * 2,
        (50,) * 2,
        (0, 0),
    ]


def test_limits_never_exceed_those_of_the_worker(run_script: RunScript, report: Recorder) -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    files = resource.getrlimit(resource.RLIMIT_NOFILE)

    run_script(PRINT_LIMITS, limits={"open_files": 65_536})

    assert read(report)[2][1] == min(65_536, files[1])
    assert resource.getrlimit(resource.RLIMIT_CORE) == before


def test_command_that_wants_too_much_memory_fails_with_its_own_words(run_script: RunScript) -> None:
    with pytest.raises(ProcessFailed, match=r"exit code 1\. The last it said: MemoryError"):
        run_script(f"#!{sys.executable} -IS\nx = bytearray(200 << 20)", limits={"memory_mb": 100})


def test_command_that_calculates_for_too_long_is_killed(run_script: RunScript) -> None:
    with pytest.raises(ProcessFailed) as failure:
        run_script("while :; do :; done", limits={"cpu_seconds": 1})

    assert str(failure.value) == (
        "The command was killed by SIGXCPU: it used up its limit cpu_seconds."
    )
    assert failure.value.signal == "SIGXCPU"


def test_command_that_writes_too_large_a_file_is_killed(run_script: RunScript) -> None:
    with pytest.raises(ProcessFailed, match="SIGXFSZ: a file grew beyond its limit file_mb"):
        run_script("exec head -c 2000000 /dev/zero > file", limits={"file_mb": 1})
