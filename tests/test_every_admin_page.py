"""Every page of the admin, as every role: none breaks, none shows what it should not."""

import uuid
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat import models as beat

from connector.models import ApiClient, ApiSecret
from processes.models import Application, ProcessModel, Run, Worker
from processes.models.trails import trail_of
from scheduler.models import Schedule
from tests.factories import (
    ApiClientFactory,
    ProcessModelFactory,
    RunFactory,
    UserFactory,
    WorkerNodeFactory,
)

NEVER_ADDED = {AccessAttempt, Run}
NEVER_DELETED = {Run}
TOLD_BY_AUDIT = {
    ProcessModel,
    Application,
    Worker,
    Schedule,
    ApiClient,
    User,
    Group,
    beat.PeriodicTask,
}
CONFIRMED = [
    (Worker, "pause"),
    (Run, "again"),
    (ApiClient, "new-password"),
    (Schedule, "run"),
    (Schedule, "pause"),
    (Schedule, "resume"),
    (Schedule, "skip"),
    (Schedule, "enable"),
    (Schedule, "disable"),
    (Schedule, "duplicate"),
]


@pytest.fixture
def rows(db: None) -> dict[type[Model], Model]:
    """Return a row of every model that the admin shows."""
    interval = beat.IntervalSchedule.objects.create(every=1, period="hours")
    task = beat.PeriodicTask.objects.create(name="A plan", task="none", interval=interval)
    process_model = ProcessModelFactory.create()
    made: list[Model] = [
        interval,
        task,
        process_model,
        beat.CrontabSchedule.objects.create(),
        beat.ClockedSchedule.objects.create(clocked_time=timezone.now()),
        beat.SolarSchedule.objects.create(event="sunset", latitude=39, longitude=32),
        Schedule.objects.create(
            periodic_task=task, process_model=process_model, quartz="0 0 0 * * ?"
        ),
        RunFactory.create(failed=True),
        WorkerNodeFactory.create().worker,
        Application.objects.create(name="Accounting"),
        ApiClientFactory.create(),
        AccessAttempt.objects.create(username="ada", failures_since_start=1),
        Group.objects.create(name="Staff"),
        UserFactory.create(),
    ]
    ApiClient.objects.get().add_secret()
    return {type(row): row for row in made}


def log_in(**rights: bool) -> Client:
    """Return the browser of a new user."""
    client = Client()
    client.force_login(UserFactory.create(**rights))
    return client


def address(model: type[Model], page: str, *arguments: Any) -> str:
    """Return the address of one of the admin's standard pages."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)


def entry_of(rows: dict[type[Model], Model]) -> list[Any]:
    """Return where an entry of the audit is."""
    return ["processes.worker", trail_of(rows[Worker]).entries.objects.first().pk]


def pages(rows: dict[type[Model], Model]) -> dict[str, int]:
    """Return every address with the status that a superuser gets."""
    expected: dict[str, int] = {
        reverse("connector:parameters", args=[rows[ProcessModel].pk]): 200,
        f"{reverse('connector:parameters')}?id={rows[ProcessModel].pk}": 200,
        address(ProcessModel, "change", rows[ProcessModel].pk).replace("change", "parameters"): 302,
        address(ProcessModel, "change", rows[ProcessModel].pk).replace("change", "schedule"): 302,
    }
    run = rows[Run].pk
    expected |= {address(Run, "live", run): 200, address(Run, "log", run): 200}
    new_schedule = address(Schedule, "add")
    expected |= {
        f"{new_schedule}?process_model={rows[ProcessModel].pk}": 200,
        address(Schedule, "preview"): 200,
        address(Schedule, "ledger", rows[Schedule].pk): 200,
        address(Schedule, "change", rows[Schedule].pk).replace("change", "show-ledger"): 302,
    }
    client = rows[ApiClient]
    secret = ApiSecret.objects.get()
    expected[reverse("admin:connector_apisecret_revoke", args=[client.pk, secret.pk])] = 200
    expected |= {reverse("audit"): 200, reverse("audit_entry", args=entry_of(rows)): 200}
    for model, row in rows.items():
        expected[address(model, "changelist")] = 200
        expected[address(model, "change", row.pk)] = 200
        expected[address(model, "history", row.pk)] = 302 if model in TOLD_BY_AUDIT else 200
        expected[address(model, "add")] = 403 if model in NEVER_ADDED else 200
        expected[address(model, "delete", row.pk)] = 403 if model in NEVER_DELETED else 200
    for model, action in CONFIRMED:
        expected[address(model, "change", rows[model].pk).replace("change", action)] = 200
    return expected


def test_every_registered_model_is_looked_at(rows: dict[type[Model], Model]) -> None:
    assert set(admin.site._registry) == set(rows)


def test_a_superuser_sees_every_page(rows: dict[type[Model], Model]) -> None:
    browser = log_in(is_staff=True, is_superuser=True)
    expected = pages(rows)

    seen = {page: browser.get(page).status_code for page in expected}

    assert seen == expected


def test_staff_without_rights_see_none(rows: dict[type[Model], Model]) -> None:
    browser = log_in(is_staff=True)
    expected = pages(rows)

    seen = {page: browser.get(page).status_code for page in expected}

    assert seen == dict.fromkeys(expected, 403)
    assert browser.get("/admin/").status_code == 200


@pytest.mark.parametrize("is_logged_in", [True, False])
def test_others_are_asked_to_log_in(rows: dict[type[Model], Model], is_logged_in: bool) -> None:
    browser = log_in() if is_logged_in else Client()

    for page in pages(rows):
        answer = browser.get(page)
        assert answer.status_code == 302, page
        assert answer["Location"].startswith("/admin/login/"), page


def test_the_sidebar_leads_nowhere_that_the_reader_may_not_go(
    rows: dict[type[Model], Model],
) -> None:
    for rights in ({"is_superuser": True}, {}):
        browser = log_in(is_staff=True, **rights)
        groups = browser.get("/admin/").context["sidebar_navigation"]
        links = [
            str(item["link"])
            for group in groups
            for item in group["items"]
            if item["has_permission"]
        ]

        assert len(links) == (14 if rights else 0)
        assert [link for link in links if browser.get(link).status_code != 200] == []


def test_logging_in_leads_to_the_admin(db: None) -> None:
    UserFactory.create(username="ada", is_staff=True)

    answer = Client().post(
        "/admin/login/", {"username": "ada", "password": "open sesame"}, follow=True
    )

    assert answer.redirect_chain == [("/admin/", 302)]


def test_an_unknown_row_is_not_found(rows: dict[type[Model], Model]) -> None:
    browser = log_in(is_staff=True, is_superuser=True)

    answer = browser.get(f"/admin/processes/run/{uuid.uuid4()}/change/", follow=True)

    assert answer.redirect_chain == [("/admin/", 302)]
    assert browser.get("/admin/connector/apiclient/4711/new-password/").status_code == 404
    assert browser.get("/admin/processes/processmodel/x/parameters/").status_code == 404
