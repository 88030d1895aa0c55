"""Who may see and do what on the pages of schedules."""

import re
from datetime import timedelta

import pytest

from scheduler.models import Schedule
from tests.factories import ProcessModelFactory, RunFactory
from tests.scheduler.admin_pages import (
    ADD,
    LIST,
    browser_of,
    make_schedule,
    page_of,
    record,
)

pytestmark = pytest.mark.django_db


def test_those_who_may_only_view_read_the_page() -> None:
    schedule = make_schedule(values={"city": "İstanbul"})
    client = browser_of("scheduler.view_schedule")

    page = client.get(page_of(schedule)).content.decode()

    assert "0 6 6 ? * FRI" in page
    assert "Europe/Istanbul" in page
    assert "&quot;city&quot;: &quot;İstanbul&quot;" in page
    assert str(schedule.pk) in page
    assert 'name="quartz"' not in page
    assert 'name="_save"' not in page
    assert page_of(schedule, "pause") not in page


def test_those_who_may_only_view_change_nothing() -> None:
    schedule = make_schedule()
    client = browser_of("scheduler.view_schedule")

    answer = client.post(page_of(schedule), {"priority": "70", "initial-priority": "50"})

    assert answer.status_code == 403
    assert Schedule.objects.get().priority == 50


@pytest.mark.parametrize(
    ("verb", "seen"),
    [
        ("view", {"list": 200, "change": 200, "add": 403}),
        ("change", {"list": 200, "change": 200, "add": 403}),
        ("add", {"list": 403, "change": 403, "add": 200}),
        ("delete", {"list": 403, "change": 403, "add": 403}),
        ("run", {"list": 403, "change": 403, "add": 403}),
    ],
)
def test_each_page_takes_its_permission(verb: str, seen: dict[str, int]) -> None:
    schedule = make_schedule()
    model = ProcessModelFactory.create()
    client = browser_of(f"scheduler.{verb}_schedule")
    pages = {
        "list": LIST,
        "change": page_of(schedule),
        "add": f"{ADD}?process_model={model.pk}",
    }

    assert {name: client.get(page).status_code for name, page in pages.items()} == seen


def test_process_models_are_offered_to_those_who_may_add_alone() -> None:
    assert browser_of("scheduler.change_schedule").get(ADD).status_code == 403


def test_schedules_are_made_by_those_who_may_add_alone() -> None:
    model = ProcessModelFactory.create()
    data = {"quartz": "0 0 0 * * ?", "time_zone": "UTC"}
    client = browser_of("scheduler.view_schedule", "scheduler.change_schedule")

    answer = client.post(f"{ADD}?process_model={model.pk}", data)

    assert answer.status_code == 403
    assert not Schedule.objects.exists()


def test_button_to_delete_is_for_those_who_may() -> None:
    schedule = make_schedule()
    client = browser_of("scheduler.change_schedule")

    page = client.get(page_of(schedule)).content.decode()

    assert page_of(schedule, "delete") not in page
    assert 'name="_save"' in page


def test_no_page_leads_where_the_reader_may_not_go() -> None:
    schedule = make_schedule()
    record(schedule, timedelta(days=1), run=RunFactory.create())
    client = browser_of(
        "scheduler.view_schedule", "scheduler.change_schedule", "scheduler.add_schedule"
    )
    pages = [LIST, page_of(schedule), page_of(schedule, "ledger"), ADD]

    links = set()
    for page in pages:
        links |= set(re.findall(r'href="(/admin/[^"#]+)"', client.get(page).content.decode()))

    refused = [link for link in links if client.get(link).status_code not in {200, 302}]
    assert len(links) > 5
    assert refused == []
