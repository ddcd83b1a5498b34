"""The published contract: complete, with an example for every operation, and true."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.service.harness import Service

OPERATIONS = {
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /v1/model",
    "GET /v1/categories",
    "PUT /v1/categories/{category}",
    "GET /v1/categories/{category}",
    "DELETE /v1/categories/{category}",
    "POST /v1/categories/{category}/examples",
    "GET /v1/categories/{category}/examples",
    "GET /v1/categories/{category}/examples/{id}/image",
    "PATCH /v1/categories/{category}/examples/{id}",
    "DELETE /v1/categories/{category}/examples/{id}",
    "GET /v1/categories/{category}/versions",
    "POST /v1/categories/{category}/versions/{n}/activate",
    "POST /v1/score",
    "POST /v1/explain",
    "POST /v1/feedback",
}


@pytest.fixture(scope="module")
def document(shared: Service) -> dict[str, Any]:
    found: dict[str, Any] = shared.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_it_names_every_operation_and_no_other(document: dict[str, Any]) -> None:
    assert set(operations(document)) == OPERATIONS


def test_every_operation_has_an_example(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        good = [answer for status, answer in operation["responses"].items() if status < "300"]
        assert good, name
        for answer in good:
            for media in answer.get("content", {}).values():
                assert "example" in media, name
        for kind, media in operation.get("requestBody", {}).get("content", {}).items():
            assert kind == "multipart/form-data" or "example" in media, name


def test_refusals_are_problems_with_examples(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        assert operation["operationId"], name
        assert operation["description"], name
        bad = {status: answer for status, answer in operation["responses"].items() if status >= "4"}
        if " /v1/" in name:
            assert {"403", "422", "503"} <= set(bad), name
        for status, answer in bad.items():
            (kind,) = answer["content"]
            assert kind == "application/problem+json", (name, status)
            for example in answer["content"][kind]["examples"].values():
                assert example["value"]["status"] == int(status)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(node: Any) -> set[str]:
        if isinstance(node, dict):
            own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
            return own.union(*(references(value) for value in node.values()))
        if isinstance(node, list):
            return set().union(*map(references, node))
        return set()

    schemas = document["components"]["schemas"]
    for reference in references(document):
        assert reference.startswith("#/components/schemas/")
        assert reference.rpartition("/")[2] in schemas, reference
    assert "HTTPValidationError" not in json.dumps(document)


def test_examples_of_bodies_are_taken(shared: Service, document: dict[str, Any]) -> None:
    """What /docs offers to try works when it is tried."""
    for name, operation in operations(document).items():
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is None or "{id}" in name:
            continue
        method, path = name.split()
        answer = shared.request(method, path.replace("{category}", "tried"), json=body["example"])
        assert answer.status_code in (200, 201), (name, answer.text)
        # Nobody was given the score that the example of feedback speaks about.
        assert '"error":{' not in answer.text or "no-such-score" in answer.text
