"""Every address by every method as every visitor, against one table of who may do what."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.template.response import SimpleTemplateResponse
from django.test import Client

from connector.models import ApiClient
from tests.access.pages import read, read_form
from tests.access.routes import find_addresses
from tests.access.rows import ACTIONS_IN_A_STATE, DELETED, PLAIN, Visit, make_rows, visit_of
from tests.access.table import (
    ADDRESSES,
    DONE,
    METHODS,
    MODELS,
    READING_ACTIONS,
    STAFF,
    STATUSES,
    STRANGERS,
    SUPERUSER,
    VISITORS,
)
from tests.access.visitors import call, digest, make_visitors
from tests.conftest import Caller

Rows = dict[str, Any]
Visitors = dict[str, Client]
START = {"name": PLAIN}
# Its form is taken from those alone for whom it was made.
AGAIN = "admin/processes/run/<id>/again/"
MAX_PAGES = 400


@pytest.fixture
def rows(acme: Caller) -> Rows:
    """Return a row for every page."""
    return make_rows(owner=f"client:{ApiClient.objects.get(name=acme.name).pk}")


@pytest.fixture
def visitors(acme: Caller) -> Visitors:
    """Return a client for each visitor."""
    return make_visitors(acme)


@contextmanager
def unrendered() -> Iterator[None]:
    """Leave pages unrendered, where only the status counts: rendering takes most of the time."""

    def render(answer: SimpleTemplateResponse) -> SimpleTemplateResponse:
        if not answer.is_rendered:
            answer.content = b""
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SimpleTemplateResponse, "render", render)
        yield


def registered() -> dict[type[Model], Any]:
    """Return the page of every model in the admin."""
    return dict(admin.site._registry)


def name_of(model: type[Model]) -> str:
    """Return how the table calls a model."""
    return f"{model._meta.app_label}/{model._meta.model_name}"


def fill_in(visit: Visit, browser: Client) -> dict[str, Any]:
    """Return what is posted at an address: what its form holds, and what is written into it.

    The form of a list is that of its actions, which have a test of their own.
    """
    answer = browser.get(visit.url)
    is_list = "cl" in (answer.context or {})
    is_page = answer.status_code == 200 and not answer.streaming and not is_list
    return (read_form(answer) if is_page else {}) | visit.extra


def send(client: Client, method: str, address: str, url: str, data: dict[str, Any]) -> Any:
    """Return what `call` does; only POST sends something, the API takes JSON."""
    if method != "POST":
        return call(client, method, url)
    if address.lstrip("^").startswith("scheduler/"):
        return call(client, method, url, json.dumps(START), content_type="application/json")
    return call(client, method, url, data)


def test_every_address_is_in_the_table() -> None:
    addresses = find_addresses()

    assert sorted(set(addresses) - ADDRESSES.keys()) == []
    assert sorted(ADDRESSES.keys() - set(addresses)) == []
    assert [address for address, times in Counter(addresses).items() if times > 1] == []


def test_every_action_is_in_the_table() -> None:
    offered = {
        name_of(model): {name for _function, name, _description in page._get_base_actions()}
        for model, page in registered().items()
    }

    assert offered == {name: set(model.actions) for name, model in MODELS.items()}


def test_visitors_are_answered_as_the_table_says(rows: Rows, visitors: Visitors) -> None:
    before = digest()
    visits = {address: visit_of(address, rows) for address in ADDRESSES}
    data = {address: fill_in(visit, visitors[SUPERUSER]) for address, visit in visits.items()}
    personal = {
        (AGAIN, visitor): fill_in(visits[AGAIN], visitors[visitor])
        for visitor in ADDRESSES[AGAIN].do
    }
    wrong = []

    with unrendered():
        for (address, visit), visitor, method in product(visits.items(), VISITORS, METHODS):
            expected = ADDRESSES[address].outcome(visitor, method)
            posted = personal.get((address, visitor), data[address])
            answer, writes = send(visitors[visitor], method, address, visit.url, posted)
            if answer.status_code not in STATUSES[expected] or bool(writes) != (expected == DONE):
                told = f"{answer.status_code}, wrote {writes[:1]}"
                wrong.append(f"{method} {address} as {visitor}: {expected}, but {told}")

    assert "\n".join(wrong) == ""
    assert digest() == before


@pytest.mark.parametrize("name", MODELS)
def test_actions_are_carried_out_for_those_in_the_table_alone(
    rows: Rows, visitors: Visitors, name: str
) -> None:
    before = digest()
    model, wrong = MODELS[name], []

    with unrendered():
        for action, visitor in product(model.actions, VISITORS):
            row = rows[ACTIONS_IN_A_STATE.get((name, action), name)]
            data = {"action": action, "_selected_action": row.pk, **DELETED}
            answer, writes = call(visitors[visitor], "POST", f"/admin/{name}/", data)
            acts = visitor in model.actions[action]
            is_stopped = visitor in STRANGERS or visitor not in model.see
            status = {302} if visitor in STRANGERS else {403} if is_stopped else {200, 302}
            is_written = acts and action not in READING_ACTIONS
            if answer.status_code not in status or bool(writes) != is_written:
                wrong.append((action, visitor, answer.status_code, writes[:1]))

    assert wrong == []
    assert digest() == before


def relations() -> dict[str, type[Model]]:
    """Return the query that asks to complete each relation of each model, with what it leads to."""
    return {
        f"app_label={model._meta.app_label}&model_name={model._meta.model_name}"
        f"&field_name={field.name}": field.related_model
        for model in apps.get_models()
        for field in model._meta.get_fields()
        # Django's own view breaks off at the other end of a relation, whoever asks.
        if field.related_model and field.concrete
    }


def test_completions_offer_only_what_the_reader_may_see(rows: Rows, visitors: Visitors) -> None:
    asked, wrong = 0, []

    for (query, related), visitor in product(relations().items(), STAFF):
        page = registered().get(related)
        may_see = page is not None and visitor in MODELS[name_of(related)].see
        answer = visitors[visitor].get(f"/admin/autocomplete/?{query}")
        asked += 1
        # A model without fields to search is not found, for whoever asks.
        if (answer.status_code == 200) > may_see or answer.status_code not in {200, 403, 404}:
            wrong.append((query, visitor, answer.status_code))

    assert wrong == []
    assert asked > 100


@pytest.mark.parametrize("visitor", STAFF)
def test_search_finds_only_what_the_reader_may_see(
    rows: Rows, visitors: Visitors, visitor: str
) -> None:
    seen = {f"/admin/{name}/" for name, model in MODELS.items() if visitor in model.see}

    found = set()
    for text, more in product("aeiou", ("", "&extended")):
        found |= read(visitors[visitor].get(f"/admin/search/?s={text}{more}")).links

    assert found == seen


@pytest.mark.parametrize("visitor", STAFF)
def test_no_page_leads_where_the_reader_may_not_go(
    rows: Rows, visitors: Visitors, visitor: str
) -> None:
    browser, refused = visitors[visitor], []
    seen, waiting = {"/admin/"}, ["/admin/"]
    before = digest()

    while waiting:
        page = waiting.pop()
        answer = browser.get(page)
        if answer.status_code not in {200, 302}:
            refused.append((page, answer.status_code))
        if answer.status_code != 200 or "text/html" not in answer["Content-Type"]:
            continue
        links = {link.split("#")[0] for link in read(answer).links if link.startswith("/admin/")}
        new = {link for link in links if "?" not in link} - seen
        seen |= new
        waiting += sorted(new)

    assert refused == []
    assert len(seen) < MAX_PAGES
    assert digest() == before
