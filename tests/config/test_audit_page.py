"""The audit's pages: found by any word, bounded in queries, and for those only who may read them."""

import time
import uuid
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.audit_search import PER_PAGE, Wanted, entries_of, find_entries, kinds
from processes.bulk_insert import insert_rows
from processes.models import AuditEvent, Worker
from processes.models.trails import TRAILS, record_event, recording
from processes.origin import Actor, acting
from processes.retention import first_id_of
from scheduler import planning
from tests.factories import (
    ApiClientFactory,
    ProcessModelFactory,
    UserFactory,
    WorkerFactory,
    make_schedule,
)

pytestmark = pytest.mark.django_db

AUDIT = "/admin/audit/"


def browser_of(*codenames: str, **rights: bool) -> Client:
    """Return the browser of a member of staff with permissions."""
    user = UserFactory.create(is_staff=True, **rights)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    browser = Client()
    browser.force_login(user)
    return browser


def read(browser: Client, query: str = "") -> str:
    """Return the page."""
    answer = browser.get(f"{AUDIT}{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def names(query: dict[str, Any]) -> list[str]:
    """Return what the entries are about that are found, newest first."""
    return [entry.object_name for entry in find_entries(Wanted.of(query))]


def make_worker(name: str, who: str = "user:ada", **origin: str) -> Worker:
    """Store a worker, as somebody."""
    with acting(lambda: Actor(who), **origin):
        return WorkerFactory.create(name=name)


def test_only_who_may_read_the_audit_sees_it_and_what_leads_to_it() -> None:
    worker = make_worker("Press")
    page = f"/admin/processes/worker/{worker.pk}/"
    reader, other = browser_of("view_audit", "view_worker"), browser_of("view_worker")

    assert "Press" in read(reader)
    assert f'href="{AUDIT}"' in reader.get("/admin/").content.decode()
    assert f"{page}history/" in reader.get(f"{page}change/").content.decode()
    assert other.get(AUDIT).status_code == 403
    assert other.get(f"{page}history/").status_code == 403
    assert f'href="{AUDIT}"' not in other.get("/admin/").content.decode()
    assert f"{page}history/" not in other.get(f"{page}change/").content.decode()


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_is_changed_by_the_pages(method: str) -> None:
    make_worker("Press")
    [entry] = [each for each in find_entries(Wanted()) if each.source == "processes.worker"]
    browser = browser_of(is_superuser=True)
    known = len(find_entries(Wanted(), 1_000))

    getattr(browser, method)(f"{AUDIT}processes.worker/{entry.history_id}/", {"actor": "eve"})

    assert find_entries(Wanted(kind="processes.worker")) == [entry]
    assert len(find_entries(Wanted(), 1_000)) == known


def test_history_of_an_object_shows_its_entries_and_those_of_what_belongs_to_it() -> None:
    model, other = ProcessModelFactory.create(), ProcessModelFactory.create()
    model.parameters.create(name="first")
    other.parameters.create(name="second")
    browser = browser_of("view_audit", "view_processmodel")

    answer = browser.get(f"/admin/processes/processmodel/{model.pk}/history/", follow=True)

    shown = [row.object_name for row in answer.context["rows"]]
    assert shown == [f"{model.name}: first", model.name]
    assert answer.context["about"] == model.name


@pytest.mark.parametrize(
    "query",
    [
        {"q": "printing"},
        {"q": "user:ada"},
        {"q": "192.0.2.7"},
        {"q": "a" * 32},
        {"q": "ölçüm"},
        {"who": "ada"},
        {"who": "user:ada"},
        {"kind": "processes.worker", "q": "press"},
    ],
    ids=str,
)
def test_an_entry_is_found_by(query: dict[str, str]) -> None:
    make_worker("Other", "client:acme")
    worker = make_worker("Printing press", address="192.0.2.7", request_id="a" * 32)
    with (
        recording(worker),
        acting(lambda: Actor("user:ada"), address="192.0.2.7", request_id="a" * 32),
    ):
        Worker.objects.filter(pk=worker.pk).update(pause_reason="ölçüm")

    found = set(names(query))

    assert found == {str(worker)}


def test_kinds_of_people_are_found_by_their_whole_name() -> None:
    make_worker("Press", "client:acme")
    make_worker("Other", "user:acme-2")

    assert [name.split(" · ")[1] for name in names({"who": "acme"})] == ["Press"]


def test_days_are_those_of_the_sites_zone(settings: Any) -> None:
    settings.TIME_ZONE = "Pacific/Auckland"
    make_worker("Press")
    today = timezone.now().astimezone(ZoneInfo("Pacific/Auckland")).date()

    assert len(names({"since": today.isoformat(), "until": today.isoformat()})) == 1
    assert names({"since": (today + timedelta(days=1)).isoformat()}) == []
    assert names({"until": (today - timedelta(days=1)).isoformat()}) == []


@pytest.mark.parametrize(
    "query",
    [
        "?since=x&until=2026-99-99&before=y&kind=z",
        "?object=processes.worker:x",
        "?object=nothing",
        "?object=a.b:1&q=%00&who=%00",
        "?since=0001-01-01&until=9999-12-31",
        "?q=%25_'\"<script>",
    ],
)
def test_an_address_that_cannot_be_read_is_no_error(query: str) -> None:
    make_worker("Press")

    assert "'\"<script>" not in read(browser_of("view_audit"), query)


def test_pages_follow_one_another_without_a_gap() -> None:
    for number in range(PER_PAGE):
        make_worker(f"Worker {number}")
        ApiClientFactory.create()
    browser = browser_of("view_audit")
    everything = [entry.history_id for entry in find_entries(Wanted(), 1_000)]
    seen, address = [], AUDIT

    while address != AUDIT + "end":
        answer = browser.get(address)
        seen += [row.page.rstrip("/").rpartition("/")[2] for row in answer.context["rows"]]
        address = AUDIT + (answer.context["older"] or "end")

    assert seen[-len(everything) :] == [str(each) for each in everything]
    assert len(seen) == len(set(seen))


def test_a_page_takes_a_bounded_number_of_queries() -> None:
    for _ in range(20):
        make_worker(str(uuid.uuid4()))
        make_schedule()
        ApiClientFactory.create().add_secret()
    browser = browser_of("view_audit", "view_worker", "view_schedule", "view_apiclient")
    browser.get(AUDIT)

    with CaptureQueriesContext(connection) as queries:
        browser.get(AUDIT)

    tables = len(kinds())
    assert len(queries) <= tables + 5 + 8, [query["sql"][:120] for query in queries]
    assert not [query for query in queries if "COUNT(" in query["sql"]]


def test_what_still_exists_is_linked_for_those_who_may_see_it() -> None:
    kept, gone = make_worker("Kept"), make_worker("Gone")
    kept_page = f'href="/admin/processes/worker/{kept.pk}/change/"'
    gone_page = f'href="/admin/processes/worker/{gone.pk}/change/"'
    gone.delete()

    page = read(browser_of("view_audit", "view_worker"))

    assert kept_page in page
    assert gone_page not in page
    assert kept_page not in read(browser_of("view_audit"))


def test_values_are_shown_as_people_read_them() -> None:
    model = ProcessModelFactory.create(description="x" * 500)
    model.on_worker_lost, model.time_limit = "retry", timedelta(minutes=90)
    model.description = "y" * 500
    model.save()
    schedule = make_schedule(name="Nightly", process_model=model)
    start = timezone.now().replace(year=2199)
    planning.change_schedule(schedule.pk, start=start, run_once=True)
    browser = browser_of("view_audit")

    page = read(browser, f"?object=processes.processmodel:{model.pk}")
    rows = browser.get(f"{AUDIT}?object=scheduler.schedule:{schedule.pk}").context["rows"]

    assert "when the worker is lost" in page
    assert "<del>fail</del>" in page
    assert "1:30:00" in page
    assert "y" * 500 not in page
    told = {change.label: (change.before, change.after) for change in rows[0].changes}
    assert told["Start Datetime"][1].endswith("UTC")
    assert told["One-off Task"] == ("no", "yes")
    [entry] = find_entries(Wanted.of({"kind": "processes.processmodel"}), 1)
    assert "y" * 500 in read(browser, f"processes.processmodel/{entry.history_id}/")


@pytest.mark.parametrize("source", ["processes.worker", "event", "nothing"])
def test_an_entry_that_is_not_there_is_not_found(source: str) -> None:
    answer = browser_of("view_audit").get(f"{AUDIT}{source}/{uuid.uuid4()}/")

    assert answer.status_code == 404


def make_many(count: int) -> None:
    """Store so many events of the last two years, past the ORM."""
    now = timezone.now()
    for start in range(0, count, 10_000):
        rows = []
        for number in range(start, min(start + 10_000, count)):
            moment = now - timedelta(seconds=60 * (count - number))
            rows.append(
                AuditEvent(
                    history_id=uuid.UUID(int=first_id_of(moment).int + number),
                    history_date=moment,
                    actor=f"user:{number % 1000}",
                    kind=AuditEvent.Kind.LOGGED_IN,
                    model="auth.user",
                    object_key=str(number % 1000),
                    object_name=f"user-{number % 1000}",
                    changes={},
                )
            )
        insert_rows(rows)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({}, "pkey|autoindex|primary"),
        ({"before": str(uuid.UUID(int=2**127))}, "pkey|autoindex|primary"),
        ({"object": "auth.user:7"}, "audit_event_object"),
        ({"who": "nobody-like-this"}, "actor"),
    ],
    ids=str,
)
def test_entries_are_found_by_an_index(query: dict[str, str], index: str) -> None:
    make_many(20_000)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE processes_auditevent")

    rows = entries_of("event", Wanted.of(query))
    assert rows is not None
    plan = rows[:PER_PAGE].explain().lower()

    assert any(each in plan for each in index.split("|")), plan
    assert "seq scan" not in plan


def test_every_table_of_entries_is_walked_along_its_primary_key() -> None:
    for kind in TRAILS:
        rows = entries_of(kind, Wanted())
        assert rows is not None
        assert rows.query.order_by == ("-history_id",)
        assert rows.model._meta.pk.name == "history_id"


def test_a_page_over_many_entries_takes_no_longer() -> None:
    make_many(20_000)
    record_event(AuditEvent.Kind.PURGED, object_name="the newest")
    find_entries(Wanted())

    began = time.perf_counter()
    found = find_entries(Wanted())
    taken = time.perf_counter() - began

    assert found[0].object_name == "the newest"
    assert taken < 2
