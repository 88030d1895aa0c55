"""The admin without a mouse."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.browser


def test_the_filters_open_by_keyboard(open_page: OpenPage) -> None:
    page = open_page()
    page.goto("/admin/processes/run/")

    page.get_by_role("button", name="Filters").press("Enter")

    expect(page.get_by_role("button", name="Apply filters")).to_be_visible()
