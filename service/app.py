"""The application: routes, limits, errors, and what lives as long as it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import metadata

from fastapi import FastAPI

from model import Model
from service import middleware, openapi, problems
from service.metrics import Metrics
from service.routes import (
    categories,
    documentation,
    examples,
    explain,
    feedback,
    health,
    score,
    versions,
)
from service.routes import model as model_route
from service.runtime import Runtime
from service.settings import Settings
from service.workers.nursery import Nursery

DESCRIPTION = """\
Finds the pictures in a product catalogue that stand in for a picture nobody has, and learns what
that means for each category from a handful of examples.

Errors are `application/problem+json` (RFC 9457). Pictures are JPEG, PNG, WebP, GIF, BMP, AVIF or
TIFF, told by their bytes.
"""


def create_app(
    settings: Settings,
    *,
    loaded: Model | None = None,
    on_ready: Callable[[], None] | None = None,
    on_fatal: Callable[[Exception], None] | None = None,
    nursery: Nursery | None = None,
) -> FastAPI:
    """Build the application. Nothing is opened before its lifespan begins.

    Args:
        loaded: a model that is there already, instead of loading ``settings.weights``.
        on_ready: called once everything is there.
        on_fatal: told when it can never become ready; see :class:`service.runtime.Runtime`.
        nursery: likewise.
    """
    metrics = Metrics()
    runtime = Runtime(settings, metrics, loaded, on_ready, on_fatal, nursery)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        runtime.start()
        try:
            yield
        finally:
            await runtime.stop()

    app = FastAPI(
        title="Standin",
        version=version(),
        description=DESCRIPTION,
        lifespan=lifespan,
        # Ours are served from here, without another host.
        docs_url=None,
        redoc_url=None,
        # A redirect would make clients send a picture twice; the path is another path.
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.metrics = metrics
    app.state.runtime = runtime
    problems.install(app)
    # They are tried in turn: what is asked most stands first.
    for routes in (score, model_route, categories, examples, versions, explain, feedback):
        app.include_router(routes.router)
    app.include_router(health.router)
    app.include_router(documentation.router)
    openapi.install(app)
    # The last one added is the outermost.
    app.add_middleware(
        middleware.BodyLimits,
        largest=settings.max_request_bytes,
        together=settings.max_bytes_in_flight,
        patience=settings.body_timeout,
        metrics=metrics,
        busy=runtime.busy,
    )
    app.add_middleware(middleware.OwnPagesOnly, hosts=settings.trusted_hosts)
    app.add_middleware(middleware.HeadAsGet)
    app.add_middleware(middleware.SecurityHeaders)
    app.add_middleware(middleware.Boundary, metrics=metrics)
    return app


def version() -> str:
    """Of the installed package; a plain checkout has none."""
    try:
        return metadata.version("standin")
    except metadata.PackageNotFoundError:
        return "0+checkout"
