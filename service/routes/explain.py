"""Explanations: a picture for people that shows which region mattered."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from service import problems
from service.answers import written
from service.bodies import media_type, read_json, read_multipart
from service.dependencies import AllParts, CheckedRoute, Tenant, due_of, while_connected
from service.errors import FetchingIsOff, FieldError, InvalidFields
from service.openapi import ALWAYS, WITH_BODY, answer, picture_body, refusals
from service.routes.examples import PIXEL
from service.schemas.base import CategoryName
from service.schemas.explanations import ExplainIn, ExplanationOut
from service.scoring import Item

router = APIRouter(prefix="/v1", tags=["score"], route_class=CheckedRoute)
FIELDS = ("image",)
WEBP = "image/webp"
EXPLAINED = {
    "model": {
        "name": "standin-lite0",
        "version": "0.1.0",
        "sha256": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    },
    "category": "shoes",
    "version": 3,
    "probability": 0.987654,
    "decision": "placeholder",
    "threshold": 0.5,
    "experts": {"visual": {"probability": 0.987654, "weight": 1.0}},
    "visual": [[0.8125, 1.5], [0.75, 1.625]],
    "visual_constant": -0.305472,
    "words": None,
    "text": "NO IMAGE AVAILABLE",
    "image": (
        "UklGRkAAAABXRUJQVlA4IDQAAABQAQCdASoBAAEAAQAcJaAABAAAAP7vrFf//nY3//Ndv/+djf+djf//"
        "XAf/9B3//oO/zUAA"
    ),
}


def _described() -> dict[str, Any]:
    body = picture_body(ExplainIn, {"category": "shoes", "data": PIXEL}, {}, ["image"])
    form = body["requestBody"]["content"]["multipart/form-data"]["schema"]
    form["properties"]["image"] = {
        "type": "string",
        "format": "binary",
        "description": "One picture, of the category that the query names.",
    }
    return body


def _answered() -> dict[str, Any]:
    found = answer(
        "What the answer rests on; the picture alone where WebP is preferred.", EXPLAINED
    )
    found["content"][WEBP] = {
        "schema": {"type": "string", "format": "binary"},
        "example": "(the bytes of a WebP picture)",
    }
    return found


@router.post(
    "/explain",
    operation_id="explain",
    response_model=ExplanationOut,
    responses={
        200: _answered(),
        **refusals(
            problems.NOT_BASE64,
            problems.OTHER_WEIGHTS,
            problems.PICTURE_TOO_LARGE,
            problems.UNREADABLE,
            problems.FETCHING_OFF,
            problems.OVERLOADED,
            problems.DEADLINE,
            *ALWAYS,
            *WITH_BODY,
        ),
    },
    openapi_extra=_described(),
)
async def explain(
    parts: AllParts,
    tenant: Tenant,
    request: Request,
    category: Annotated[
        CategoryName | None,
        Query(description="Of the picture; multipart needs it."),
    ] = None,
) -> Response:
    """Say which region of a picture mattered to the visual expert, and what all experts say.

    Answers what a score would answer, changes nothing and keeps no score. With `Accept: image/webp`
    the answer is the picture alone.
    """
    item = await _read(request, category)
    alone = prefers_picture(", ".join(request.headers.getlist("accept")))
    found = await while_connected(
        request,
        parts.explainer.explain(tenant, item, with_text=not alone),
        due_of(request, parts.settings.deadline),
    )
    vary = {"Vary": "Accept"}
    if alone:
        return Response(found.picture, media_type=WEBP, headers=vary)
    stored = written(ExplanationOut.of(found, parts.model.card))
    return Response(stored.body, stored.status, headers={**stored.headers, **vary})


def prefers_picture(accept: str) -> bool:
    """Whether an Accept header (RFC 9110, section 12.5.1) would rather have WebP than JSON.

    Of two that are wanted alike, the one that is named more exactly; else JSON.
    """
    picture = _wanted(accept, WEBP)
    return picture[0] > 0 and picture > _wanted(accept, "application/json")


def _wanted(accept: str, kind: str) -> tuple[float, int]:
    """Quality of a media type by the most exact range that names it, and how exact that is."""
    ranges = ("*/*", f"{kind.partition('/')[0]}/*", kind)
    found = (0.0, -1)
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        exact = ranges.index(name) if name in ranges else -1
        if exact > found[1]:
            found = (_quality(parameters), exact)
    return found


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return min(max(float(parameter[2:]), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


async def _read(request: Request, category: str | None) -> Item:
    if media_type(request) == "multipart":
        if category is None:
            raise InvalidFields(FieldError("query", "category", "is required with multipart"))
        uploads = await read_multipart(request, FIELDS, 1)
        if not uploads:
            raise InvalidFields(FieldError("body", "image", "no picture came"))
        return Item(uploads[0].name, category, uploads[0].data)
    body = await read_json(request, ExplainIn)
    category = body.category or category
    if category is None:
        raise InvalidFields(FieldError("body", "category", "is required, here or in the query"))
    if body.data is None:
        return Item(None, category, FetchingIsOff("this service fetches no pictures by url"))
    return Item(None, category, body.data)
