"""What moves on the admin's pages works under the policy that keeps foreign scripts out."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from connector.models import ApiClient
from processes.models import Application, Parameter
from tests.browser.conftest import OpenPage
from tests.factories import ApiClientFactory, ProcessModelFactory, RunFactory, WorkerFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page(viewport={"width": 1440, "height": 1000})


def test_the_theme_is_switched_and_kept(page: Page) -> None:
    seen = set()
    for _ in range(2):
        page.keyboard.press("Control+e")
        page.reload()
        seen.add(page.locator("html").get_attribute("class"))

    assert seen == {"dark", "light"}


def test_rows_are_chosen_by_typing(page: Page) -> None:
    worker = WorkerFactory.create(name="Reader of <b>invoices</b>")
    client: Any = ApiClientFactory.create()
    page.goto(f"/admin/connector/apiclient/{client.pk}/change/")

    field = page.locator(".field-workers .select2-selection, .field-workers .select2").first
    field.click()
    page.keyboard.type("Reader")
    page.locator(".select2-results__option", has_text="Reader of <b>invoices</b>").click()
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/apiclient/")

    assert list(ApiClient.objects.get().workers.all()) == [worker]


def test_a_row_is_added_in_a_window_of_its_own(page: Page) -> None:
    client: Any = ApiClientFactory.create()
    page.goto(f"/admin/connector/apiclient/{client.pk}/change/")

    page.locator("[x-ref=relatedWidgetWrapperapplications]").click()
    with page.expect_popup() as opened:
        page.locator("#add_id_applications").click()
    window = opened.value
    window.fill("#id_name", "<img src=x onerror=alert(1)>")
    with window.expect_event("close"):
        window.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator("#id_applications option:checked")).to_have_text(
        "<img src=x onerror=alert(1)>"
    )
    assert Application.objects.count() == 1


def test_a_day_is_chosen_from_the_calendar(page: Page) -> None:
    page.goto("/admin/connector/apiclient/add/")

    page.locator("#calendarlink0").click()
    page.locator("#calendarbox0 td:not(.nonday) a").first.click()

    expect(page.locator("#id_expires_at_0")).to_have_value(re.compile(r"\d{4}-\d{2}-\d{2}"))


def test_a_line_is_added_to_a_table(page: Page) -> None:
    model = ProcessModelFactory.create(executor="command", configuration={"argv": ["hello.py"]})
    page.goto(f"/admin/processes/processmodel/{model.pk}/change/")

    page.locator("#parameters-group a.add-row").click()
    page.fill("#id_parameters-0-name", "times")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/processmodel/")

    assert Parameter.objects.get().name == "times"


def test_pages_are_found_by_typing(page: Page) -> None:
    page.keyboard.press("Control+k")
    page.keyboard.type("work")

    expect(page.get_by_role("link", name=re.compile("Workers")).last).to_be_visible()


def test_filters_open_and_close(page: Page) -> None:
    RunFactory.create(failed=True)
    page.goto("/admin/processes/run/?period=all")

    page.locator("[x-on\\:click='filterOpen = true']").click()

    expect(page.locator("#changelist-filter")).to_be_visible()


def test_the_documentation_unfolds(page: Page) -> None:
    page.goto("/api/docs/")

    page.get_by_text("/scheduler/connector-api/process/start", exact=False).first.click()
    page.get_by_role("button", name="Try it out").first.click()

    expect(page.get_by_role("button", name="Execute").first).to_be_visible()


def test_selected_rows_are_saved_as_a_file(page: Page) -> None:
    run = RunFactory.create(failed=True)
    page.goto("/admin/processes/run/?period=all")

    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option("save_as_csv")
    with page.expect_download() as downloaded:
        page.get_by_role("button", name="Run").or_(page.locator("button[name=index]")).first.click()

    assert str(run.pk) in downloaded.value.path().read_text(encoding="utf-8-sig")
