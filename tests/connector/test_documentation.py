"""The OpenAPI schema says what the API does."""

import json
import re
from typing import Any

import pytest
from django.test import Client

from connector.exceptions import ConnectorError
from connector.idempotency import KEY
from processes.models import ProcessModel
from tests.conftest import START, Caller
from tests.factories import WorkerFactory

Examples = dict[str, ProcessModel]


@pytest.fixture
def schema() -> dict[str, Any]:
    """Return the schema as anybody can read it."""
    answer = Client().get("/api/schema/?format=json")
    assert answer.status_code == 200
    parsed: dict[str, Any] = json.loads(answer.content)
    return parsed


def test_schema_has_the_two_calls_in_one_spelling(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    assert list(schema["paths"]) == [
        "/scheduler/connector-api/process/start",
        "/scheduler/connector-api/process/status/{robusta_spid}",
    ]


def test_schema_documents_every_answer_with_an_example(schema: dict[str, Any]) -> None:
    start = schema["paths"]["/scheduler/connector-api/process/start"]["post"]

    assert {
        "200",
        "400",
        "401",
        "403",
        "405",
        "406",
        "408",
        "409",
        "413",
        "415",
        "500",
        "503",
    } <= set(start["responses"])
    for answer in start["responses"].values():
        assert answer["content"]["application/json"]["examples"]


def test_schema_has_the_key_of_a_start_and_the_sign_of_a_repeated_answer(
    schema: dict[str, Any],
) -> None:
    start = schema["paths"][START]["post"]

    (key,) = [one for one in start["parameters"] if one["in"] == "header"]
    assert (key["name"], "required" in key) == ("Idempotency-Key", False)
    assert re.compile(key["schema"]["pattern"]).pattern == f"^{KEY.pattern}$"
    assert set(start["responses"]["200"]["headers"]) == {"Idempotent-Replayed", "X-Request-ID"}
    conflict = start["responses"]["409"]["content"]["application/json"]["examples"]
    assert list(conflict) == ["IdempotencyKeyReused"]


def test_schema_tells_the_headers_of_every_answer(schema: dict[str, Any]) -> None:
    told = {
        (status, header)
        for operations in schema["paths"].values()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        for header in answer["headers"]
    }

    assert {header for status, header in told if status == "401"} == {
        "WWW-Authenticate",
        "X-Request-ID",
    }
    assert {("405", "Allow"), ("429", "Retry-After"), ("503", "Retry-After")} <= told


def test_schema_leads_from_a_start_to_its_status(schema: dict[str, Any]) -> None:
    (link,) = schema["paths"][START]["post"]["responses"]["200"]["links"].values()

    status = schema["paths"]["/scheduler/connector-api/process/status/{robusta_spid}"]["get"]
    assert link["operationId"] == status["operationId"]
    assert set(link["parameters"]) == {
        one["name"] for one in status["parameters"] if one["in"] == "path"
    }


def test_schema_of_a_start_is_closed(schema: dict[str, Any]) -> None:
    start = schema["components"]["schemas"]["Start"]

    assert start["additionalProperties"] is False
    assert start["properties"]["run immediately"]["deprecated"] is True
    assert start["properties"]["name"]["minLength"] == 1


def test_schema_names_every_field_of_a_start(schema: dict[str, Any]) -> None:
    start = schema["components"]["schemas"]["Start"]

    assert start["required"] == ["name"]
    properties = start["properties"]
    assert properties["name"]["type"] == "string"
    assert properties["retryCount"]["type"] == ["integer", "string", "null"]
    assert (properties["retryCount"]["minimum"], properties["retryCount"]["maximum"]) == (0, 99)
    assert properties["values"]["type"] == ["object", "null"]
    assert properties["runOnce"]["type"] == ["string", "boolean", "null"]


def test_start_examples_are_taken_and_answered_as_documented(
    acme: Caller, examples: Examples, schema: dict[str, Any]
) -> None:
    WorkerFactory.create(pk=1)
    start = schema["paths"][START]["post"]
    bodies = start["requestBody"]["content"]["application/json"]["examples"]

    answers = {name: acme.start(body["value"]) for name, body in bodies.items()}

    assert set(answers) == {"RunNow", "Plan", "ThePublishedSample"}
    assert {answer.status_code for answer in answers.values()} == {200}
    documented = start["responses"]["200"]["content"]["application/json"]["examples"]
    warned = documented["Saved,WithWarnings"]["value"]["warnings"]
    assert answers["ThePublishedSample"].json()["warnings"] == warned


def test_answer_to_a_dry_run_has_the_documented_keys(
    acme: Caller, examples: Examples, schema: dict[str, Any]
) -> None:
    answer = acme.start({"name": "CountDown"}, f"{START}?dryRun=true")

    start = schema["paths"][START]["post"]["responses"]["200"]["content"]["application/json"]
    assert {"$ref": "#/components/schemas/DryRun"} in schema["components"]["schemas"][
        "StartAnswer"
    ]["oneOf"]
    assert start["examples"]["DryRunOfAPlan"]["value"].keys() == answer.json().keys()
    assert schema["components"]["schemas"]["DryRun"]["properties"].keys() == answer.json().keys()


def test_status_of_a_plan_has_the_documented_keys(
    acme: Caller, examples: Examples, schema: dict[str, Any]
) -> None:
    plan = {"name": "CountDown", "quartzDef": "0 6 6 ? * FRI", "runImmediately": "Y"}
    answer = acme.status(acme.start(plan).json()["robustaSpid"]).json()

    schemas = schema["components"]["schemas"]
    assert schemas["Status"]["properties"].keys() == answer.keys()
    assert schemas["Status"]["required"] == ["message", "status"]
    assert list(schemas["Status"]["patternProperties"]) == ["^__out_"]
    assert "at most the last 1,000" in schemas["Status"]["properties"]["runs"]["description"]
    assert schemas["PlanRun"]["properties"].keys() == answer["runs"][0].keys()
    status = schema["paths"]["/scheduler/connector-api/process/status/{robusta_spid}"]["get"]
    shown = status["responses"]["200"]["content"]["application/json"]["examples"]
    statuses = {name: example["value"]["status"] for name, example in shown.items()}
    assert statuses["PlanThatNeverFires"] == "EXPIRED"
    assert {"PlanBeforeItsFirstRun", "PlanAfterItsFirstRun"} <= set(statuses)


def test_docs_load_nothing_from_elsewhere() -> None:
    page = Client().get("/api/docs/").content.decode()

    assert "swagger-ui-bundle" in page
    assert "https://" not in page.replace("https://unpkg.invalid", "")


def test_every_refusal_has_its_status_in_the_document(schema: dict[str, Any]) -> None:
    documented = {
        status
        for operations in schema["paths"].values()
        for operation in operations.values()
        for status in operation["responses"]
    }

    assert {str(refusal.status) for refusal in ConnectorError.__subclasses__()} <= documented
