"""The OpenAPI schema says what the API does."""

import json
from typing import Any

import pytest
from django.test import Client


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

    assert {"200", "400", "401", "403", "405", "406", "413", "415", "500", "503"} <= set(
        start["responses"]
    )
    for answer in start["responses"].values():
        assert answer["content"]["application/json"]["examples"]


def test_schema_names_every_field_of_a_start(schema: dict[str, Any]) -> None:
    start = schema["components"]["schemas"]["Start"]

    assert start["required"] == ["name"]
    properties = start["properties"]
    assert properties["name"]["type"] == "string"
    assert properties["retryCount"]["type"] == ["integer", "string", "null"]
    assert (properties["retryCount"]["minimum"], properties["retryCount"]["maximum"]) == (0, 99)
    assert properties["values"]["type"] == ["object", "null"]
    assert properties["runOnce"]["type"] == ["string", "boolean", "null"]


def test_docs_load_nothing_from_elsewhere() -> None:
    page = Client().get("/api/docs/").content.decode()

    assert "swagger-ui-bundle" in page
    assert "https://" not in page.replace("https://unpkg.invalid", "")
