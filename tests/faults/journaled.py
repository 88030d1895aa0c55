"""The process model of the fault tests: it writes down that it starts and how it ends."""

import os
import time
import uuid
from pathlib import Path
from typing import TypedDict

from processes.executors.base import ProcessFailed
from processes.executors.context import RunContext
from processes.registry import process
from tests.faults.journal import FAILED, SUCCEEDED, Journal

NAME = "Journaled"
JOURNAL_VARIABLE = "FAULTS_JOURNAL"
ALIVE_SECONDS = 0.5


class Token(TypedDict):
    """What only this attempt can have returned.

    Attributes:
        token: Another text each time.
    """

    token: str


@process(name=NAME)
def journaled(context: RunContext, seconds: float = 0.0, failures: int = 0, plan: int = 0) -> Token:
    """Last so many seconds, and fail in the first attempts.

    Args:
        seconds: How long an attempt lasts.
        failures: How many attempts fail.
        plan: The number of the plan that made the run; only looked at by the checker.
    """
    journal = Journal(Path(os.environ[JOURNAL_VARIABLE]))
    journal.begin(context.run_id, context.attempt)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, ALIVE_SECONDS))
        journal.go_on(context.run_id, context.attempt)
    token = uuid.uuid4().hex
    if context.attempt <= failures:
        journal.end(context.run_id, context.attempt, FAILED, token)
        raise ProcessFailed(token)
    journal.end(context.run_id, context.attempt, SUCCEEDED, token)
    return {"token": token}
