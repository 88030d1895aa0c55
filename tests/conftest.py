"""Actors and switches that every test may use."""

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

# Before anything reads the settings: a test never touches the installation's own files.
os.environ["VAR_DIR"] = tempfile.mkdtemp(prefix="arabica-tests-")
Path(os.environ["VAR_DIR"], "static").mkdir()
if os.environ.get("DATABASE_URL"):  # without one there is a key in the folder
    os.environ.setdefault("SECRETS_KEY", "only-for-tests-only-for-tests-only-for-tests")

# ruff: noqa: E402 - the settings read the environment when they are imported
import pytest
from django.apps import apps
from django.conf import settings
from django.db import connections
from django.db.models.signals import post_migrate
from django.test import Client, override_settings

from connector import known_clients, throttling, usage
from connector.models import ApiClient
from processes import catalog, queueing, registration
from processes.audit_keeping import keep_entries
from processes.models import ProcessModel, Worker
from processes.synchronization import sync_processes
from tests.factories import ApiClientFactory, WorkerFactory

# The rows of a test are deleted after it, entries of the audit with all others.
post_migrate.disconnect(keep_entries, sender=apps.get_app_config("processes"))

START = "/scheduler/connector-api/process/start"
STATUS = "/scheduler/connector-api/process/status/"


class Answer(Protocol):
    """What Django's test client returns."""

    status_code: int
    headers: dict[str, str]

    def json(self) -> Any:
        """Return the body as an object."""


class Caller:
    """A caller of the connector API."""

    def __init__(self, name: str, password: str) -> None:
        self.name = name
        self.password = password
        self.client = Client()

    @property
    def headers(self) -> dict[str, str]:
        credentials = base64.b64encode(f"{self.name}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {credentials}"}

    def start(self, body: Any, path: str = START, **options: Any) -> Any:
        """Post a start call; text and bytes are sent as they are."""
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        return self.client.post(
            path, data, content_type="application/json", headers=self.headers, **options
        )

    def status(self, robusta_spid: Any) -> Any:
        """Ask for the status of a transaction."""
        return self.client.get(f"{STATUS}{robusta_spid}", headers=self.headers)


@pytest.fixture(autouse=True)
def _forget_what_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty the caches that outlive a transaction, and the silence of the doorbell.

    What is kept stays for the whole test: on a slow machine a second may end between two calls
    whose statements are counted.
    """
    for kept in (
        catalog.process_models,
        catalog.workers,
        known_clients.clients,
        throttling.suspects,
    ):
        kept.clear()
        monkeypatch.setattr(kept, "_seconds", 600.0)
    usage.forget_uses()
    queueing.doorbell = queueing.Doorbell()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Keep a SQLite test database in a file, as in use: one in memory knows no waiting for locks."""
    database = connections.settings["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database["TEST"]["NAME"] = str(Path(os.environ["VAR_DIR"], "test.sqlite3"))


@pytest.fixture(scope="session", autouse=True)
def _test_settings() -> Iterator[None]:
    """Serve static files as they lie, hash passwords quickly, leave no files behind."""
    storages = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    hashers = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with override_settings(STORAGES=storages, PASSWORD_HASHERS=hashers):
        yield
    shutil.rmtree(os.environ["VAR_DIR"], ignore_errors=True)


@pytest.fixture
def worker(db: None) -> Worker:
    """Return an enabled worker."""
    return WorkerFactory.create()


@pytest.fixture
def examples(db: None) -> dict[str, ProcessModel]:
    """Return the shipped process models by name."""
    registration.load_processes()
    sync_processes()
    return {model.name: model for model in ProcessModel.objects.all()}


def make_caller(name: str) -> Caller:
    """Store an API client with a secret and return it as a caller."""
    client: ApiClient = ApiClientFactory.create(name=name)
    return Caller(name, client.add_secret())


@pytest.fixture
def acme(db: None) -> Caller:
    """Return an API client."""
    return make_caller("acme")


@pytest.fixture
def globex(db: None) -> Caller:
    """Return another API client."""
    return make_caller("globex")


@pytest.fixture
def project() -> Path:
    """Return the folder of the project."""
    return Path(__file__).resolve().parent.parent
