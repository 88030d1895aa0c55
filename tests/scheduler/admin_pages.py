"""What the tests of the schedules' admin pages share."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Permission
from django.forms import Select
from django.test import Client

from processes.models import ProcessModel
from scheduler.clock import database_now
from scheduler.drafts import ScheduleDraft
from scheduler.models import Fire, Schedule
from scheduler.planning import create_schedule
from tests.factories import ParameterFactory, ProcessModelFactory, UserFactory

LIST = "/admin/scheduler/schedule/"
ADD = f"{LIST}add/"
FRIDAYS = "0 6 6 ? * FRI"
DAILY = "0 6 6 * * ?"
TASKS = "/admin/django_celery_beat/periodictask/"


def browser_of(*permissions: str, **rights: bool) -> Client:
    """Return the browser of a member of staff with permissions such as `scheduler.view_schedule`."""
    user = UserFactory.create(username="ada", is_staff=True, **rights)
    for permission in permissions:
        app_label, codename = permission.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app_label, codename=codename)
        )
    client = Client()
    client.force_login(user)
    return client


def superuser() -> Client:
    """Return the browser of somebody who may do everything."""
    return browser_of(is_superuser=True)


def make_schedule(name: str = "Every Friday", *, quartz: str = FRIDAYS, **draft: Any) -> Schedule:
    """Return a schedule, made as every schedule is; its process model takes any value."""
    draft.setdefault("time_zone", "Europe/Istanbul")
    model = draft.pop("process_model", None) or ProcessModelFactory.create()
    return create_schedule(ScheduleDraft(process_model=model, quartz=quartz, name=name, **draft))


def page_of(schedule: Schedule, page: str = "change") -> str:
    """Return the address of a page of a schedule."""
    return f"{LIST}{schedule.pk}/{page}/"


def read_form(answer: Any) -> dict[str, Any]:
    """Return what a browser would post of the schedule form on a page, hidden initials included."""
    form = answer.context["form"]
    data: dict[str, Any] = {}
    for field in form:
        _add(data, field.html_name, field.value(), field)
        if field.field.show_hidden_initial:
            shown = field.field.hidden_widget().format_value(field.value())
            data[field.html_initial_name] = "" if shown is None else str(shown)
    return data


def _add(data: dict[str, Any], name: str, value: Any, field: Any) -> None:
    if field.widget_type == "unfoldboolean":
        if value:
            data[name] = "on"
        return
    if isinstance(field.field.widget, Select):
        offered = [str(key) for key, _label in field.field.widget.choices]
        data[name] = str(value) if str(value) in offered else offered[0]
        return
    shown = field.field.widget.format_value(value)
    data[name] = "" if shown is None else str(shown)


def new_form(
    process_model: ProcessModel, client: Client, **fields: Any
) -> tuple[str, dict[str, Any]]:
    """Return where to post a new schedule of a process model, and the form filled in."""
    address = f"{ADD}?process_model={process_model.pk}"
    data = read_form(client.get(address)) | {"quartz": FRIDAYS, "time_zone": "Europe/Istanbul"}
    return address, data | fields


def record(schedule: Schedule, age: timedelta, **fields: Any) -> Fire:
    """Return a row of the ledger whose fire time was so long ago."""
    fields.setdefault("outcome", Fire.Outcome.RAN)
    moment = fields.pop("fire_time", None) or (database_now() - age).replace(microsecond=0)
    return Fire.objects.create(schedule=schedule, fire_time=moment, **fields)


def messages_of(answer: Any) -> list[str]:
    """Return the messages that the page after a redirect shows."""
    return [str(message) for message in answer.context["messages"]]


def next_fire_time(schedule: Schedule) -> datetime | None:
    """Return what is stored now."""
    return Schedule.objects.get(pk=schedule.pk).next_fire_time


def errors_of(answer: Any) -> dict[str, list[str]]:
    """Return the messages of the form on a page, by field."""
    context = answer.context
    form = context["adminform"].form if "adminform" in context else context["form"]
    errors: dict[str, list[str]] = form.errors
    return errors


def make_invoices() -> ProcessModel:
    """Return a process model with one parameter of each type."""
    model = ProcessModelFactory.create(name="PostInvoices")
    declared: dict[str, dict[str, Any]] = {
        "company": {"value_type": "text"},
        "limit": {"value_type": "integer", "required": False, "default": 100},
        "threshold": {"value_type": "number", "required": False},
        "dry_run": {"value_type": "boolean"},
        "day": {"value_type": "date"},
        "not_before": {"value_type": "date-time", "required": False},
        "mode": {"value_type": "choice", "choices": ["fast", "careful"]},
        "options": {"value_type": "json", "required": False},
    }
    for name, options in declared.items():
        ParameterFactory.create(process_model=model, name=name, **options)
    return model


def inputs(model: ProcessModel, **values: str) -> dict[str, str]:
    """Return values by the names of their inputs."""
    parameters = {parameter.name: parameter.pk for parameter in model.parameters.all()}
    return {f"value_{parameters[name]}": value for name, value in values.items()}


def task_page(schedule: Schedule) -> str:
    """Return the address of the page of a schedule's periodic task."""
    return f"{TASKS}{schedule.periodic_task_id}/change/"


def read_task_form(client: Client, schedule: Schedule) -> dict[str, Any]:
    """Return what a browser would post of the page of a schedule's periodic task, untouched."""
    form = client.get(task_page(schedule)).context["adminform"].form
    data: dict[str, Any] = {}
    for field in form:
        shown = field.value()
        names = [field.html_name]
        parts = [shown]
        if hasattr(field.field.widget, "decompress"):
            names = [f"{field.html_name}_0", f"{field.html_name}_1"]
            parts = field.field.widget.decompress(shown)
        for name, part in zip(names, parts, strict=True):
            data[f"initial-{name}"] = "" if part is None else str(part)
            if part not in {None, False}:
                data[name] = "on" if part is True else str(part)
    return data
