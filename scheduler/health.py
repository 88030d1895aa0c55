"""Whether the parts do their work: judged by work done, never by a ping."""

from dataclasses import dataclass

from django.db import Error
from django.db.models.functions import Now

from processes.models import WorkerNode
from processes.models.workers import OFFLINE_AFTER
from scheduler.models import Beat


@dataclass(frozen=True)
class Check:
    """One part, whether it works, and what to do when it does not."""

    name: str
    ok: bool
    message: str


def check_readiness() -> list[Check]:
    """Return the state of database, broker, beat and worker."""
    try:
        nodes = WorkerNode.objects.online()
        worker = nodes.exists()
        broker = nodes.filter(last_message_at__gt=Now() - OFFLINE_AFTER).exists()
        beat = Beat.objects.online().exists()
    except Error as error:
        return [Check("database", False, type(error).__name__)]
    return [
        Check("database", True, "answers"),
        _check("worker", worker, "a node is online", "no node of any worker is online"),
        _check("beat", beat, "ticks", "no beat has finished a tick in the last 30 seconds"),
        _check("broker", broker, "delivers", "no node has heard from the beat lately"),
    ]


def _check(name: str, ok: bool, good: str, bad: str) -> Check:
    return Check(name, ok, good if ok else bad)
