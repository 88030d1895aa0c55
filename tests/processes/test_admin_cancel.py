"""Cancelling a run from its page: asked first, by those who may, while there is something to."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from processes.models import Run
from tests.factories import RunFactory, UserFactory

pytestmark = pytest.mark.django_db


def page_of(run: Run, page: str = "change") -> str:
    return f"/admin/processes/run/{run.pk}/{page}/"


@pytest.fixture
def operator() -> Client:
    """Return the browser of somebody who may see and cancel runs."""
    user = UserFactory.create(username="ada", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_run", "cancel_run"]))
    client = Client()
    client.force_login(user)
    return client


def cancel(browser: Client, run: Run) -> Any:
    return browser.post(page_of(run, "cancel"), {"confirmed": "1"}, follow=True)


def test_waiting_run_is_cancelled_once_confirmed(operator: Client) -> None:
    run = RunFactory.create()

    asked = operator.get(page_of(run, "cancel"))
    before = Run.objects.get().status
    answer = cancel(operator, run)

    run.refresh_from_db()
    assert "never begins" in asked.content.decode()
    assert before == "WAITING"
    assert run.status == "CANCELLED"
    assert run.message.startswith("Cancelled by ada at ")
    assert answer.redirect_chain == [(page_of(run), 302)]


def test_running_run_is_told_to_end(operator: Client) -> None:
    run = RunFactory.create(running=True)

    cancel(operator, run)

    run.refresh_from_db()
    assert (run.status, run.cancel_requested_by) == ("RUNNING", "ada")
    assert run.cancel_requested_at is not None


def test_run_that_has_ended_is_told_in_words_and_has_no_button(operator: Client) -> None:
    run = RunFactory.create(succeeded=True)

    page = operator.get(page_of(run)).content.decode()
    answer = cancel(operator, run)

    run.refresh_from_db()
    assert page_of(run, "cancel") not in page
    assert run.status == "SUCCEEDED"
    assert "There is nothing to cancel" in answer.content.decode()


def test_reader_without_the_right_has_no_button_and_is_refused() -> None:
    run = RunFactory.create()
    user = UserFactory.create(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_run"))
    browser = Client()
    browser.force_login(user)

    page = browser.get(page_of(run)).content.decode()
    answer = cancel(browser, run)

    assert page_of(run, "cancel") not in page
    assert answer.status_code == 403
    assert Run.objects.get().status == "WAITING"


def test_button_leads_to_the_question(operator: Client) -> None:
    run = RunFactory.create()

    assert page_of(run, "cancel") in operator.get(page_of(run)).content.decode()
    assert operator.get("/admin/processes/run/x/cancel/").status_code == 404
