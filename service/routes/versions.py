"""The history of a category's adaptation: look back, go back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from service import problems
from service.answers import written
from service.bodies import read_json
from service.dependencies import AllParts, CheckedRoute, IdempotencyKey, IfMatch, Slug, Tenant
from service.idempotency import Promise, fingerprint, once, parse_key
from service.openapi import ALWAYS, answer, refusals
from service.schemas.versions import Nothing, VersionList, VersionOut
from service.store import StoredAnswer, Version

router = APIRouter(prefix="/v1", tags=["versions"], route_class=CheckedRoute)
EXAMPLE = {
    "number": 3,
    "created": "2026-11-23T09:30:00Z",
    "examples": {"placeholder": 8, "real": 12},
    "cause": "examples",
    "quality": {
        "method": "leave-one-out",
        "examples": 20,
        "accuracy": 0.95,
        "auroc": 0.9896,
        "missed_placeholders": 1,
        "false_alarms": 0,
    },
    "active": True,
    "source_version": None,
}
# Beyond any history, and still a number that every database has.
Number = Annotated[int, Path(ge=0, le=2**31 - 1, description="0 is the unadapted base model.")]


@router.get(
    "/categories/{category}/versions",
    operation_id="list_versions",
    responses={
        200: answer("The history.", {"items": [EXAMPLE]}, etag=True),
        **refusals(problems.NO_CATEGORY, *ALWAYS),
    },
)
async def list_versions(
    category: Slug, parts: AllParts, tenant: Tenant, response: Response
) -> VersionList:
    """Every version, newest first, and which one is active."""
    found = await parts.store.list_versions(tenant, category)
    for version in found:
        if version.active:
            response.headers["ETag"] = version.etag
    return VersionList(items=[VersionOut.of(version) for version in found])


@router.post(
    "/categories/{category}/versions/{n}/activate",
    operation_id="activate_version",
    response_model=VersionOut,
    responses={
        200: answer(
            "The new entry, in force.",
            EXAMPLE | {"number": 4, "cause": "rollback", "source_version": 2},
            etag=True,
        ),
        **refusals(
            problems.MALFORMED,
            problems.NO_CATEGORY,
            problems.NO_VERSION,
            problems.IN_FLIGHT,
            problems.STALE,
            problems.KEY_REUSED,
            problems.OTHER_WEIGHTS,
            *ALWAYS,
        ),
    },
)
async def activate_version(
    category: Slug,
    n: Number,
    parts: AllParts,
    tenant: Tenant,
    request: Request,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Put a version's examples in force again, back or forth; the history gains an entry."""
    key = parse_key(idempotency_key)
    await read_json(request, Nothing, optional=True)
    operation = f"POST /v1/categories/{category}/versions/{n}/activate"

    def answer_for(version: Version) -> StoredAnswer:
        return written(VersionOut.of(version), version.etag)

    async def activate() -> StoredAnswer:
        promise = Promise(operation, key, answer_for)
        version = await parts.store.activate(
            tenant, category, n, only_if=if_match, idempotency=promise.for_store()
        )
        return promise.kept(version)

    body = fingerprint([])
    stored = await once(parts.store, tenant, operation, key, body, activate)
    return Response(stored.body, stored.status, headers=dict(stored.headers))
