"""Is it there, is it ready, how is it doing."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service import problems
from service.dependencies import AnyRuntime
from service.metrics import CONTENT_TYPE
from service.openapi import answer, refusals
from service.schemas.health import Alive, Ready

router = APIRouter(tags=["health"])


@router.get(
    "/healthz",
    operation_id="health",
    responses={200: answer("The process lives.", {"status": "alive"})},
)
async def health() -> Alive:
    """200 while the process lives."""
    return Alive()


@router.get(
    "/readyz",
    operation_id="ready",
    responses={
        200: answer(
            "Weights are loaded and the store answers.",
            {"status": "ready", "model": "standin-lite0", "stale_examples": 0},
        ),
        **refusals(problems.NOT_READY, problems.STORE_AWAY),
    },
)
async def ready(runtime: AnyRuntime) -> Ready:
    """200 once weights are loaded and the store answers, else 503 with what is missing."""
    parts = await runtime.check()
    return Ready(model=parts.model.card.name, stale_examples=runtime.stale_examples)


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus text.",
            "content": {"text/plain": {"example": "standin_ready 1.0\n"}},
        }
    },
)
async def metrics(request: Request) -> Response:
    """What the service counts about itself."""
    return Response(request.app.state.metrics.text(), headers={"Content-Type": CONTENT_TYPE})
