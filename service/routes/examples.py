"""Examples: the few labelled pictures that a category learns from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service import problems
from service.answers import written
from service.bodies import media_type, read_json, read_multipart
from service.dependencies import (
    AllParts,
    CheckedRoute,
    ExampleId,
    IdempotencyKey,
    IfMatch,
    PageQuery,
    Slug,
    Tenant,
    due_of,
    while_connected,
)
from service.errors import FetchingIsOff, FieldError, InvalidFields, RequestTooLarge
from service.guessing import tell_undone
from service.idempotency import Promise, fingerprint, once, parse_key
from service.learning import Labelled, prepare
from service.openapi import ALWAYS, WITH_BODY, answer, json_body, picture_body, refusals
from service.routes.categories import EXAMPLE as CATEGORY
from service.schemas.base import ExampleCounts, Quality
from service.schemas.categories import CategoryOut
from service.schemas.examples import (
    AdaptationOut,
    ExampleIn,
    ExampleOut,
    ExamplePage,
    ExamplesIn,
    LabelIn,
    rejected_of,
)
from service.store import Change, Label, StoredAnswer

router = APIRouter(prefix="/v1", tags=["examples"], route_class=CheckedRoute)
FIELDS: dict[str, Label] = {"placeholder": "placeholder", "real": "real"}
# One transparent pixel, for the examples in /docs.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kg"
    "AAAABJRU5ErkJggg=="
)
EXAMPLE = {
    "id": "019aaf6c1f7e7d0f8f3a5c9e4b2d1a60",
    "label": "placeholder",
    "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "size": {"width": 800, "height": 600},
    "format": "JPEG",
    "created": "2026-11-23T09:30:00Z",
    "origin": "upload",
}
ADAPTED = {
    "category": "shoes",
    "version": 3,
    "examples": {"placeholder": 8, "real": 12},
    "added": 4,
    "relabelled": 0,
    "unchanged": 1,
    "rejected": [
        {
            "index": 2,
            "error": problems.Problem(problems.UNREADABLE, "the file is truncated").as_json(),
        }
    ],
    "quality": {
        "method": "leave-one-out",
        "examples": 20,
        "accuracy": 0.95,
        "auroc": 0.9896,
        "missed_placeholders": 1,
        "false_alarms": 0,
    },
    "took_ms": 412.5,
}


@router.post(
    "/categories/{category}/examples",
    operation_id="add_examples",
    response_model=AdaptationOut,
    responses={
        200: answer("Learned: durable and in force.", ADAPTED, etag=True),
        **refusals(
            problems.IN_FLIGHT,
            problems.OTHER_WEIGHTS,
            problems.CONFLICTING,
            problems.STALE,
            problems.PICTURE_TOO_LARGE,
            problems.UNREADABLE,
            problems.KEY_REUSED,
            problems.NO_PICTURE,
            problems.OVERLOADED,
            *ALWAYS,
            *WITH_BODY,
        ),
    },
    openapi_extra=picture_body(
        ExamplesIn,
        {"examples": [{"label": "placeholder", "data": PIXEL}]},
        {
            "placeholder": "Pictures that stand in for a missing one.",
            "real": "Pictures of products.",
        },
        [],
    ),
)
async def add_examples(
    category: Slug,
    parts: AllParts,
    tenant: Tenant,
    request: Request,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Learn from labelled pictures; the category is created where it is new.

    Pictures that cannot be taken are listed in `rejected` by their index, in order of appearance,
    and the others are learned from. Where none can be taken, nothing changes and the problem
    lists them.
    """
    started = time.perf_counter()
    key = parse_key(idempotency_key)
    given = await _read(request, parts.settings.max_request_pictures)
    labels = [one.label for one in given]
    pictures = await parts.embedder.name([one.source for one in given])
    operation = f"POST /v1/categories/{category}/examples"

    async def learn() -> StoredAnswer:
        ready = await while_connected(
            request,
            prepare(labels, pictures, parts.embedder, parts.model),
            due_of(request, parts.settings.deadline),
        )

        def answer_for(change: Change) -> StoredAnswer:
            now = change.category
            body = AdaptationOut(
                category=now.name,
                version=now.version,
                examples=ExampleCounts(placeholder=now.placeholder_count, real=now.real_count),
                added=change.added,
                relabelled=change.relabelled,
                unchanged=change.unchanged + ready.repeated,
                rejected=rejected_of(ready.rejected),
                quality=None
                if change.version.quality is None
                else Quality(**change.version.quality),
                took_ms=round((time.perf_counter() - started) * 1000, 1),
            )
            return written(body, now.etag)

        promise = Promise(operation, key, answer_for)
        change = await parts.store.change_examples(
            tenant,
            category,
            ready.additions,
            parts.fitter,
            only_if=if_match,
            idempotency=promise.for_store(),
        )
        tell_undone(category, change.undone, request.app.state.metrics)
        return promise.kept(change)

    body = fingerprint(
        [
            [label, getattr(picture, "sha256", str(picture))]
            for label, picture in zip(labels, pictures, strict=True)
        ]
    )
    stored = await once(parts.store, tenant, operation, key, body, learn)
    return Response(stored.body, stored.status, headers=dict(stored.headers))


async def _read(request: Request, most: int) -> Sequence[Labelled]:
    if media_type(request) == "multipart":
        uploads = await read_multipart(request, FIELDS, most)
        if not uploads:
            raise InvalidFields(FieldError("body", "placeholder", "no picture came, nor as real"))
        return [Labelled(FIELDS[upload.field_name], upload.data) for upload in uploads]
    body = await read_json(request, ExamplesIn)
    if len(body.examples) > most:
        raise RequestTooLarge(f"{len(body.examples)} pictures, and a request may have {most}")
    return [_labelled(example) for example in body.examples]


def _labelled(example: ExampleIn) -> Labelled:
    if example.data is None:
        return Labelled(example.label, FetchingIsOff("this service fetches no pictures by url"))
    return Labelled(example.label, example.data)


@router.get(
    "/categories/{category}/examples",
    operation_id="list_examples",
    responses={
        200: answer("A page.", {"items": [EXAMPLE], "next_cursor": None}),
        **refusals(problems.BAD_CURSOR, problems.NO_CATEGORY, *ALWAYS),
    },
)
async def list_examples(
    category: Slug, parts: AllParts, tenant: Tenant, page: Annotated[PageQuery, Query()]
) -> ExamplePage:
    """Page through the examples of the version in force."""
    found = await parts.store.list_examples(tenant, category, page.cursor, page.limit)
    return ExamplePage(
        items=[ExampleOut.of(example) for example in found.items], next_cursor=found.next_cursor
    )


@router.get(
    "/categories/{category}/examples/{id}/image",
    operation_id="get_example_image",
    response_class=Response,
    responses={
        200: {
            "description": "At most 224 pixels wide and high; none of the original's metadata.",
            "content": {
                "image/webp": {
                    "schema": {"type": "string", "format": "binary"},
                    "example": "(the bytes of a WebP picture)",
                }
            },
        },
        **refusals(problems.NO_CATEGORY, problems.NO_EXAMPLE, problems.NO_THUMBNAIL, *ALWAYS),
    },
)
async def get_example_image(
    category: Slug, id: ExampleId, parts: AllParts, tenant: Tenant
) -> Response:
    """The example's thumbnail; one that came from a score, by feedback or as a guess, has none."""
    data = await parts.store.example_thumbnail(tenant, category, id)
    # An id's picture never changes, but it can be deleted, so not for long.
    return Response(data, media_type="image/webp", headers={"Cache-Control": "private, max-age=60"})


CHANGED = {
    200: answer("The category with its new version.", CATEGORY, etag=True),
    **refusals(
        problems.NO_CATEGORY, problems.NO_EXAMPLE, problems.STALE, problems.OTHER_WEIGHTS, *ALWAYS
    ),
}


@router.patch(
    "/categories/{category}/examples/{id}",
    operation_id="relabel_example",
    responses=CHANGED | refusals(*WITH_BODY),
    openapi_extra=json_body(LabelIn, {"label": "real"}),
)
async def relabel_example(
    category: Slug,
    id: ExampleId,
    parts: AllParts,
    tenant: Tenant,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> CategoryOut:
    """Say what an example is. The label that it has changes nothing, but of a guess, which so
    becomes the teacher's."""
    change = await read_json(request, LabelIn)
    done = await parts.store.relabel_example(
        tenant, category, id, change.label, parts.fitter, only_if=if_match
    )
    tell_undone(category, done.undone, request.app.state.metrics)
    response.headers["ETag"] = done.category.etag
    return CategoryOut.of(done.category)


@router.delete(
    "/categories/{category}/examples/{id}",
    operation_id="remove_example",
    responses=CHANGED,
)
async def remove_example(
    category: Slug,
    id: ExampleId,
    parts: AllParts,
    tenant: Tenant,
    response: Response,
    if_match: IfMatch = None,
) -> CategoryOut:
    """Take an example out; earlier versions keep it."""
    done = await parts.store.remove_example(tenant, category, id, parts.fitter, only_if=if_match)
    response.headers["ETag"] = done.category.etag
    return CategoryOut.of(done.category)
