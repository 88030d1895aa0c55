"""What the refused requests are about: callers, process models, workers, runs and plans."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from connector.models import ApiClient, IdempotencyRecord, RequestWindow, WrongAttempt
from connector.throttling import MOST_OF_A_NAME, digest_name
from processes import registration
from processes.models import ProcessModel, Worker
from processes.synchronization import sync_processes
from processes.value_types import ValueType
from scheduler.addresses import name_sender
from tests.conftest import make_caller
from tests.connector.error_cases.case import Case
from tests.factories import (
    ParameterFactory,
    ProcessModelFactory,
    RunFactory,
    UserFactory,
    WorkerFactory,
    make_schedule,
)

TYPED = {
    "whole": ValueType.INTEGER,
    "number": ValueType.NUMBER,
    "flag": ValueType.BOOLEAN,
    "day": ValueType.DATE,
    "moment": ValueType.DATE_TIME,
    "colour": ValueType.CHOICE,
}


@dataclass(frozen=True)
class Stage:
    """Passwords by the name of the caller, and the ids that a path may name."""

    passwords: Mapping[str, str]
    ids: Mapping[str, str]

    def headers_of(self, case: Case) -> dict[str, str]:
        """Return the headers of a case, with the credentials of its caller."""
        if case.caller is None:
            return case.all_headers
        pair = f"{case.caller}:{self.passwords[case.caller]}".encode()
        return {"Authorization": f"Basic {b64encode(pair).decode()}"} | case.all_headers

    def path_of(self, case: Case) -> str:
        """Return the address of a case, with the ids that it names."""
        path = case.path
        for name, text in self.ids.items():
            path = path.replace(f"{{{name}}}", text)
        return path


def set_stage() -> Stage:
    """Store everything that the cases name."""
    _make_process_models()
    for number, enabled in ((1, True), (2, False), (3, True)):
        WorkerFactory.create(pk=number, enabled=enabled)
    passwords = _make_callers() | _make_users()
    return Stage(passwords, _make_transactions())


def _make_process_models() -> None:
    registration.load_processes()
    sync_processes()
    ProcessModelFactory.create(name="Switched off", enabled=False)
    later: ProcessModel = ProcessModelFactory.create(name="Of a later version")
    ParameterFactory.create(process_model=later, name="x", value_type="unheard-of")
    typed: ProcessModel = ProcessModelFactory.create(name="Typed")
    ParameterFactory.create(process_model=typed, name="needed")
    for name, value_type in TYPED.items():
        ParameterFactory.create(
            process_model=typed,
            name=name,
            value_type=value_type,
            required=False,
            choices=["red", "green", "blue"] if value_type == ValueType.CHOICE else [],
        )


def _make_callers() -> dict[str, str]:
    names = ("acme", "globex", "limited", "disabled", "expired", "locked", "hurried")
    passwords = {name: make_caller(name).password for name in names}
    ApiClient.objects.filter(name="disabled").update(enabled=False)
    yesterday = timezone.now() - timedelta(days=1)
    ApiClient.objects.filter(name="expired").update(expires_at=yesterday)
    _use_up_limits()
    limited = ApiClient.objects.get(name="limited")
    limited.process_models.add(ProcessModel.objects.get(name="CountDown"))
    limited.workers.add(Worker.objects.get(pk=1))
    return passwords


def _use_up_limits() -> None:
    later = timezone.now() + timedelta(hours=1)  # the minute may not be over before the last case
    digest, network = digest_name("locked"), name_sender("127.0.0.1")
    for _ in range(MOST_OF_A_NAME):
        WrongAttempt.objects.create(name_digest=digest, network=network, attempted_at=later)
    hurried = ApiClient.objects.get(name="hurried")
    hurried.rate_limit = 1
    hurried.save()
    RequestWindow.objects.create(client=hurried, started_at=later, requests=1)
    IdempotencyRecord.objects.create(
        owner=f"client:{ApiClient.objects.get(name='acme').pk}",
        key="used",
        body_digest=bytes(32),
        robusta_spid=uuid4(),
    )


def _make_users() -> dict[str, str]:
    UserFactory.create(username="unpermitted")
    UserFactory.create(username="inactive", is_active=False, is_superuser=True)
    return {"unpermitted": "open sesame", "inactive": "open sesame"}


def _make_transactions() -> dict[str, str]:
    other = f"client:{ApiClient.objects.get(name='globex').pk}"
    rows: dict[str, Any] = {
        "a client's run": RunFactory.create(succeeded=True, owner=other),
        "a user's run": RunFactory.create(succeeded=True, owner="user:1"),
        "an admin's run": RunFactory.create(succeeded=True),
        "an admin's plan": make_schedule(),
        "a client's plan": make_schedule(),
    }
    rows["a client's plan"].owner = other
    rows["a client's plan"].save()
    ids = {name: str(row.pk) for name, row in rows.items()}
    return ids | {name.upper(): text.upper() for name, text in ids.items()}
