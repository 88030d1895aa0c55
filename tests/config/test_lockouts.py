"""Wrong passwords at the log-in of the admin."""

import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.db.models import F
from django.test import Client
from django.utils import timezone

from connector.tasks import purge_attempts
from tests.factories import UserFactory

LOGIN = "/admin/login/"
ATTEMPTS = "/admin/axes/accessattempt/"
HERE, ELSEWHERE = "192.0.2.7", "192.0.2.8"


@pytest.fixture(autouse=True)
def ada(db: None) -> Any:
    """Return an administrator whose password is "open sesame"."""
    return UserFactory.create(username="ada", is_staff=True, is_superuser=True)


def log_in(
    name: str = "ada", given: str = "wrong", address: str = HERE, agent: str = "Browser"
) -> Any:
    """Return the answer to a log-in, made from the page as a browser does."""
    return Client(REMOTE_ADDR=address, HTTP_USER_AGENT=agent).post(
        LOGIN, {"username": name, "password": given}
    )


def test_the_eleventh_wrong_password_gets_a_page_that_says_when_to_try_again() -> None:
    statuses = [log_in().status_code for _ in range(9)]

    tenth, eleventh = log_in(), log_in()

    assert statuses == [200] * 9
    for answer in (tenth, eleventh):
        assert answer.status_code == 429
        assert 14 * 60 < int(answer.headers["Retry-After"]) <= 15 * 60
        assert "Try again in 15 minutes." in answer.content.decode()


def test_the_right_password_is_refused_too_but_not_from_another_address() -> None:
    for _ in range(10):
        log_in()

    assert log_in(given="open sesame").status_code == 429
    assert log_in(given="open sesame", address=ELSEWHERE).status_code == 302


def test_another_browser_or_address_of_the_same_network_is_locked_too() -> None:
    for number in range(10):
        log_in(address=f"2001:db8::{number + 1:x}", agent=f"Browser {number}")

    assert log_in(address="2001:db8::ffff", given="open sesame").status_code == 429
    assert log_in(address="2001:db8:0:1::1", given="open sesame").status_code == 302


def test_no_header_of_the_callers_own_changes_the_address() -> None:
    for number in range(10):
        Client(REMOTE_ADDR=HERE, HTTP_X_REAL_IP=f"10.0.0.{number}", HTTP_CLIENT_IP="10.1.1.1").post(
            LOGIN, {"username": "ada", "password": "wrong"}
        )

    assert log_in(given="open sesame").status_code == 429


def test_attempts_while_locked_do_not_lengthen_the_lock() -> None:
    for _ in range(10):
        log_in()
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=10))

    log_in()
    waits = int(log_in().headers["Retry-After"])
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=5))

    assert 4 * 60 < waits <= 5 * 60
    assert log_in(given="open sesame").status_code == 302


def test_a_right_password_forgets_the_wrong_ones() -> None:
    for _ in range(9):
        log_in()
    log_in(given="open sesame")

    assert log_in().status_code == 200
    assert AccessAttempt.objects.get().failures_since_start == 1


@pytest.mark.parametrize(
    "name",
    [
        "hunter2, my password",
        "x" * 3000,
        "",
        "a\0b",
        "ada\n2026 forged line",
        "\u202eada",
        "'\"<b>",
    ],
)
def test_what_was_typed_is_neither_stored_nor_logged(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="axes"):
        answer = log_in(name, "my password")

    stored = repr(list(AccessAttempt.objects.values()))
    assert answer.status_code == 200
    assert "my password" not in stored + caplog.text
    assert not name or name not in stored + caplog.text.replace("at 192.0.2.7", "")
    assert "forged" not in caplog.text


@pytest.mark.parametrize("address", ["", "nonsense", "fe80::1%eth0"])
def test_an_address_of_any_kind_is_counted(address: str) -> None:
    statuses = [log_in(address=address).status_code for _ in range(11)]

    assert statuses == [200] * 9 + [429] * 2


def test_an_administrator_sees_and_unlocks() -> None:
    for _ in range(10):
        log_in()
    log_in("nobody", "x", ELSEWHERE)
    browser = Client()
    browser.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    page = browser.get(ATTEMPTS).content.decode()
    row = AccessAttempt.objects.get(username="ada")
    chosen = {"action": "unlock", "_selected_action": [row.pk]}

    question = browser.post(ATTEMPTS, chosen).content.decode()
    still_locked = log_in(given="open sesame").status_code
    browser.post(ATTEMPTS, chosen | {"confirmed": "1"})

    assert re.search(r"locked for 1[45] min \d\d s", page)
    assert "a name that no user has" in page
    assert "ada, 192.0.2.7" in question
    assert still_locked == 429
    assert log_in(given="open sesame").status_code == 302


def test_old_attempts_are_purged() -> None:
    log_in()
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(days=1, seconds=1))
    AccessAttempt.objects.create(username="bob", ip_address=HERE, failures_since_start=1)

    purge_attempts()

    assert AccessAttempt.objects.get().username == "bob"
