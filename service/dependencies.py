"""What routes ask for by type."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Header, Path, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from service.errors import ClientGone, DeadlinePassed, FieldError, InvalidFields
from service.middleware import ARRIVED
from service.runtime import Parts, Runtime
from service.schemas.base import SLUG

T = TypeVar("T")
# One tenant until keys name others; every table carries it already.
TENANT = "default"


async def the_runtime(request: Request) -> Runtime:
    """The app's runtime."""
    return cast(Runtime, request.app.state.runtime)


async def the_parts(request: Request) -> Parts:
    """Model, store and batches, or NotReady."""
    return (await the_runtime(request)).parts


async def the_tenant() -> str:
    """Whose data a request may see."""
    return TENANT


class CheckedRoute(APIRoute):
    """Where a misspelt query parameter fails by name: what counts is what /openapi.json publishes.

    A dependency would do the same, and cost every request what FastAPI takes to ask one.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's own, behind the check, which raises InvalidFields and names each."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            known = request.app.state.query_names.get((self.path, request.method), ())
            unknown = sorted(set(request.query_params) - set(known))
            if unknown:
                raise InvalidFields(
                    *(FieldError("query", name, "is not a parameter here") for name in unknown)
                )
            return await handle(request)

        return checked


class PageQuery(BaseModel):
    """Which page."""

    model_config = ConfigDict(extra="ignore")

    cursor: str | None = Field(
        None, max_length=1000, description="`next_cursor` of the page before."
    )
    limit: int = Field(100, ge=1, le=1000, description="Most items on the page.")


AnyRuntime = Annotated[Runtime, Depends(the_runtime)]
AllParts = Annotated[Parts, Depends(the_parts)]
Tenant = Annotated[str, Depends(the_tenant)]
Slug = Annotated[str, Path(pattern=SLUG, description="The category's name.")]
ExampleId = Annotated[str, Path(pattern="^[0-9A-Za-z_-]{1,64}$", description="The example's id.")]
IfMatch = Annotated[
    str | None,
    Header(max_length=1000, description="ETag of the adaptation you saw; 412 where it is stale."),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        description='A quoted string, `"8e03978e-40d5-43dd-bc93-6894a57f9324"`: the same key and '
        "body give the first answer again, for 24 hours."
    ),
]


def due_of(request: Request, deadline: float) -> float:
    """When a request is given up, on the loop's clock: ``deadline`` seconds after it came."""
    now = asyncio.get_running_loop().time()
    arrived: float = request.scope.get(ARRIVED, now)
    return arrived + deadline


async def while_connected(request: Request, work: Awaitable[T], due: float) -> T:
    """Await ``work``; give it up when the client goes, or when it is ``due``.

    Raises:
        ClientGone: nobody waits for the answer.
        DeadlinePassed: it took too long.
    """
    watching = asyncio.ensure_future(_gone(request))
    until = asyncio.timeout_at(due)

    def end(_: object) -> None:
        if not until.expired():
            until.reschedule(0.0)

    try:
        # In this task, which is given up when its time ends; when the client goes, that is now.
        async with until:
            watching.add_done_callback(end)
            try:
                return await work
            finally:
                watching.remove_done_callback(end)
    except TimeoutError as error:
        if not until.expired():
            raise
        if watching.done():
            raise ClientGone("the client went away before its answer") from error
        request.app.state.metrics.refused.labels("deadline").inc()
        deadline = request.app.state.settings.deadline
        raise DeadlinePassed(
            f"not done after {deadline:g} seconds", retry_after=deadline / 4
        ) from error
    finally:
        watching.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
