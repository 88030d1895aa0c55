"""Running a run again from its page: the same values, editable, once, by those who may."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from processes.models import ProcessModel, Run
from tests.at_once import run_at_once
from tests.factories import ParameterFactory, RunFactory, UserFactory, WorkerFactory

pytestmark = pytest.mark.django_db


def page_of(run: Run, page: str = "change") -> str:
    return f"/admin/processes/run/{run.pk}/{page}/"


def log_in(*rights: str, name: str = "ada") -> Client:
    user = UserFactory.create(username=name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def operator() -> Client:
    """Return the browser of somebody who may see and start runs."""
    return log_in("view_run", "start_run")


@pytest.fixture
def run() -> Run:
    """Return a failed run of a process model with two parameters."""
    name = ParameterFactory.create(name="company")
    ParameterFactory.create(
        process_model=name.process_model, name="copies", value_type="integer", position=1
    )
    return RunFactory.create(
        failed=True,
        process_model=name.process_model,
        values={"company": "Ada & Co", "copies": 2},
        worker=WorkerFactory.create(),
        priority=70,
        retry_count=3,
        retry_delay=timedelta(minutes=5),
        owner="client:1",
        requested_by="acme",
    )


def read_form(browser: Client, run: Run, **changes: Any) -> dict[str, Any]:
    """Return what the form would send, with some inputs changed by the name of their parameter."""
    page = browser.get(page_of(run, "again"))
    form = page.context["form"]
    data = {bound.html_name: bound.value() for bound in form}
    for parameter in run.process_model.parameters.all():
        if parameter.name in changes:
            data[f"value_{parameter.pk}"] = changes.pop(parameter.name)
    data = {name: "" if value is None else value for name, value in (data | changes).items()}
    return data | {"token": page.context["token"]}


def newest() -> Run:
    run = Run.objects.order_by("-id").first()
    assert run is not None
    return run


def test_new_run_has_the_same_values_and_options(operator: Client, run: Run) -> None:
    before = Run.objects.values().get()

    answer = operator.post(page_of(run, "again"), read_form(operator, run), follow=True)

    new = newest()
    assert answer.redirect_chain == [(page_of(new), 302)]
    assert page_of(run) in answer.content.decode()
    assert (new.status, new.values) == ("WAITING", {"company": "Ada & Co", "copies": 2})
    assert (new.worker, new.priority, new.retry_count, new.retry_delay) == (
        run.worker,
        70,
        3,
        timedelta(minutes=5),
    )
    assert (new.requested_by, new.owner) == (f"ada, again of {run.pk}", "")
    assert new.schedule_id is None
    assert Run.objects.values().get(pk=run.pk) == before


def test_values_and_options_are_changed_before(operator: Client, run: Run) -> None:
    data = read_form(operator, run, copies="7", priority="99", worker="", retry_count="0")

    operator.post(page_of(run, "again"), data)

    new = newest()
    assert new.values == {"company": "Ada & Co", "copies": 7}
    assert (new.worker, new.priority, new.retry_count) == (None, 99, 0)


def test_form_shows_what_the_run_had(operator: Client, run: Run) -> None:
    page = operator.get(page_of(run, "again")).content.decode()

    assert "Ada &amp; Co" in page
    assert 'value="2"' in page
    assert 'value="70"' in page


def test_form_that_is_sent_twice_makes_one_run(operator: Client, run: Run) -> None:
    data = read_form(operator, run)

    operator.post(page_of(run, "again"), data)
    answer = operator.post(page_of(run, "again"), data, follow=True)

    assert Run.objects.count() == 2
    assert answer.redirect_chain == [(page_of(newest()), 302)]
    assert "This form was sent before" in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_form_that_is_sent_twice_at_once_makes_one_run(run: Run) -> None:
    operator = log_in("view_run", "start_run")
    data = read_form(operator, run)

    def send() -> int:
        browser = Client()
        browser.cookies = operator.cookies
        return int(browser.post(page_of(run, "again"), data).status_code)

    answers = run_at_once(send, threads=4)

    assert answers == [302] * 4
    assert Run.objects.count() == 2


def test_form_opened_twice_makes_two_runs(operator: Client, run: Run) -> None:
    for _ in range(2):
        operator.post(page_of(run, "again"), read_form(operator, run))

    assert Run.objects.count() == 3


def test_form_that_is_old_is_shown_again_with_what_was_typed(operator: Client, run: Run) -> None:
    with time_machine.travel(timezone.now() - timedelta(minutes=61)):
        data = read_form(operator, run, company="Typed in vain?")

    answer = operator.post(page_of(run, "again"), data)
    data["token"] = answer.context["token"]

    page = answer.content.decode()
    assert "This form is over an hour old" in page
    assert "Typed in vain?" in page
    assert Run.objects.count() == 1
    operator.post(page_of(run, "again"), data)
    assert newest().values["company"] == "Typed in vain?"


@pytest.mark.parametrize("token", ["", "nonsense"])
def test_token_of_our_own_making_only(operator: Client, run: Run, token: str) -> None:
    answer = operator.post(page_of(run, "again"), read_form(operator, run) | {"token": token})

    assert answer.status_code == 200
    assert Run.objects.count() == 1


def test_token_of_another_reader_is_none(operator: Client, run: Run) -> None:
    data = read_form(log_in("view_run", "start_run", name="grace"), run)

    operator.post(page_of(run, "again"), data)

    assert Run.objects.count() == 1


def test_token_of_another_run_is_none(operator: Client, run: Run) -> None:
    other = RunFactory.create(failed=True, process_model=run.process_model, values=run.values)

    operator.post(page_of(run, "again"), read_form(operator, other))

    assert Run.objects.count() == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"copies": "many"}, "&#x27;copies&#x27; takes"),
        ({"company": ""}, "&#x27;company&#x27; is required"),
        ({"priority": "100"}, "less than or equal to 99"),
        ({"retry_delay": "soon"}, "Enter a valid duration"),
    ],
)
def test_wrong_input_is_told_at_its_field_and_loses_nothing(
    operator: Client, run: Run, changes: dict[str, str], sentence: str
) -> None:
    answer = operator.post(page_of(run, "again"), read_form(operator, run, **changes))

    page = answer.content.decode()
    assert sentence in page
    assert "Not started." in page
    assert Run.objects.count() == 1


def test_value_that_is_no_longer_taken_is_told_at_its_field(operator: Client, run: Run) -> None:
    run.process_model.parameters.filter(name="copies").delete()

    form = operator.get(page_of(run, "again")).content.decode()
    refused = operator.post(page_of(run, "again"), read_form(operator, run))
    operator.post(page_of(run, "again"), read_form(operator, run, other_values=""))

    assert "Values it no longer takes" in form
    errors = refused.context["form"].errors
    assert list(errors) == ["other_values"]
    assert "is not a value of this process" in errors["other_values"][0]
    assert newest().values == {"company": "Ada & Co"}


def test_disabled_process_model_is_refused(operator: Client, run: Run) -> None:
    ProcessModel.objects.update(enabled=False)

    answer = operator.post(page_of(run, "again"), read_form(operator, run))

    assert "is disabled; enable it, then run again." in answer.content.decode()
    assert Run.objects.count() == 1


def test_get_starts_nothing(operator: Client, run: Run) -> None:
    operator.get(page_of(run, "again"), read_form(operator, run))

    assert Run.objects.count() == 1


@pytest.mark.parametrize("rights", [["view_run"], ["start_run"], []])
def test_reader_without_the_rights_is_refused(run: Run, rights: list[str]) -> None:
    browser = log_in(*rights)
    data = read_form(log_in("view_run", "start_run", name="grace"), run)

    answers = [browser.get(page_of(run, "again")), browser.post(page_of(run, "again"), data)]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert Run.objects.count() == 1
    assert page_of(run, "again") not in browser.get(page_of(run)).content.decode()


def test_anonymous_reader_is_asked_to_log_in(run: Run) -> None:
    answer = Client().post(page_of(run, "again"))

    assert answer.status_code == 302
    assert re.match("/admin/login/", answer["Location"])


def test_button_leads_to_the_form(operator: Client, run: Run) -> None:
    assert page_of(run, "again") in operator.get(page_of(run)).content.decode()
    assert operator.get("/admin/processes/run/x/again/").status_code == 404
