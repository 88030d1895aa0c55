"""Every answer tells browsers to do no more with it than it needs, whoever made the answer."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import path

from config import urls
from tests.conftest import START, Caller
from tests.factories import UserFactory

OF_DATA = {"default-src": "'none'", "frame-ancestors": "'none'"}
OF_PAGES = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
OF_DOCUMENTATION = {"default-src": "'none'", "script-src": "'self'", "style-src": "'self'"}

pytestmark = pytest.mark.django_db


def fail(request: Any) -> HttpResponse:
    raise RuntimeError("a fault of ours")


urlpatterns = [path("fail", fail), path("scheduler/fail", fail), *urls.urlpatterns]
handler400, handler404, handler500 = urls.handler400, urls.handler404, urls.handler500


def policy(answer: Any) -> dict[str, str]:
    directives = (
        part.strip().partition(" ") for part in answer["Content-Security-Policy"].split(";")
    )
    return {name: value for name, _, value in directives}


def assert_protected(answer: Any, expected: dict[str, str]) -> None:
    found = policy(answer)
    assert {name: found.get(name) for name in expected} == expected
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    if answer["Content-Type"].startswith("text/html"):
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["Referrer-Policy"] == "same-origin"
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "camera=()" in answer["Permissions-Policy"]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize(
    ("address", "options", "status", "expected"),
    [
        ("/", {}, 302, OF_PAGES),
        ("/admin/", {}, 302, OF_PAGES),
        ("/admin/login/", {}, 200, OF_PAGES),
        ("/admin/jsi18n/", {}, 302, OF_PAGES),
        ("/admin/login/", {"headers": {"host": "evil.example"}}, 400, OF_PAGES),
        ("/nowhere", {}, 404, OF_PAGES),
        ("/fail", {}, 500, OF_PAGES),
        ("/api/docs/", {}, 200, OF_DOCUMENTATION),
        ("/api/docs/?script=", {}, 200, OF_DATA),
        ("/api/schema/", {}, 200, OF_DATA),
        ("/healthz", {}, 200, OF_DATA),
        ("/metrics", {"REMOTE_ADDR": "203.0.113.9"}, 403, OF_DATA),
        ("/scheduler/fail", {}, 500, OF_DATA),
        ("/scheduler/nowhere", {}, 404, OF_DATA),
        ("/scheduler/nowhere", {"headers": {"host": "evil.example"}}, 400, OF_DATA),
        (START, {}, 401, OF_DATA),
        (START, {"REMOTE_ADDR": "203.0.113.9"}, 403, OF_DATA),
    ],
)
def test_answers_are_protected(
    address: str, options: dict[str, Any], status: int, expected: dict[str, str]
) -> None:
    answer = Client(raise_request_exception=False).get(address, **options)

    assert answer.status_code == status
    assert_protected(answer, expected)
    assert "no-store" in answer["Cache-Control"]


def test_pages_are_not_kept_by_browsers(acme: Caller) -> None:
    browser = Client()
    browser.force_login(UserFactory.create(is_staff=True, is_superuser=True))

    for address in ("/admin/", "/admin/jsi18n/", "/admin/processes/run/", "/admin/parameters/"):
        answer = browser.get(address)
        assert_protected(answer, OF_PAGES if "jsi18n" not in address else OF_DATA)
        assert "no-store" in answer["Cache-Control"], address
    assert "no-store" in acme.start({"name": "Nothing"})["Cache-Control"]


def test_a_form_without_its_token_is_refused_in_words() -> None:
    answer = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "ada"})

    assert answer.status_code == 403
    assert_protected(answer, OF_PAGES)
    assert "reload the page and send the form again" in answer.content.decode()
    assert "CSRF" not in answer.content.decode()


def test_static_files_are_protected_and_may_be_kept(project: Any, tmp_path: Any) -> None:
    (tmp_path / "some.js").write_text("1")
    with override_settings(STATIC_ROOT=tmp_path):
        answer = Client().get("/static/some.js")
        assert answer.getvalue() == b"1"

    assert answer.status_code == 200
    assert_protected(answer, OF_DATA)
    assert answer["Cache-Control"].startswith("max-age=")
    assert "Access-Control-Allow-Origin" not in answer


@override_settings(
    SECURE_HSTS_SECONDS=60, SECURE_HSTS_PRELOAD=True, SECURE_HSTS_INCLUDE_SUBDOMAINS=True
)
@pytest.mark.parametrize(
    ("address", "host"),
    [("/admin/login/", "localhost"), (START, "localhost"), ("/admin/login/", "evil.example")],
)
def test_over_tls_every_answer_asks_for_it_in_future(address: str, host: str) -> None:
    answer = Client(headers={"host": host}).get(address, secure=True)

    assert answer["Strict-Transport-Security"] == "max-age=60; includeSubDomains; preload"
    assert "Strict-Transport-Security" not in Client().get(address)


def test_a_redirect_to_tls_is_protected() -> None:
    with override_settings(SECURE_SSL_REDIRECT=True):
        answer = Client().get("/admin/login/", headers={"host": "localhost"})

    assert answer.status_code == 301
    assert_protected(answer, OF_PAGES)
