"""Rows for tests; traits put them into a state."""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models.functions import Now
from factory.declarations import (
    LazyAttribute,
    LazyFunction,
    PostGeneration,
    Sequence,
    SubFactory,
    Trait,
)
from factory.django import DjangoModelFactory

from connector.models import ApiClient
from processes.models import Parameter, ProcessModel, Run, Worker, WorkerNode
from scheduler.clock import database_now
from scheduler.drafts import ScheduleDraft
from scheduler.models import Schedule
from scheduler.planning import create_schedule


class WorkerFactory(DjangoModelFactory[Worker]):
    """A worker that takes runs."""

    class Meta:
        model = Worker

    name = Sequence(lambda number: f"Worker {number}")


class WorkerNodeFactory(DjangoModelFactory[WorkerNode]):
    """An online node."""

    class Meta:
        model = WorkerNode

    boot_id = LazyFunction(uuid.uuid4)
    worker = SubFactory(WorkerFactory)
    host = "test-host"
    pid = 4711
    concurrency = 2
    last_seen_at = LazyFunction(Now)
    last_message_at = LazyFunction(Now)

    class Params:
        offline = Trait(last_seen_at=Now() - timedelta(minutes=5))


class ProcessModelFactory(DjangoModelFactory[ProcessModel]):
    """A python process model without parameters."""

    class Meta:
        model = ProcessModel

    name = Sequence(lambda number: f"Process{number}")
    executor = ProcessModel.Executor.PYTHON
    configuration = LazyAttribute(lambda model: {"process": model.name})


class ParameterFactory(DjangoModelFactory[Parameter]):
    """A required text parameter."""

    class Meta:
        model = Parameter

    process_model = SubFactory(ProcessModelFactory)
    name = Sequence(lambda number: f"value{number}")


class RunFactory(DjangoModelFactory[Run]):
    """A waiting run that is ready."""

    class Meta:
        model = Run

    process_model = SubFactory(ProcessModelFactory)

    class Params:
        running = Trait(
            status=Run.Status.RUNNING,
            attempt=1,
            lease_token=LazyFunction(uuid.uuid4),
            lease_expires_at=Now() + timedelta(seconds=30),
            started_at=LazyFunction(Now),
        )
        succeeded = Trait(
            status=Run.Status.SUCCEEDED,
            attempt=1,
            outputs={"x": "Ada Lovelace"},
            started_at=LazyFunction(Now),
            finished_at=LazyFunction(Now),
        )
        failed = Trait(
            status=Run.Status.FAILED,
            attempt=1,
            message="The printer is out of paper.",
            started_at=LazyFunction(Now),
            finished_at=LazyFunction(Now),
        )
        postponed = Trait(ready_at=Now() + timedelta(hours=1))


def make_schedule(quartz: str = "0 0 0 1 1 ? 2199", **fields: Any) -> Schedule:
    """Return a stored schedule; `fields` are those of a draft."""
    model = fields.pop("process_model", None) or ProcessModelFactory.create()
    return create_schedule(ScheduleDraft(model, quartz, fields.pop("time_zone", "UTC"), **fields))


def make_due_schedule(since: timedelta = timedelta(0), **fields: Any) -> Schedule:
    """Return a yearly schedule whose fire time of this year came so long ago and is not claimed."""
    moment = (database_now() - since).replace(microsecond=0)
    schedule = make_schedule(f"{moment:%-S %-M %-H %-d %-m} ?", **fields)
    schedule.next_fire_time = moment
    schedule.save()
    return schedule


def move_back(schedule: Schedule, since: timedelta) -> datetime:
    """Have a schedule's oldest unsettled fire time lie so far back; return that time.

    What the ledger has of it is forgotten: nothing is claimed up to what is settled.
    """
    schedule.fires.all().delete()
    moment = (database_now() - since).replace(microsecond=0)
    Schedule.objects.filter(pk=schedule.pk).update(next_fire_time=moment, settled_until=None)
    return moment


class ApiClientFactory(DjangoModelFactory[ApiClient]):
    """An enabled client that may use everything; it has no secret yet."""

    class Meta:
        model = ApiClient

    name = Sequence(lambda number: f"client-{number}")


class UserFactory(DjangoModelFactory[Any]):
    """A user without rights, whose password is "open sesame"."""

    class Meta:
        model = get_user_model()
        skip_postgeneration_save = True

    username = Sequence(lambda number: f"user-{number}")
    password = PostGeneration(
        lambda user, create, given, **options: _set_password(user, given or "open sesame")
    )


def _set_password(user: Any, password: str) -> None:
    user.set_password(password)
    user.save()
