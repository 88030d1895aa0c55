"""The page that DEBUG=1 shows for an error tells neither what was posted nor any key."""

import sys
from typing import Any

import pytest
from django.core.files.uploadhandler import StopUpload
from django.test import RequestFactory
from django.views.debug import ExceptionReporter

POSTED, HELD, KEY, PASSWORD = "posted-horse", "held-horse", "key-horse", "password-horse"


@pytest.mark.parametrize("debug", [True, False])
def test_error_page_shows_no_secret(settings: Any, debug: bool) -> None:
    settings.DEBUG = debug
    settings.SECRETS_KEYS = [KEY]
    settings.SECRET_KEY = KEY
    settings.CELERY_BROKER_URL = f"redis://:{PASSWORD}@127.0.0.1/0"
    request = RequestFactory().post(
        "/", {"value_7": POSTED}, headers={"Authorization": f"Basic {PASSWORD}"}
    )

    try:
        values = {"anything": HELD}
        raise StopUpload(connection_reset=bool(values))
    except StopUpload:
        reporter = ExceptionReporter(request, *sys.exc_info())
    page = reporter.get_traceback_html() + reporter.get_traceback_text()

    assert "StopUpload" in page
    assert "value_7" in page
    assert "&lt;dict&gt;" in page
    for secret in (POSTED, KEY, PASSWORD):
        assert secret not in page
    assert page.count(HELD) == 0
