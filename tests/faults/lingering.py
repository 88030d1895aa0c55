"""A process model that starts a program beside itself, and notes both."""

import os
import subprocess
import time
from pathlib import Path

from processes.executors.context import RunContext
from processes.registry import process
from tests.faults.journal import SUCCEEDED, Journal
from tests.faults.journaled import JOURNAL_VARIABLE, Token

NAME = "Lingering"
ALIVE_SECONDS = 0.1
PIDS = "pids"


@process(name=NAME)
def lingering(context: RunContext, seconds: float = 0.0, first: float = 0.0) -> Token:
    """Last so many seconds beside a program that would go on for an hour.

    Args:
        seconds: How long an attempt lasts.
        first: How long the first attempt lasts, if not as long as the others.
    """
    journal = Journal(Path(os.environ[JOURNAL_VARIABLE]))
    journal.begin(context.run_id, context.attempt)
    beside = subprocess.Popen(["sleep", "3600"])  # noqa: S607 - any of that name
    with journal.path.with_name(PIDS).open("a") as pids:
        pids.write(f"{context.run_id} {context.attempt} {os.getpid()} {beside.pid}\n")
    end = time.monotonic() + (first if first and context.attempt == 1 else seconds)
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, ALIVE_SECONDS))
        journal.go_on(context.run_id, context.attempt)
    beside.kill()
    beside.wait()
    token = f"{context.run_id}.{context.attempt}"
    journal.end(context.run_id, context.attempt, SUCCEEDED, token)
    return {"token": token}
