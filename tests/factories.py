"""Rows for tests; traits put them into a state."""

import uuid
from datetime import timedelta
from typing import Any

import factory
from django.contrib.auth import get_user_model
from django.db.models.functions import Now

from connector.models import ApiClient
from processes.models import Parameter, ProcessModel, Run, Worker, WorkerNode


class WorkerFactory(factory.django.DjangoModelFactory[Worker]):
    """A worker that takes runs."""

    class Meta:
        model = Worker

    name = factory.Sequence(lambda number: f"Worker {number}")


class WorkerNodeFactory(factory.django.DjangoModelFactory[WorkerNode]):
    """An online node."""

    class Meta:
        model = WorkerNode

    boot_id = factory.LazyFunction(uuid.uuid4)
    worker = factory.SubFactory(WorkerFactory)
    host = "test-host"
    pid = 4711
    concurrency = 2
    last_seen_at = factory.LazyFunction(Now)
    last_message_at = factory.LazyFunction(Now)

    class Params:
        offline = factory.Trait(last_seen_at=Now() - timedelta(minutes=5))


class ProcessModelFactory(factory.django.DjangoModelFactory[ProcessModel]):
    """A python process model without parameters."""

    class Meta:
        model = ProcessModel

    name = factory.Sequence(lambda number: f"Process{number}")
    executor = ProcessModel.Executor.PYTHON
    configuration = factory.LazyAttribute(lambda model: {"process": model.name})


class ParameterFactory(factory.django.DjangoModelFactory[Parameter]):
    """A required text parameter."""

    class Meta:
        model = Parameter

    process_model = factory.SubFactory(ProcessModelFactory)
    name = factory.Sequence(lambda number: f"value{number}")


class RunFactory(factory.django.DjangoModelFactory[Run]):
    """A waiting run that is ready."""

    class Meta:
        model = Run

    process_model = factory.SubFactory(ProcessModelFactory)

    class Params:
        running = factory.Trait(
            status=Run.Status.RUNNING,
            attempt=1,
            lease_token=factory.LazyFunction(uuid.uuid4),
            lease_expires_at=Now() + timedelta(seconds=30),
            started_at=factory.LazyFunction(Now),
        )
        succeeded = factory.Trait(
            status=Run.Status.SUCCEEDED,
            attempt=1,
            outputs={"x": "Ada Lovelace"},
            started_at=factory.LazyFunction(Now),
            finished_at=factory.LazyFunction(Now),
        )
        failed = factory.Trait(
            status=Run.Status.FAILED,
            attempt=1,
            message="The printer is out of paper.",
            started_at=factory.LazyFunction(Now),
            finished_at=factory.LazyFunction(Now),
        )
        postponed = factory.Trait(ready_at=Now() + timedelta(hours=1))


class ApiClientFactory(factory.django.DjangoModelFactory[ApiClient]):
    """An enabled client that may use everything; it has no secret yet."""

    class Meta:
        model = ApiClient

    name = factory.Sequence(lambda number: f"client-{number}")


class UserFactory(factory.django.DjangoModelFactory[Any]):
    """A user without rights, whose password is "open sesame"."""

    class Meta:
        model = get_user_model()
        skip_postgeneration_save = True

    username = factory.Sequence(lambda number: f"user-{number}")

    @factory.post_generation
    def password(self: Any, create: bool, extracted: str | None, **kwargs: Any) -> None:
        """Store the password's hash."""
        self.set_password(extracted or "open sesame")
        self.save()
