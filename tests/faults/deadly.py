"""A process model of the fault tests that kills whoever executes it."""

import os
import signal
import time
from pathlib import Path
from typing import Literal
from uuid import uuid4

from processes.executors.context import RunContext
from processes.registry import process
from tests.faults.journal import SUCCEEDED, Journal
from tests.faults.journaled import JOURNAL_VARIABLE, Token

NAME = "Deadly"
GROUP_VARIABLE = "FAULTS_MEMORY_GROUP"
MEBIBYTE = 2**20


@process(name=NAME)
def deadly(
    context: RunContext, victim: Literal["parent", "child", "memory"], times: int = 99
) -> Token:
    """Kill the worker in the first attempts.

    Args:
        victim: Its parent process, the pool child, or the pool child by taking too much memory.
        times: How many attempts do so.
    """
    journal = Journal(Path(os.environ[JOURNAL_VARIABLE]))
    journal.begin(context.run_id, context.attempt)
    if context.attempt <= times:
        if victim == "memory":
            take_too_much_memory()
        os.kill(os.getppid() if victim == "parent" else os.getpid(), signal.SIGKILL)
        time.sleep(60)  # the signal of the parent's death comes a little later
    token = uuid4().hex
    journal.end(context.run_id, context.attempt, SUCCEEDED, token)
    return {"token": token}


def take_too_much_memory() -> None:
    """Have the kernel kill this process, where the test was allowed to limit its memory."""
    group = os.environ.get(GROUP_VARIABLE)
    if group is None:
        return
    Path(group, "cgroup.procs").write_text(str(os.getpid()))
    taken: list[bytearray] = []
    while len(taken) < 1024:
        taken.append(bytearray(os.urandom(1)) * MEBIBYTE)
