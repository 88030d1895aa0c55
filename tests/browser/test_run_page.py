"""The page of a run in a browser: it follows the run by itself, and stops when the run has ended."""

from typing import Any

import pytest
from django.db.models.functions import Now
from playwright.sync_api import Page, expect

from processes.models import Run, RunAttempt, RunLog
from tests.browser.conftest import OpenPage
from tests.factories import RunFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run() -> Run:
    """Return a run that is being executed, with one line in its log."""
    run: Run = RunFactory.create(running=True, retry_count=1, progress_done=1, progress_total=4)
    RunAttempt.objects.create(run=run, number=1)
    write(run, 1, 1, "first line")
    return run


def write(run: Run, attempt: int, sequence: int, text: str, stream: str = "log") -> None:
    RunLog.objects.create(
        run=run, attempt=attempt, sequence=sequence, stream=stream, text=f"{text}\n"
    )


def change(run: Run, **fields: Any) -> None:
    Run.objects.filter(pk=run.pk).update(**fields)


def finish(run: Run) -> None:
    change(
        run,
        status="SUCCEEDED",
        outputs={"x": "Ada Lovelace"},
        lease_token=None,
        lease_expires_at=None,
        finished_at=Now(),
    )
    run.attempts.update(outcome="succeeded", finished_at=Now())


def open_run(page: Page, run: Run) -> None:
    page.goto(f"/admin/processes/run/{run.pk}/change/")


def test_page_follows_the_run_and_ends_with_it(open_page: OpenPage, run: Run) -> None:
    page = open_page(viewport={"width": 1440, "height": 1000})
    open_run(page, run)
    log = page.locator("#run-log")
    expect(log).to_contain_text("first line")
    expect(page.locator("#run-message progress")).to_have_attribute("value", "1")

    write(run, 1, 2, "<b>second</b> line", stream="stderr")
    change(run, progress_done=3)
    expect(log).to_contain_text("<b>second</b> line")
    expect(log.locator('[data-stream="stderr"]')).to_have_count(1)
    expect(page.locator("#run-message progress")).to_have_attribute("value", "3")

    change(run, attempt=2)
    run.attempts.update(outcome="failed", error="No paper.", finished_at=Now())
    RunAttempt.objects.create(run=run, number=2)
    write(run, 2, 1, "third line")
    expect(page.locator("#attempt-1")).to_contain_text("No paper.")
    expect(page.locator("#attempt-2")).to_contain_text("not ended")
    expect(log).to_contain_text("third line")
    expect(page.get_by_role("link", name="Cancel")).to_have_count(1)

    finish(run)
    expect(page.locator("#run-status")).to_contain_text("succeeded", ignore_case=True)
    expect(page.locator("#run-outputs")).to_contain_text("Ada Lovelace")
    expect(page.locator("#attempt-2")).to_contain_text("succeeded", ignore_case=True)
    expect(page.get_by_role("link", name="Cancel")).to_have_count(0)
    assert log.inner_text().count("first line") == log.inner_text().count("third line") == 1
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(1500)
    assert asked == []


def test_log_is_followed_at_its_end_unless_the_reader_has_scrolled(
    open_page: OpenPage, run: Run
) -> None:
    write(run, 1, 2, "\n".join(f"line {number}" for number in range(200)))
    page = open_page(viewport={"width": 420, "height": 900})
    open_run(page, run)
    log = page.locator("#run-log")
    at_end = "log => log.scrollHeight - log.scrollTop - log.clientHeight < 24"
    assert log.evaluate(at_end)

    write(run, 1, 3, "\n".join(f"more {number}" for number in range(50)))
    expect(log).to_contain_text("more 49")
    assert log.evaluate(at_end)

    log.evaluate("log => { log.scrollTop = 0; }")
    write(run, 1, 4, "\n".join(f"last {number}" for number in range(50)))
    expect(log).to_contain_text("last 49")
    assert log.evaluate("log => log.scrollTop") == 0


def test_reader_without_scripts_sees_the_log(open_page: OpenPage, run: Run) -> None:
    page = open_page(java_script_enabled=False)

    open_run(page, run)

    expect(page.locator("#run-log")).to_contain_text("first line")
    expect(page.get_by_role("link", name="Download the whole log")).to_be_visible()
