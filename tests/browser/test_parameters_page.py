"""Copying a sample query, as staff do it: in a browser."""

import json
import os
import shutil
import subprocess
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from processes.models import ProcessModel, Run
from tests.browser.conftest import OpenPage
from tests.conftest import Caller
from tests.factories import WorkerFactory
from tests.services import REQUIRED

pytestmark = pytest.mark.browser

WITHOUT_CLIPBOARD = "Object.defineProperty(Navigator.prototype, 'clipboard', {value: undefined});"


@pytest.fixture(autouse=True)
def _worker(chromium: Browser, transactional_db: None) -> None:
    WorkerFactory.create()


def open_parameters(page: Page, name: str) -> None:
    """Go from the sidebar to the Parameters page of a process model."""
    sidebar = page.locator("#nav-sidebar-inner")
    sidebar.get_by_role("link", name="Scheduler", exact=True).click()
    page.get_by_role("link", name=f"Parameters of {name}").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def paste(page: Page) -> str:
    """Return what a paste gives, without the page's access to the clipboard."""
    page.evaluate("document.body.append(document.createElement('textarea'))")
    area = page.locator("textarea").last
    area.focus()
    page.keyboard.press("Control+V")
    return area.input_value()


def post(live_server: Any, caller: Caller, body: str) -> tuple[int, dict[str, Any]]:
    """Post a body to the live server's start call."""
    request = urllib.request.Request(  # noqa: S310 - the test's own server
        f"{live_server.url}/scheduler/connector-api/process/start",
        data=body.encode(),
        headers=caller.headers | {"Content-Type": "application/json; charset=utf-8"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - likewise
        return answer.status, json.load(answer)


def test_the_copied_body_starts_the_process(
    open_page: OpenPage, live_server: Any, examples: dict[str, ProcessModel], acme: Caller
) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    open_parameters(page, "OneStepNotepadRunner")

    page.get_by_role("button", name="Copy: JSON body, OneStepNotepadRunner").click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    status, answer = post(live_server, acme, copied)

    assert json.loads(copied)["values"] == {"username": "example", "usersurname": ""}
    assert (status, answer["message"]) == (200, "Process saved")
    assert str(Run.objects.get().pk) == answer["robustaSpid"]


def test_copying_works_by_keyboard_and_says_so_for_a_while(
    open_page: OpenPage, examples: dict[str, ProcessModel], acme: Caller
) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    open_parameters(page, "CountDown")
    block = page.locator("[data-sample=body]")
    button = block.get_by_role("button")

    button.press("Enter")

    expect(block.get_by_text("Copied")).to_be_visible()
    expect(block.get_by_text("Copy", exact=True)).to_be_visible()
    expect(page.get_by_role("status")).to_be_empty()
    expect(button).to_be_focused()


def test_copying_works_without_the_clipboard_api(
    open_page: OpenPage, live_server: Any, examples: dict[str, ProcessModel], acme: Caller
) -> None:
    page = open_page(script=WITHOUT_CLIPBOARD)
    open_parameters(page, "CountDown")

    page.locator("[data-sample=body]").get_by_role("button").click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    has_clipboard = page.evaluate("'clipboard' in navigator && navigator.clipboard !== undefined")
    status, answer = post(live_server, acme, paste(page))

    assert has_clipboard is False
    assert (status, answer["message"]) == (200, "Process saved")


def test_a_copy_that_fails_is_told(
    open_page: OpenPage, examples: dict[str, ProcessModel], acme: Caller
) -> None:
    page = open_page(script=WITHOUT_CLIPBOARD + "document.execCommand = () => false;")
    open_parameters(page, "CountDown")

    page.locator("[data-sample=body]").get_by_role("button").click()

    expect(page.get_by_role("status")).to_contain_text("Not copied")


def test_the_copied_commands_run_in_a_shell(
    open_page: OpenPage, examples: dict[str, ProcessModel], acme: Caller
) -> None:
    if not shutil.which("curl"):
        (pytest.fail if REQUIRED else pytest.skip)("No curl: install it.")
    page = open_page(script=WITHOUT_CLIPBOARD)
    open_parameters(page, "OneStepNotepadRunner")

    started = run_copied(page, "curl", ARABICA_PASSWORD=acme.password)
    asked = run_copied(
        page,
        "status-curl",
        ARABICA_PASSWORD=acme.password,
        ROBUSTA_SPID=started["robustaSpid"],
    )

    assert started["message"] == "Process saved"
    assert asked["status"] == "WAITING"


def run_copied(page: Page, name: str, **environment: str) -> Any:
    """Copy a command, run it in a shell, and return the JSON that it prints."""
    page.locator(f"[data-sample={name}]").get_by_role("button").click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    command = paste(page)
    done = subprocess.run(  # noqa: S603 - the text that the page offers is what is tested
        ["/bin/sh", "-c", command],
        env={"PATH": os.environ["PATH"], "no_proxy": "*"} | environment,
        capture_output=True,
        timeout=20,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("width", [420, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_the_screen(
    open_page: OpenPage,
    examples: dict[str, ProcessModel],
    acme: Caller,
    width: int,
    scheme: str,
) -> None:
    page = open_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    addresses = [
        "/admin/processes/processmodel/",
        f"/admin/processes/processmodel/{examples['CountDown'].pk}/change/",
        "/admin/processes/run/",
        "/admin/processes/worker/",
        "/admin/connector/apiclient/",
        f"/admin/parameters/{examples['CountDown'].pk}/",
    ]

    wider = {}
    for address in addresses:
        page.goto(address)
        wider[address] = page.evaluate("document.documentElement.scrollWidth > innerWidth")

    assert wider == dict.fromkeys(addresses, False)
