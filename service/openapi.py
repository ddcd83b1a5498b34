"""The published contract: the parts that FastAPI cannot read from signatures."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from service import problems
from service.problems import Kind

PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457. `type` says which; docs/problems.md lists them.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["in", "field", "detail"],
                "properties": {
                    "in": {"enum": ["body", "query", "path", "header"]},
                    "field": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
        "rejected": {
            "type": "array",
            "description": "Of an upload of which nothing could be taken: each picture's problem.",
            "items": {"$ref": "#/components/schemas/Rejected"},
        },
    },
}
# Every operation under /v1 may answer these.
ALWAYS = (problems.FOREIGN_PAGE, problems.INVALID, problems.NOT_READY)
# And those that take a body.
WITH_BODY = (problems.MALFORMED, problems.TOO_LARGE, problems.UNSUPPORTED)


def refusals(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """``responses`` of an operation: one entry a status, with an example for each kind."""
    by_status: dict[int, list[Kind]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind)
    return {status: _refusal(found) for status, found in sorted(by_status.items())}


def _refusal(kinds: list[Kind]) -> dict[str, Any]:
    examples = {
        kind.slug: {
            "summary": kind.title,
            "value": problems.Problem(kind, kind.explained).as_json(),
        }
        for kind in kinds
    }
    media = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}
    response: dict[str, Any] = {
        "description": "; ".join(kind.title for kind in kinds),
        "content": {problems.MEDIA_TYPE: media},
    }
    if kinds[0].status == 503:
        response["headers"] = {
            "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}
        }
    return response


def answer(description: str, example: Any, *, etag: bool = False) -> dict[str, Any]:
    """A success with its example."""
    response: dict[str, Any] = {
        "description": description,
        "content": {"application/json": {"example": example}},
    }
    if etag:
        response["headers"] = {
            "ETag": {"description": "Names the adaptation.", "schema": {"type": "string"}}
        }
    return response


def json_body(schema: type[BaseModel], example: Any, *, required: bool = True) -> dict[str, Any]:
    """``openapi_extra`` of an operation that reads JSON itself."""
    media = {"schema": _inline(schema), "example": example}
    return {"requestBody": {"required": required, "content": {"application/json": media}}}


def picture_body(
    schema: type[BaseModel], example: Any, fields: dict[str, str], required: list[str]
) -> dict[str, Any]:
    """``openapi_extra`` of an operation that takes pictures: multipart or JSON."""
    properties = {
        name: {
            "type": "array",
            "description": description,
            "items": {"type": "string", "format": "binary"},
        }
        for name, description in fields.items()
    }
    form = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        form["required"] = required
    content = {
        "multipart/form-data": {"schema": form},
        "application/json": {"schema": _inline(schema), "example": example},
    }
    return {"requestBody": {"required": True, "content": content}}


def _inline(schema: type[BaseModel]) -> dict[str, Any]:
    found = schema.model_json_schema(ref_template="#/components/schemas/{model}")
    _extra_schemas.update(found.pop("$defs", {}))
    _extra_schemas[schema.__name__] = found
    return {"$ref": f"#/components/schemas/{schema.__name__}"}


# Schemas of bodies that routes read themselves; filled while the routes are imported.
_extra_schemas: dict[str, Any] = {}


def install(app: FastAPI) -> None:
    """Publish /openapi.json, and keep from it what requests are checked against."""

    def generate() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(_extra_schemas)
            schemas["Problem"] = PROBLEM_SCHEMA
            document["components"]["schemas"] = dict(sorted(schemas.items()))
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = generate  # type: ignore[method-assign]
    paths = generate()["paths"]
    app.state.methods = {path: sorted(map(str.upper, found)) for path, found in paths.items()}
    app.state.query_names = {
        (path, method.upper()): {
            parameter["name"]
            for parameter in operation.get("parameters", ())
            if parameter["in"] == "query"
        }
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
