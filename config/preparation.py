"""Makes a fresh installation usable: tables, static files, processes, first accounts, worker 1."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.core.management import call_command

from connector.client_creation import create_api_client
from connector.models import ApiClient
from processes.models import Worker
from processes.registration import load_processes
from processes.synchronization import sync_processes

ADMIN_NAME = "admin"
CLIENT_NAME = "demo"


@dataclass(frozen=True)
class Prepared:
    """What preparing made; a password is None when its account was there before."""

    admin_password: str | None
    client_password: str | None
    worker: Worker

    @property
    def is_first_start(self) -> bool:
        """Tell whether the demo client was made now, so that its password is known."""
        return self.client_password is not None


def prepare(say: Callable[[str], None]) -> Prepared:
    """Bring the installation up to date; safe to repeat. `say` is told of each step."""
    load_processes()
    say("database")
    call_command("migrate", interactive=False, verbosity=0)
    say("static files")
    call_command("collectstatic", interactive=False, verbosity=0)
    report = sync_processes()
    say(f"process models: {', '.join([*report.created, *report.updated])}")
    return Prepared(
        admin_password=_create_admin(),
        client_password=_create_client(),
        worker=_create_worker(),
    )


def _create_admin() -> str | None:
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(12)
    users.create_superuser(ADMIN_NAME, password=password)
    return password


def _create_client() -> str | None:
    if ApiClient.objects.exists():
        return None
    return create_api_client(CLIENT_NAME, description="Made at the first start, to try the API.")[1]


def _create_worker() -> Worker:
    return Worker.objects.order_by("pk").first() or Worker.objects.create(name="Worker 1")
