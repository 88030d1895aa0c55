"""A row of every model in each state that a page needs, and where the pages of them are."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from axes.models import AccessAttempt
from django.contrib.contenttypes.models import ContentType
from django.db.models.functions import Now
from django.utils import timezone
from django_celery_beat import models as beat

from processes.models import Application, ProcessModel
from processes.models.trails import trail_of
from scheduler import switching
from tests.factories import (
    ApiClientFactory,
    ParameterFactory,
    ProcessModelFactory,
    RunFactory,
    WorkerFactory,
    WorkerNodeFactory,
    make_schedule,
)
from tests.people import make_person, role_group

PLAIN = "PostInvoices"
NEW_PASSWORD = "another sesame 4711"
PASSWORDS = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}


@dataclass(frozen=True)
class Visit:
    """Where an address is with a real row, and what is posted there beside what its form has."""

    url: str
    extra: dict[str, Any]


def make_rows(owner: str) -> dict[str, Any]:
    """Return rows by model, and those of another state by a name of their own.

    `owner` is who may read the run "own run" over the API.
    """
    interval = beat.IntervalSchedule.objects.create(every=1, period="hours")
    command = ProcessModelFactory.create(
        executor=ProcessModel.Executor.COMMAND, configuration={"argv": ["hello.py"]}
    )
    ParameterFactory.create(process_model=command)
    schedule = make_schedule()
    paused, disabled = make_schedule(), make_schedule()
    switching.pause_schedule(paused.pk, reason="Stocktaking", until=None)
    switching.disable_schedule(disabled.pk)
    node = WorkerNodeFactory.create()
    make_person("operator", username="grace.h")
    user = make_person("viewer")
    client = ApiClientFactory.create()
    client.add_secret()
    return {
        "processes/application": Application.objects.create(name="Accounting"),
        "processes/processmodel": command,
        "processes/worker": WorkerFactory.create(),
        "processes/run": RunFactory.create(),
        "scheduler/schedule": schedule,
        "connector/apiclient": client,
        "axes/accessattempt": AccessAttempt.objects.create(
            username="grace.h", ip_address="192.0.2.1", failures_since_start=1
        ),
        "auth/user": user,
        "auth/group": role_group("viewer"),
        "django_celery_beat/periodictask": schedule.periodic_task,
        "django_celery_beat/clockedschedule": beat.ClockedSchedule.objects.create(
            clocked_time=timezone.now()
        ),
        "django_celery_beat/crontabschedule": beat.CrontabSchedule.objects.create(hour="5"),
        "django_celery_beat/intervalschedule": interval,
        "django_celery_beat/solarschedule": beat.SolarSchedule.objects.create(
            event="sunset", latitude=39, longitude=32
        ),
        "plain process model": ProcessModelFactory.create(name=PLAIN),
        "node": node,
        "drained node": WorkerNodeFactory.create(drain_requested_at=Now()),
        "paused worker": WorkerFactory.create(paused_at=Now()),
        "own run": RunFactory.create(owner=owner),
        "finished run": RunFactory.create(failed=True),
        "paused schedule": paused,
        "disabled schedule": disabled,
    }


# Pages that need a row in a state of its own.
ROWS_IN_A_STATE = {
    "admin/processes/run/<id>/again/": "finished run",
    "admin/processes/worker/<id>/resume/": "paused worker",
    "admin/processes/worker/nodes/<id>/drain/": "node",
    "admin/processes/worker/nodes/<id>/resume/": "drained node",
    "admin/scheduler/schedule/<id>/resume/": "paused schedule",
    "admin/scheduler/schedule/<id>/enable/": "disabled schedule",
    "admin/parameters/<id>/": "processes/processmodel",
}
ACTIONS_IN_A_STATE = {
    ("processes/worker", "resume"): "paused worker",
    ("scheduler/schedule", "resume"): "paused schedule",
    ("scheduler/schedule", "enable"): "disabled schedule",
}
# What people write into the forms of new rows, and into those that are empty at first.
WRITTEN: dict[str, dict[str, Any]] = {
    "admin/processes/application/add/": {"name": "Sales"},
    "admin/processes/processmodel/add/": {"name": "SendReminders"},
    "admin/processes/worker/add/": {"name": "Another"},
    "admin/scheduler/schedule/add/": {"quartz": "0 0 6 * * ?", "time_zone": "UTC"},
    "admin/scheduler/schedule/<id>/change/": {"priority": "70"},
    "admin/login/": {"username": "grace.h", "password": "open sesame"},
    "admin/connector/apiclient/add/": {"name": "initech"},
    "admin/auth/user/add/": {"username": "grace", "usable_password": "true", **PASSWORDS},
    "admin/auth/user/<id>/password/": {"usable_password": "true", **PASSWORDS},
    "admin/auth/group/add/": {"name": "Readers"},
    "admin/django_celery_beat/periodictask/add/": {
        "name": "A task",
        "regtask": "processes.purge_runs",
        "interval": "1",
    },
    "admin/django_celery_beat/clockedschedule/add/": {
        "clocked_time_0": "2199-01-01",
        "clocked_time_1": "00:00:00",
    },
    "admin/django_celery_beat/crontabschedule/add/": {"minute": "17"},
    "admin/django_celery_beat/intervalschedule/add/": {"every": "17", "period": "hours"},
    "admin/django_celery_beat/solarschedule/add/": {
        "event": "sunrise",
        "latitude": "39",
        "longitude": "32",
    },
    "admin/password_change/": {
        "old_password": "open sesame",
        "new_password1": NEW_PASSWORD,
        "new_password2": NEW_PASSWORD,
    },
}
DELETED = {"post": "yes", "confirmed": "1"}


def visit_of(address: str, rows: dict[str, Any]) -> Visit:
    """Return where an address is with a real row, and what is written there."""
    query = ""
    if address == "admin/scheduler/schedule/add/":
        query = "?" + urlencode({"process_model": rows["plain process model"].pk})
    elif address == "admin/parameters/":
        query = "?" + urlencode({"id": rows["processes/processmodel"].pk})
    elif address == "admin/autocomplete/":
        names = {"app_label": "processes", "model_name": "run", "field_name": "worker"}
        query = "?" + urlencode(names)
    elif address == "admin/search/":
        query = "?s=a"
    extra = WRITTEN.get(address, {})
    if address.endswith("/delete/"):
        extra = DELETED
    if address == "admin/django_celery_beat/periodictask/add/":
        extra = extra | {"interval": rows["django_celery_beat/intervalschedule"].pk}
    return Visit(f"/{_fill(address, rows)}{query}", extra)


def _fill(address: str, rows: dict[str, Any]) -> str:
    if address == "admin/r/<id>/<id>/":
        run = rows["processes/run"]
        return f"admin/r/{ContentType.objects.get_for_model(run).pk}/{run.pk}/"
    if address.startswith("admin/^"):
        return "admin/processes/"
    if address.startswith("admin/(?P<url>"):
        return "admin/nothing/here/"
    if address.startswith("^scheduler/"):
        path = "scheduler/Connector-API/process/"
        return path + ("start/" if "start" in address else f"status/{rows['own run'].pk}/")
    if address.startswith("scheduler/connector-api/process/status/"):
        return address.replace("<id>", str(rows["own run"].pk))
    if address == "admin/audit/<id>/<id>/":
        entry = trail_of(rows["processes/worker"]).entries.objects.first()
        return f"admin/audit/processes.worker/{entry.pk}/"
    if address == "admin/connector/apiclient/<id>/passwords/<id>/revoke/":
        client = rows["connector/apiclient"]
        return f"admin/connector/apiclient/{client.pk}/passwords/{client.secrets.get().pk}/revoke/"
    if "<id>" not in address:
        return address
    parts = address.split("/")
    row = rows[ROWS_IN_A_STATE.get(address, f"{parts[1]}/{parts[2]}")]
    return address.replace("<id>", str(row.pk))
