"""Scores: which pictures stand in for a picture nobody has."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from service import problems
from service.bodies import media_type, read_json, read_multipart
from service.dependencies import AllParts, CheckedRoute, Tenant, due_of, while_connected
from service.errors import FetchingIsOff, FieldError, InvalidFields, RequestTooLarge
from service.openapi import ALWAYS, WITH_BODY, answer, picture_body, refusals
from service.routes.examples import PIXEL
from service.schemas.base import CategoryName
from service.schemas.model import ModelName
from service.schemas.scores import ScoreIn, ScoreItemIn, ScoresOut, result_of
from service.scoring import Item

router = APIRouter(prefix="/v1", tags=["score"], route_class=CheckedRoute)
FIELDS = ("images",)
SCORED = {
    "model": {
        "name": "standin-lite0",
        "version": "0.1.0",
        "sha256": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    },
    "results": [
        {
            "id": "sku-1",
            "score_id": "019aaf6c1f7e7d0f8f3a5c9e4b2d1a60",
            "category": "shoes",
            "version": 3,
            "probability": 0.987654,
            "decision": "placeholder",
            "threshold": 0.5,
            "evidence": {
                "experts": {"visual": {"probability": 0.987654, "weight": 1.0}},
                "nearest": {
                    "placeholder": {
                        "id": "019aaf6c1f7e7d0f8f3a5c9e4b2d1a61",
                        "similarity": 0.9312,
                    },
                    "real": None,
                },
                "text": None,
                "seen": {"request": 2, "category": 0},
            },
        },
        {
            "id": "sku-2",
            "error": problems.Problem(problems.UNREADABLE, "the file is truncated").as_json(),
        },
    ],
}


@router.post(
    "/score",
    operation_id="score",
    responses={
        200: answer("Results in request order.", SCORED),
        **refusals(problems.OVERLOADED, problems.DEADLINE, *ALWAYS, *WITH_BODY),
    },
    openapi_extra=picture_body(
        ScoreIn,
        {"items": [{"id": "sku-1", "category": "shoes", "data": PIXEL}]},
        {"images": "Pictures, all of the category that the query names."},
        ["images"],
    ),
)
async def score(
    parts: AllParts,
    tenant: Tenant,
    request: Request,
    category: Annotated[
        CategoryName | None,
        Query(description="Of every picture that names none of its own; multipart needs it."),
    ] = None,
) -> ScoresOut:
    """Score pictures. One that cannot be read gets its own error, its neighbours their scores.

    A category that was never named scores with version 0, the unadapted base model.
    """
    items = await _read(request, category, parts.settings.max_request_pictures)
    due = due_of(request, parts.settings.deadline)
    answers = await while_connected(request, parts.scorer.score(tenant, items, due), due)
    card = parts.model.card
    return ScoresOut(
        model=ModelName(name=card.name, version=card.version, sha256=card.sha256),
        results=[result_of(one) for one in answers],
    )


async def _read(request: Request, category: str | None, most: int) -> list[Item]:
    if media_type(request) == "multipart":
        if category is None:
            raise InvalidFields(FieldError("query", "category", "is required with multipart"))
        uploads = await read_multipart(request, FIELDS, most)
        if not uploads:
            raise InvalidFields(FieldError("body", "images", "no picture came"))
        return [Item(upload.name, category, upload.data) for upload in uploads]
    body = await read_json(request, ScoreIn)
    if len(body.items) > most:
        raise RequestTooLarge(f"{len(body.items)} pictures, and a request may have {most}")
    return [_item(index, item, category) for index, item in enumerate(body.items)]


def _item(index: int, given: ScoreItemIn, category: str | None) -> Item:
    category = given.category or category
    if category is None:
        raise InvalidFields(
            FieldError("body", f"items.{index}.category", "is required, here or in the query")
        )
    if given.data is None:
        return Item(given.id, category, FetchingIsOff("this service fetches no pictures by url"))
    return Item(given.id, category, given.data)
