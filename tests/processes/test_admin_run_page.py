"""The page of a run follows it: status, progress, attempts and log, in bounded answers."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from processes.models import Run, RunAttempt, RunLog
from tests.factories import RunFactory, UserFactory

pytestmark = pytest.mark.django_db
MOMENT = datetime(2026, 3, 2, 12, 0, 5, tzinfo=UTC)
MAX_QUERIES = 14  # the session, the reader and the rights take four


def page_of(run: Run, page: str = "change") -> str:
    return f"/admin/processes/run/{run.pk}/{page}/"


def log_in(*rights: str) -> Client:
    user = UserFactory.create(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def reader() -> Client:
    """Return the browser of somebody who may see runs."""
    return log_in("view_run")


def write(run: Run, *places: tuple[int, int], text: str = "", stream: str = "log") -> None:
    for attempt, sequence in places:
        line = text or f"line {attempt}.{sequence}\n"
        RunLog.objects.create(run=run, attempt=attempt, sequence=sequence, stream=stream, text=line)


def read(browser: Client, run: Run, page: str = "change", **query: Any) -> str:
    answer = browser.get(page_of(run, page), query)
    assert answer.status_code == 200
    text: str = answer.content.decode()
    return text


def test_page_shows_every_attempt(reader: Client) -> None:
    run = RunFactory.create(failed=True, attempt=3, retry_count=2)
    first = {"outcome": "lost", "signal": "SIGKILL", "error": "Killed <i>."}
    times = {"started_at": MOMENT, "finished_at": MOMENT + timedelta(seconds=90)}
    RunAttempt.objects.create(run=run, number=1, node_name="worker-1@host:7", **first, **times)
    RunAttempt.objects.create(run=run, number=2, outcome="failed", exit_code=3, **times)
    RunAttempt.objects.create(run=run, number=3, started_at=MOMENT)

    page = read(reader, run)

    first_one, second, third = re.findall(r'<li id="attempt-\d".*?</li>', page, re.DOTALL)
    for text in ("Attempt 1", "lost", "SIGKILL", "Killed &lt;i&gt;.", "worker-1@host:7"):
        assert text in first_one
    assert "2026-03-02 12:00:05 UTC" in first_one
    assert "2026-03-02 12:01:35 UTC" in first_one
    assert "1 min 30 s" in first_one
    assert re.search(r"exit code</dt><dd>3<", second)
    assert "not ended" in third


def test_page_shows_the_log_and_where_to_get_all_of_it(reader: Client) -> None:
    run = RunFactory.create(succeeded=True, attempt=2)
    write(run, (1, 1), (1, 2), (2, 1))
    write(run, (2, 2), text="<script>alert(1)</script>\n", stream="stderr")

    page = read(reader, run)

    assert page.index("line 1.1") < page.index("line 1.2") < page.index("line 2.1")
    assert page.count('class="ar-live ar-log-attempt"') == 2
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert 'data-stream="stderr">stderr<' in page
    assert page_of(run, "log") in page
    assert "Only the end of the log is shown." not in page


def test_page_shows_the_end_of_a_long_log_only(reader: Client) -> None:
    run = RunFactory.create(succeeded=True)
    write(run, *((1, number) for number in range(1, 65)), text="x" * 16_384)

    page = read(reader, run)

    assert "Only the end of the log is shown." in page
    assert len(page) < 300_000


def test_chunk_that_is_cut_says_so(reader: Client) -> None:
    run = RunFactory.create(succeeded=True)
    write(run, (1, 1), text="x" * 30_000)

    assert "Cut here: it has 30000 characters" in read(reader, run).replace(",", "")


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_page_of_a_finished_run_follows_nothing(reader: Client, state: str) -> None:
    run = RunFactory.create(**{state: True})

    assert page_of(run, "live") not in read(reader, run)
    assert "Nothing was logged." in read(reader, run)


def test_page_of_a_run_that_goes_on_follows_it_from_where_it_is(reader: Client) -> None:
    run = RunFactory.create(running=True)
    write(run, (1, 1), (1, 2))

    page = read(reader, run)

    assert f'hx-get="{page_of(run, "live")}?after=1.2&amp;attempt=1"' in page
    assert 'hx-trigger="every 1s"' in page


def test_next_answer_has_what_came_since(reader: Client) -> None:
    run = RunFactory.create(running=True, progress_done=3, progress_total=10)
    RunAttempt.objects.create(run=run, number=1)
    write(run, (1, 1), (1, 2), (1, 3))

    answer = read(reader, run, "live", after="1.1", attempt=1)

    assert "line 1.1" not in answer
    assert answer.index("line 1.2") < answer.index("line 1.3")
    assert "Attempt 1</p>" not in answer
    assert "?after=1.3&amp;attempt=1" in answer
    assert re.search(r'id="run-status" hx-swap-oob="true">.*?running', answer, re.DOTALL)
    assert '<progress class="ar-progress" value="3" max="10">' in answer
    assert '<li id="attempt-1" class="ar-attempt" hx-swap-oob="true">' in answer
    assert "hx-swap-oob" not in answer.split('id="run-live"')[1].split(">")[0]


def test_next_attempt_is_followed(reader: Client) -> None:
    run = RunFactory.create(running=True, attempt=2)
    RunAttempt.objects.create(run=run, number=1, outcome="failed", error="No paper.")
    RunAttempt.objects.create(run=run, number=2)
    write(run, (1, 1), (2, 1))

    answer = read(reader, run, "live", after="1.1", attempt=1)

    assert "Attempt 2</p>" in answer
    assert "line 2.1" in answer
    appended = answer.split('<ol hx-swap-oob="beforeend:#run-attempts">')[1]
    assert '<li id="attempt-2" class="ar-attempt">' in appended
    assert '<li id="attempt-1"' not in appended
    assert "No paper." in answer.split("<ol")[0]
    assert "?after=2.1&amp;attempt=2" in answer


@pytest.mark.parametrize("page", ["change", "live"])
def test_attempt_that_has_begun_since_the_run_was_read_comes_with_the_next_answer(
    reader: Client, page: str
) -> None:
    run = RunFactory.create(running=True, attempt=1)
    for number in (1, 2):
        RunAttempt.objects.create(run=run, number=number)

    answer = read(reader, run, page, attempt=1)

    assert 'id="attempt-1"' in answer
    assert 'id="attempt-2"' not in answer
    assert "&amp;attempt=1" in answer


def test_answer_is_small_when_nothing_has_come(reader: Client) -> None:
    run = RunFactory.create(running=True)
    write(run, *((1, number) for number in range(1, 65)), text="x" * 16_384)

    answer = read(reader, run, "live", after="1.64", attempt=1)

    assert len(answer) < 4_000
    assert "?after=1.64&amp;attempt=1" in answer


def test_long_log_comes_in_steps_that_follow_at_once(reader: Client) -> None:
    run = RunFactory.create(succeeded=True)
    write(run, *((1, number) for number in range(1, 65)), text="&" * 16_384)
    after, steps = "0.0", 0

    while True:
        answer = read(reader, run, "live", after=after, attempt=1)
        assert len(answer) < 6 * 64_000
        steps += 1
        found = re.search(r"\?after=([\d.]+)&amp;", answer)
        if not found:
            break
        assert "load delay:100ms" in answer
        assert 'id="run-outputs"' not in answer
        after = found[1]

    assert steps > 16
    assert "Ada Lovelace" in answer


def test_last_answer_ends_it(reader: Client) -> None:
    run = RunFactory.create(succeeded=True)
    write(run, (1, 1))

    answer = read(reader, run, "live", after="1.1", attempt=1)

    assert "hx-get" not in answer
    assert re.search(r'id="run-status" hx-swap-oob="true">.*?succeeded', answer, re.DOTALL)
    assert "Ada Lovelace" in answer


def test_waiting_run_says_why_it_waits(reader: Client) -> None:
    answer = read(reader, RunFactory.create(), "live")

    assert "no worker is online" in answer


@pytest.mark.parametrize(
    ("done", "total", "shown"),
    [
        (1.5, None, "progress 1.5"),
        (3, 0, "3 of 0"),
        (3, -1, "3 of -1"),
        (None, None, 'id="run-message" hx-swap-oob="true">-'),
    ],
)
def test_progress_without_an_end_has_no_bar(
    reader: Client, done: float | None, total: float | None, shown: str
) -> None:
    run = RunFactory.create(running=True, progress_done=done, progress_total=total)

    answer = read(reader, run, "live")

    assert shown in answer
    assert "<progress" not in answer


def test_whole_log_is_a_file(reader: Client) -> None:
    run = RunFactory.create(succeeded=True, attempt=1)
    RunAttempt.objects.create(run=run, number=1, outcome="succeeded", finished_at=MOMENT)
    write(run, (1, 1), text="İstanbul <b>\n")

    answer: Any = reader.get(page_of(run, "log"))

    assert answer.streaming
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="run-{run.pk}.txt"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "\nİstanbul <b>\n" in b"".join(answer).decode()


@pytest.mark.parametrize("state", ["running", "succeeded", "failed", "postponed"])
@pytest.mark.parametrize("page", ["change", "live"])
def test_pages_take_a_bounded_number_of_queries(reader: Client, state: str, page: str) -> None:
    run = RunFactory.create(**{state: True}, retry_count=99)
    Run.objects.filter(pk=run.pk).update(attempt=50)
    read(reader, run, page)
    for number in range(1, 51):
        RunAttempt.objects.create(run=run, number=number, outcome="failed", error="x" * 100)
        write(run, (number, 1), (number, 2))

    with CaptureQueriesContext(connection) as queries:
        read(reader, run, page)

    assert len(queries) <= MAX_QUERIES


@pytest.mark.parametrize("page", ["change", "live", "log"])
def test_pages_are_for_those_who_may_see_runs(page: str) -> None:
    run = RunFactory.create(succeeded=True)
    browsers = [Client(), log_in(), log_in("cancel_run", "start_run"), log_in("view_run")]

    answers = [browser.get(page_of(run, page)) for browser in browsers]

    assert [answer.status_code for answer in answers] == [302, 403, 403, 200]
    assert answers[0]["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("page", ["live", "log"])
def test_unknown_run_is_not_found(reader: Client, page: str) -> None:
    assert reader.get(page_of(RunFactory.build(), page)).status_code == 404
