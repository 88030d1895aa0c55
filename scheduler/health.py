"""Whether the parts do their work: judged by work done, never by a ping."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from django.db import Error, ProgrammingError

from scheduler.deadline import Unanswered, call_within
from scheduler.models.beats import OFFLINE_AFTER
from scheduler.vitals import Vitals, read_vitals

# A monitor waits five or ten seconds for an answer; this one comes before it gives up.
DATABASE_SECONDS = 3.0
# Bells are rung again every five seconds: six in a row have led to nothing.
QUEUE_LAG_LIMIT = timedelta(seconds=30)
# A lease is extended every five seconds and lasts thirty; after as long again nobody has ended it.
LEASE_OVERDUE_LIMIT = timedelta(seconds=30)
# Half of the sixty seconds after which a fire time counts as missed: told while it can be saved.
FIRE_LATENESS_LIMIT = timedelta(seconds=30)

START_BEAT = "Start one with `manage.py beat`; if one is running, it is frozen or cannot write to the database: read its log and restart it."
START_NODE = "Start one with `manage.py worker --id N`; if one is running, it is frozen or cannot write to the database: read its log and restart it."
MEND_BROKER = "See that a beat and a node are online and that CELERY_BROKER_URL leads both to the same broker; then restart the broker."
MEND_QUEUE = "Restart the nodes of the worker: they are online and take nothing."
MEND_LEASES = (
    "Open the run in the admin, see which node holds it, and restart that node and the beats."
)
MEND_FIRES = "Start another beat; if one is online, read its log: it cannot keep up or fails."
MEND_DATABASE = "Start it, or correct DATABASE_URL; `manage.py doctor` says more."
MIGRATE = "Run `manage.py migrate`."
FIND_SILENT = "Stop what is left of it; its log says more."


class Level(StrEnum):
    """How bad it is; only an error makes an installation not ready."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Check:
    """One part, how it does, in a sentence with figures, and what to do when it does badly."""

    name: str
    level: Level
    message: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Tell whether the part does its work."""
        return self.level is not Level.ERROR


@dataclass(frozen=True)
class Health:
    """All checks of one moment, and what they were made from; None without a database."""

    checks: list[Check]
    vitals: Vitals | None

    @property
    def is_ready(self) -> bool:
        """Tell whether every part does its work."""
        return all(check.ok for check in self.checks)


def check_health(read: Callable[[], Vitals] = read_vitals) -> Health:
    """Look at the database and judge; a database that does not answer is the one red check."""
    try:
        vitals = read()
    except (Error, Unanswered) as error:
        return Health([_judge_outage(error)], None)
    return Health([Check("database", Level.OK, "the database answers"), *judge(vitals)], vitals)


def check_health_soon() -> Health:
    """Do the same in three seconds at most, also while the database is frozen."""
    return check_health(lambda: call_within(DATABASE_SECONDS, read_vitals))


def judge(vitals: Vitals) -> list[Check]:
    """Return the state of worker, beat, broker, queue, leases and fires."""
    return [
        _judge_worker(vitals),
        _judge_beat(vitals),
        _judge_broker(vitals),
        _judge_queue(vitals),
        _judge_leases(vitals),
        _judge_fires(vitals),
    ]


def _judge_outage(error: Exception) -> Check:
    if isinstance(error, Unanswered):
        return Check("database", Level.ERROR, f"the database is silent: {error}", MEND_DATABASE)
    # The text of the error may name hosts and users, and this answer is public.
    kind = type(error).__name__
    if isinstance(error, ProgrammingError):
        message = f"the database has not the tables of this version ({kind})"
        return Check("database", Level.ERROR, message, MIGRATE)
    return Check("database", Level.ERROR, f"the database does not answer ({kind})", MEND_DATABASE)


def _judge_worker(vitals: Vitals) -> Check:
    if vitals.last_heartbeat_age is None:
        return Check("worker", Level.ERROR, "no node of any worker was ever online", START_NODE)
    age = _seconds(vitals.last_heartbeat_age)
    online = vitals.nodes_online.total()
    if not online:
        message = f"no node of any worker is online; the last heartbeat was {age} ago"
        return Check("worker", Level.ERROR, message, START_NODE)
    message = f"{_count(online, 'node')} online, the last heartbeat was {age} ago"
    return _with_silent("worker", message, _count(vitals.nodes_silent, "node"))


def _judge_beat(vitals: Vitals) -> Check:
    if vitals.last_tick_age is None:
        return Check("beat", Level.ERROR, "no beat has ever ticked", START_BEAT)
    age = _seconds(vitals.last_tick_age)
    if not vitals.beats_online:
        message = f"no beat is online; the last one ticked {age} ago"
        return Check("beat", Level.ERROR, message, START_BEAT)
    message = f"the last beat ticked {age} ago, {_count(vitals.beats_online, 'beat')} online"
    return _with_silent("beat", message, _count(vitals.beats_silent, "beat"))


def _with_silent(name: str, message: str, silent: str) -> Check:
    if silent.startswith("0 "):
        return Check(name, Level.OK, message)
    message += f"; {silent} went silent without having been stopped"
    return Check(name, Level.WARNING, message, FIND_SILENT)


def _judge_broker(vitals: Vitals) -> Check:
    age = vitals.last_message_age
    if age is None:
        message = "no node that is online has heard from the broker"
        return Check("broker", Level.ERROR, message, MEND_BROKER)
    message = f"the broker delivered its last message to a node {_seconds(age)} ago"
    return _limit("broker", message, age, OFFLINE_AFTER, MEND_BROKER)


def _judge_queue(vitals: Vitals) -> Check:
    if vitals.queue_lag is None:
        return Check("queue", Level.OK, "no run waits that a free slot could take")
    message = f"a run that a free slot could take has waited {_seconds(vitals.queue_lag)}"
    return _limit("queue", message, vitals.queue_lag, QUEUE_LAG_LIMIT, MEND_QUEUE)


def _judge_leases(vitals: Vitals) -> Check:
    if vitals.lease_overdue is None:
        return Check("leases", Level.OK, "no lease has run out")
    leases = _count(vitals.leases_overdue, "lease")
    verb = "has" if vitals.leases_overdue == 1 else "have"
    age = _seconds(vitals.lease_overdue)
    message = f"{leases} {verb} run out, the oldest {age} ago"
    return _limit("leases", message, vitals.lease_overdue, LEASE_OVERDUE_LIMIT, MEND_LEASES)


def _judge_fires(vitals: Vitals) -> Check:
    if vitals.fire_lateness is None:
        return Check("fires", Level.OK, "no schedule is late")
    message = f"a schedule has been due for {_seconds(vitals.fire_lateness)} and is not claimed"
    return _limit("fires", message, vitals.fire_lateness, FIRE_LATENESS_LIMIT, MEND_FIRES)


def _limit(name: str, message: str, age: timedelta, limit: timedelta, remedy: str) -> Check:
    if age < limit:
        return Check(name, Level.OK, message)
    return Check(name, Level.ERROR, f"{message}; the limit is {_seconds(limit)}", remedy)


def _seconds(age: timedelta) -> str:
    """Return an age as people read it: whole seconds, and hours and minutes once it is long."""
    seconds = int(age.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    minutes, hours = seconds // 60, seconds // 3600
    return f"{minutes} min" if minutes < 120 else f"{hours} h"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
