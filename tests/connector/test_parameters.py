"""The Parameters page."""

import json
import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from processes.models import ProcessModel, Run, Worker
from tests.conftest import Caller, make_caller
from tests.factories import (
    ApiClientFactory,
    ParameterFactory,
    ProcessModelFactory,
    UserFactory,
    WorkerFactory,
)

PAGE = "/admin/parameters/"


@pytest.fixture
def reader(db: None) -> Client:
    """Return the browser of a superuser."""
    client = Client()
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    return client


def read_samples(answer: Any, name: str) -> list[str]:
    """Return the texts that the Copy buttons named `name` copy."""
    pattern = rf'data-sample="{name}">.*?data-copy-source>(.*?)</'
    return [unescape(text) for text in re.findall(pattern, answer.content.decode(), re.DOTALL)]


def test_every_shown_body_starts_its_process(
    reader: Client, examples: dict[str, ProcessModel], worker: Worker, acme: Caller
) -> None:
    query = "&".join(f"id={model.pk}" for model in examples.values())

    bodies = read_samples(reader.get(f"{PAGE}?{query}"), "body")
    answers = [acme.start(body) for body in bodies]

    assert [json.loads(body)["name"] for body in bodies] == sorted(examples)
    assert [(answer.status_code, answer.json()["message"]) for answer in answers] == [
        (200, "Process saved")
    ] * len(examples)
    assert Run.objects.count() == len(examples)


def test_addresses_are_those_of_the_host_that_the_browser_sees(
    reader: Client, examples: dict[str, ProcessModel], settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["robots.example.org"]
    page = f"{PAGE}{examples['CountDown'].pk}/"

    answer = reader.get(page, secure=True, headers={"host": "robots.example.org"})

    prefix = "https://robots.example.org/scheduler/connector-api/process/"
    assert read_samples(answer, "address") == [f"{prefix}start"]
    assert read_samples(answer, "status-address") == [f"{prefix}status/$ROBUSTA_SPID"]


def test_the_reader_chooses_the_api_client(reader: Client) -> None:
    process_model = ProcessModelFactory.create()
    ApiClientFactory.create(name="acme")
    globex = ApiClientFactory.create(name="globex")

    first = reader.get(f"{PAGE}{process_model.pk}/")
    chosen = reader.get(f"{PAGE}{process_model.pk}/?client={globex.pk}")

    assert "-u acme:" in read_samples(first, "curl")[0]
    assert "-u globex:" in read_samples(chosen, "curl")[0]


def test_only_clients_that_can_call_are_offered(reader: Client) -> None:
    process_model = ProcessModelFactory.create()
    ApiClientFactory.create(name="disabled", enabled=False)
    ApiClientFactory.create(name="expired", expires_at=timezone.now() - timedelta(days=1))
    ApiClientFactory.create(name="usable")

    answer = reader.get(f"{PAGE}{process_model.pk}/")

    assert [client.name for client in answer.context["clients"]] == ["usable"]


def test_a_client_that_may_start_the_process_comes_before_one_that_may_not(reader: Client) -> None:
    process_model = ProcessModelFactory.create()
    limited = ApiClientFactory.create(name="a-limited")
    limited.process_models.add(ProcessModelFactory.create())
    ApiClientFactory.create(name="b-free")

    answer = reader.get(f"{PAGE}{process_model.pk}/")
    chosen = reader.get(f"{PAGE}{process_model.pk}/?client={limited.pk}")

    assert answer.context["client"].name == "b-free"
    assert answer.context["sections"][0].warnings == []
    assert chosen.context["sections"][0].warnings == [
        "The API client a-limited may not start this process model."
    ]


def test_the_body_names_a_worker_that_the_client_may_use(reader: Client) -> None:
    process_model = ProcessModelFactory.create(default_worker=WorkerFactory.create())
    allowed = WorkerFactory.create()
    caller = make_caller("limited")
    ApiClientFactory._meta.model.objects.get(name="limited").workers.add(allowed)

    body = read_samples(reader.get(f"{PAGE}{process_model.pk}/"), "body")[0]

    assert json.loads(body)["worker"] == allowed.pk
    assert caller.start(body).status_code == 200


@pytest.mark.parametrize(
    ("default_enabled", "expected"), [(True, "default"), (False, "first enabled")]
)
def test_the_default_worker_comes_before_the_first_enabled_one(
    reader: Client, default_enabled: bool, expected: str
) -> None:
    WorkerFactory.create(name="disabled", enabled=False)
    WorkerFactory.create(name="first enabled")
    default = WorkerFactory.create(name="default", enabled=default_enabled)
    process_model = ProcessModelFactory.create(default_worker=default)

    body = read_samples(reader.get(f"{PAGE}{process_model.pk}/"), "body")[0]

    assert Worker.objects.get(pk=json.loads(body)["worker"]).name == expected


def test_a_disabled_process_model_is_told(reader: Client, acme: Caller) -> None:
    process_model = ProcessModelFactory.create(enabled=False)

    answer = reader.get(f"{PAGE}{process_model.pk}/")

    assert "This process model is disabled: a start is refused." in answer.content.decode()
    assert acme.start(read_samples(answer, "body")[0]).status_code == 400


def test_the_table_says_what_each_parameter_takes(reader: Client) -> None:
    parameter = ParameterFactory.create(
        name="ledger",
        value_type="choice",
        choices=["main", "tax"],
        required=False,
        default="tax",
        help_text="Which ledger.",
    )

    page = reader.get(f"{PAGE}{parameter.process_model_id}/").content.decode()

    row = re.search(r"<tbody>\s*<tr>(.*?)</tr>", page, re.DOTALL)
    cells = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row[1] if row else "")
    assert [re.sub("<[^>]*>", "", unescape(cell)).strip() for cell in cells] == [
        "ledger",
        "choice: main tax",
        "no",
        '"tax"',
        "Which ledger.",
    ]


def test_a_name_is_shown_and_never_run_as_markup(reader: Client) -> None:
    process_model = ProcessModelFactory.create(name="<script>alert(1)</script>")

    answer = reader.get(f"{PAGE}{process_model.pk}/")

    assert "<script>alert" not in answer.content.decode()
    assert json.loads(read_samples(answer, "body")[0])["name"] == process_model.name


@pytest.mark.parametrize(
    "query", ["", "?id=", "?id=abc", "?id=-1", "?id=9223372036854775808", "?id=4711"]
)
def test_an_id_of_no_process_model_is_not_found(reader: Client, query: str) -> None:
    assert reader.get(f"{PAGE}{query}").status_code == 404


def test_the_number_of_queries_does_not_grow_with_the_sections(
    reader: Client, django_assert_max_num_queries: Any
) -> None:
    ids = [ParameterFactory.create().process_model_id for _ in range(12)]
    query = "&".join(f"id={pk}" for pk in ids)

    with django_assert_max_num_queries(8):
        answer = reader.get(f"{PAGE}?{query}")

    assert len(answer.context["sections"]) == 12
