"""Secrets in a browser: typed into password inputs, and seen on no page afterwards."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from processes.encryption import decrypt, encrypt
from processes.models import ProcessModel, Run
from scheduler.models import Schedule
from tests.browser.conftest import OpenPage
from tests.factories import ParameterFactory, ProcessModelFactory, RunFactory
from tests.scheduler.admin_pages import make_schedule, page_of

pytestmark = pytest.mark.browser


@pytest.fixture
def model(chromium: Browser, transactional_db: None) -> ProcessModel:
    """Return a process model with a secret that is required, and one that is not."""
    model: ProcessModel = ProcessModelFactory.create(name="PostInvoices", title="Posts invoices")
    ParameterFactory.create(process_model=model, name="user", help_text="Who logs in.")
    ParameterFactory.create(
        process_model=model, name="password", value_type="secret", help_text="Theirs."
    )
    ParameterFactory.create(
        process_model=model, name="token", value_type="secret", required=False, help_text="Rare."
    )
    return model


def look(page: Page, name: str) -> None:
    """Keep what the page looks like, where somebody wants to see it."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("width", [1440, 420])
def test_stored_secret_is_kept_replaced_and_removed(
    open_page: OpenPage, model: ProcessModel, width: int
) -> None:
    values = {"user": "ada", "password": encrypt("hunter2"), "token": encrypt("12345678")}
    schedule = make_schedule(process_model=model, values=values)
    page = open_page(viewport={"width": width, "height": 900})
    page.goto(page_of(schedule))
    look(page, f"secret-form-{width}")
    password, token = page.locator('input[type="password"]').all()

    assert (password.input_value(), token.input_value()) == ("", "")
    assert password.get_attribute("autocomplete") == "new-password"
    password.fill("swordfish")
    page.get_by_label("Remove the stored value").check()
    page.get_by_label("Priority").fill("1000")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".ar-refusal")).to_be_visible()
    look(page, f"secret-error-{width}")
    assert "swordfish" not in page.content()
    page.get_by_label("Priority").fill("50")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/admin/scheduler/schedule/")

    stored = Schedule.objects.get().values
    assert decrypt(stored["password"]) == "swordfish"
    assert "token" not in stored


def test_run_again_and_its_page_show_no_secret(open_page: OpenPage, model: ProcessModel) -> None:
    run = RunFactory.create(
        failed=True, process_model=model, values={"user": "ada", "password": encrypt("hunter2")}
    )
    page = open_page(viewport={"width": 1440, "height": 900})

    page.goto(f"/admin/processes/run/{run.pk}/change/")
    look(page, "secret-run")
    page.goto(f"/admin/processes/run/{run.pk}/again/")
    look(page, "secret-again")
    page.get_by_role("button", name="Run again").click()
    page.wait_for_url("**/change/")

    assert "hunter2" not in page.content()
    assert decrypt(Run.objects.exclude(pk=run.pk).get().values["password"]) == "hunter2"
