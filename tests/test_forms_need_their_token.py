"""No other site can have a browser change anything: every POST needs the token of its form."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from django.urls.resolvers import RoutePattern

from processes.models import Run
from tests.conftest import START, STATUS, Caller
from tests.factories import RunFactory, UserFactory

pytestmark = pytest.mark.django_db

# Of each kind of argument one that its address takes; the token is looked at before the row.
SAMPLES = {
    "int": "1",
    "path": "1",
    "str": "1",
    "slug": "x",
    "uuid": "0" * 8 + "-0000" * 3 + "-" + "0" * 12,
}
# They take no cookie as a credential, so no other site can borrow one.
WITHOUT_TOKEN = {"connector.views", "drf_spectacular.views", "connector.documentation_page"}


def routes(resolver: Any, prefix: str = "/") -> Iterator[tuple[str, Any]]:
    """Return an address of every route with its view; those of the API's spellings are left out."""
    for pattern in resolver.url_patterns:
        if not isinstance(pattern.pattern, RoutePattern):
            continue
        address = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, address)
        elif isinstance(pattern, URLPattern):
            for name, converter in pattern.pattern.converters.items():
                kind = (
                    type(converter)
                    .__name__.removesuffix("Converter")
                    .lower()
                    .replace("string", "str")
                )
                address = address.replace(f"<{kind}:{name}>", SAMPLES[kind]).replace(
                    f"<{name}>", "1"
                )
            yield address, pattern.callback


def ours() -> dict[str, Any]:
    return {
        address: view
        for address, view in routes(get_resolver())
        if getattr(view, "__module__", "") not in WITHOUT_TOKEN
    }


def test_every_route_is_tried() -> None:
    addresses = ours()

    assert len(addresses) > 100
    assert all(resolve(address) for address in addresses)
    assert "/admin/processes/run/1/cancel/" in addresses
    assert "/admin/connector/apiclient/1/new-password/" in addresses


def test_no_post_without_a_token_is_carried_out() -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(UserFactory.create(is_staff=True, is_superuser=True))

    answers = {address: browser.post(address, {"confirmed": "1"}) for address in ours()}

    carried_out = {
        address: answer.status_code
        for address, answer in answers.items()
        if answer.status_code != 403 or b"form was not accepted" not in answer.content
    }
    assert carried_out == {}


def test_a_cookie_is_no_credential_for_the_api() -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    run = RunFactory.create(succeeded=True)

    started = browser.post(START, {"name": run.process_model.name}, content_type="application/json")
    asked = browser.get(f"{STATUS}{run.pk}")

    assert (started.status_code, asked.status_code) == (401, 401)
    assert Run.objects.count() == 1


def test_the_api_needs_no_token_and_gives_no_cookie(acme: Caller, worker: Any) -> None:
    acme.client = Client(enforce_csrf_checks=True)

    answer = acme.start({"name": "Nothing"})

    assert answer.status_code == 400
    assert not answer.cookies


def test_logging_in_starts_a_session_of_its_own() -> None:
    UserFactory.create(username="ada", is_staff=True)
    browser = Client()
    session = browser.session
    session["planted"] = "by somebody else"
    session.save()
    planted = session.session_key
    browser.cookies["arabica-session"] = planted or ""

    browser.post("/admin/login/", {"username": "ada", "password": "open sesame"})

    cookie = browser.cookies["arabica-session"]
    assert cookie.value != planted
    assert not Session.objects.filter(session_key=planted).exists()
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["max-age"] == 12 * 3600


def test_logging_out_is_a_post_that_ends_the_session() -> None:
    browser = Client()
    browser.force_login(UserFactory.create(is_staff=True))

    assert browser.get("/admin/logout/").status_code == 405
    assert browser.get("/admin/").status_code == 200
    browser.post("/admin/logout/")

    assert browser.get("/admin/").status_code == 302
    assert not Session.objects.exists()


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example/",
        "\\\\evil.example/",
        "javascript:alert(1)",
        "http:evil.example",
        "/%09/evil.example\t",
        "https:///evil.example",
        "\x00//evil.example",
    ],
)
def test_logging_in_leads_to_no_other_site(address: str) -> None:
    UserFactory.create(username="ada", is_staff=True)
    form = {"username": "ada", "password": "open sesame", "next": address}

    by_form = Client().post("/admin/login/", form)
    by_address = Client().post("/admin/login/", form, query_params={"next": address})

    for answer in (by_form, by_address):
        assert answer.status_code == 302
        assert answer["Location"].startswith(("/admin/", "/%09/evil"))


def test_over_tls_cookies_belong_to_this_host_alone(tmp_path: Any) -> None:
    names = ("SESSION_COOKIE", "CSRF_COOKIE")
    code = "from config import settings as s; print(*[getattr(s, n) for n in {!r}])".format(
        [f"{name}_{part}" for name in names for part in ("NAME", "SECURE", "HTTPONLY", "SAMESITE")]
    )
    environment = os.environ | {"HTTPS": "1", "VAR_DIR": str(tmp_path), "SESSION_HOURS": "1"}

    printed = subprocess.check_output(  # noqa: S603 - this program
        [sys.executable, "-c", code], env=environment, text=True
    )

    assert printed.split() == [
        *("__Host-arabica-session", "True", "True", "Lax"),
        *("__Host-arabica-csrf", "True", "True", "Lax"),
    ]


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "localhost@evil.example"]
)
def test_no_page_is_made_for_a_host_that_is_not_ours(host: str) -> None:
    for headers in ({"host": host}, {"host": "localhost", "x-forwarded-host": host}):
        answer = Client().get("/admin/login/", headers=headers)
        assert host not in answer.content.decode()
        assert answer.status_code == (400 if headers["host"] == host else 200)
