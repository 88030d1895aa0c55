"""The answer to a status call."""

import re
from typing import Any
from uuid import UUID

from connector.exceptions import TransactionNotFound
from connector.identities import Identity
from connector.plan_status import describe_plan
from connector.run_status import describe_run, name_outputs
from processes.models import Run
from scheduler.models import Schedule

# As a start answers it; Python's UUID takes braces, a URN and missing dashes too.
ROBUSTA_SPID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
NOBODYS = UUID(int=0)  # what a malformed id is looked up as


def read_status(robusta_spid: str, identity: Identity) -> dict[str, Any]:
    """Return the answer for a run or a plan of the caller.

    Raise TransactionNotFound alike for a malformed id, an unknown one and another caller's: by
    the same statements, so that their time tells as little as the text.
    """
    transaction_id = _parse_id(robusta_spid)
    run = (
        Run.objects.owned_by(identity.owner)
        .select_related("process_model", "worker")
        .filter(pk=transaction_id)
        .first()
    )
    if run is not None:
        return {"status": run.status, "message": describe_run(run)} | name_outputs(run)
    schedule = (
        Schedule.objects.owned_by(identity.owner)
        .select_related("periodic_task")
        .filter(pk=transaction_id)
        .first()
    )
    if schedule is None:
        raise TransactionNotFound
    return describe_plan(schedule)


def _parse_id(text: str) -> UUID:
    return UUID(text) if ROBUSTA_SPID.fullmatch(text) else NOBODYS
