"""The answer to a status call."""

from typing import Any
from uuid import UUID

from connector.exceptions import TransactionNotFound
from connector.identities import Identity
from processes.models import Run
from processes.waiting import explain_wait

RUNNING = "Your transaction is running."
ENDED = "Your transaction has ended."


def read_status(robusta_spid: str, identity: Identity) -> dict[str, Any]:
    """Return the answer for a run of the caller.

    Raise TransactionNotFound alike for a malformed id, an unknown one and another caller's.
    """
    run = (
        Run.objects.owned_by(identity.owner)
        .select_related("process_model", "worker")
        .filter(pk=_parse_id(robusta_spid))
        .first()
    )
    if run is None:
        raise TransactionNotFound
    return {"status": run.status, "message": describe_run(run)} | _outputs(run)


def describe_run(run: Run) -> str:
    """Return where the run stands, in words."""
    match run.status:
        case Run.Status.WAITING:
            return f"Your transaction is waiting: {explain_wait(run).rstrip('.')}."
        case Run.Status.RUNNING:
            return RUNNING + _progress(run)
        case Run.Status.SUCCEEDED:
            return ENDED
        case _:
            return run.message


def _progress(run: Run) -> str:
    if run.progress_done is None:
        return ""
    if run.progress_total is None:
        return f" Progress: {run.progress_done:g}."
    return f" Progress: {run.progress_done:g} of {run.progress_total:g}."


def _outputs(run: Run) -> dict[str, Any]:
    if run.status != Run.Status.SUCCEEDED:
        return {}
    return {f"__out_{name}": value for name, value in (run.outputs or {}).items()}


def _parse_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise TransactionNotFound from error
