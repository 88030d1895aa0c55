"""Where a run stands, as a status call answers it."""

from collections.abc import Callable
from typing import Any

from processes.models import Run
from processes.text import end_sentence
from processes.waiting import Wait, explain_wait

RUNNING = "Your transaction is running."
ENDED = "Your transaction has ended."


def describe_run(run: Run, explain: Callable[[Run], Wait] = explain_wait) -> str:
    """Return where the run stands, in words; `explain` tells why one waits."""
    match run.status:
        case Run.Status.WAITING:
            return describe_wait(explain(run).sentence)
        case Run.Status.RUNNING:
            return RUNNING + _progress(run)
        case Run.Status.SUCCEEDED:
            return ENDED
        case _:
            return run.message


def describe_wait(reason: str) -> str:
    """Return the message of what is waiting, as one sentence."""
    return end_sentence(f"Your transaction is waiting: {reason}")


def _progress(run: Run) -> str:
    if run.progress_done is None:
        return ""
    if run.progress_total is None:
        return f" Progress: {run.progress_done:g}."
    return f" Progress: {run.progress_done:g} of {run.progress_total:g}."


def name_outputs(run: Run) -> dict[str, Any]:
    """Return the outputs as they are answered; there are none before the run has SUCCEEDED."""
    if run.status != Run.Status.SUCCEEDED:
        return {}
    return {f"__out_{name}": value for name, value in (run.outputs or {}).items()}
