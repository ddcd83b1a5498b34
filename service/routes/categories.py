"""Categories: list, create or change, look at, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service import problems
from service.bodies import read_json
from service.dependencies import AllParts, CheckedRoute, IfMatch, PageQuery, Slug, Tenant
from service.openapi import ALWAYS, WITH_BODY, answer, json_body, refusals
from service.schemas.categories import CategoryIn, CategoryOut, CategoryPage

router = APIRouter(prefix="/v1", tags=["categories"], route_class=CheckedRoute)
EXAMPLE = {
    "name": "shoes",
    "title": "Shoes",
    "threshold": 0.5,
    "unsure_band": 0.1,
    "version": 3,
    "examples": {"placeholder": 8, "real": 12},
    "created": "2026-11-23T08:00:00Z",
    "updated": "2026-11-23T09:30:00Z",
}


@router.get(
    "/categories",
    operation_id="list_categories",
    responses={
        200: answer("A page.", {"items": [EXAMPLE], "next_cursor": None}),
        **refusals(problems.BAD_CURSOR, *ALWAYS),
    },
)
async def list_categories(
    parts: AllParts, tenant: Tenant, page: Annotated[PageQuery, Query()]
) -> CategoryPage:
    """Page through the categories, in the order of their names."""
    found = await parts.store.list_categories(tenant, page.cursor, page.limit)
    return CategoryPage(
        items=[CategoryOut.of(category) for category in found.items],
        next_cursor=found.next_cursor,
    )


@router.put(
    "/categories/{category}",
    operation_id="put_category",
    responses={
        200: answer("It was there; this is what it is now.", EXAMPLE, etag=True),
        201: answer("It is new.", EXAMPLE | {"version": 0}, etag=True),
        **refusals(problems.STALE, *ALWAYS, *WITH_BODY),
    },
    openapi_extra=json_body(
        CategoryIn, {"title": "Shoes", "threshold": 0.5, "unsure_band": 0.1}, required=False
    ),
)
async def put_category(
    category: Slug,
    parts: AllParts,
    tenant: Tenant,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> CategoryOut:
    """Create a category, or change its title, threshold or unsure band.

    A field that is left out stays as it is; null sets it back to its default.
    """
    change = await read_json(request, CategoryIn, optional=True)
    given = change.model_dump(exclude_unset=True)
    now, created = await parts.store.put_category(tenant, category, **given, only_if=if_match)
    response.status_code = 201 if created else 200
    response.headers["ETag"] = now.etag
    return CategoryOut.of(now)


@router.get(
    "/categories/{category}",
    operation_id="get_category",
    responses={
        200: answer("The category.", EXAMPLE, etag=True),
        **refusals(problems.NO_CATEGORY, *ALWAYS),
    },
)
async def get_category(
    category: Slug, parts: AllParts, tenant: Tenant, response: Response
) -> CategoryOut:
    """One category."""
    found = await parts.store.get_category(tenant, category)
    response.headers["ETag"] = found.etag
    return CategoryOut.of(found)


@router.delete(
    "/categories/{category}",
    operation_id="delete_category",
    status_code=204,
    responses={
        204: {"description": "It is gone, with its examples and versions."},
        **refusals(problems.NO_CATEGORY, problems.STALE, *ALWAYS),
    },
)
async def delete_category(
    category: Slug, parts: AllParts, tenant: Tenant, if_match: IfMatch = None
) -> None:
    """Delete a category, its examples and its versions."""
    await parts.store.delete_category(tenant, category, if_match)
