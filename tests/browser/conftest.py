"""A real Chromium in front of a live server."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from tests.factories import UserFactory
from tests.services import CHROMIUM, REMEDIES, REQUIRED, has_chromium

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Return a browser; without one the test is skipped, or fails where it is required.

    Playwright's event loop runs in the test's own thread for as long as the browser is open, which
    would make Django refuse every query there.
    """
    if not has_chromium():
        (pytest.fail if REQUIRED else pytest.skip)(f"No Chromium: {REMEDIES['chromium']}.")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, live_server: Any) -> Iterator[OpenPage]:
    """Return a function that opens a page, logged in through the login page.

    At the end the test fails if a page complained, or asked another host for anything.
    """
    UserFactory.create(username="ada", is_staff=True, is_superuser=True)
    complaints: list[str] = []

    def listen(page: Page) -> None:
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text) if message.type in {"error", "warning"} else None
            ),
        )
        page.on("request", complain_of_outside)

    def complain_of_outside(request: Request) -> None:
        if not request.url.startswith((live_server.url, "data:", "blob:")):
            complaints.append(f"outside request: {request.url}")

    with ExitStack() as stack:

        def open_one(*, script: str = "", **options: Any) -> Page:
            context = chromium.new_context(base_url=live_server.url, **options)
            stack.callback(context.close)
            context.set_default_timeout(15_000)
            if script:
                context.add_init_script(script)
            page = context.new_page()
            listen(page)
            page.goto("/")
            page.get_by_label("Username").fill("ada")
            page.get_by_label("Password").fill("open sesame")
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url("**/admin/")
            return page

        yield open_one
    assert complaints == []
