"""What holds for every request, whatever its route. Plain ASGI, one concern a class."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import problems
from service.errors import (
    BodyStalled,
    ForeignPage,
    MalformedRequest,
    Overloaded,
    RequestTooLarge,
    ServiceError,
)
from service.metrics import Metrics

log = logging.getLogger("standin.http")
CLIENT_GONE = 499
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_SECURITY_HEADERS = [
    (name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()
]

ARRIVED = "standin.arrived"
"""Of a request's scope: when it came, on the loop's clock."""
BRING_PICTURES = ("/score", "/examples", "/explain")
"""Ends of the paths whose bodies cost something to read."""


class Boundary:
    """The outermost layer: counts requests, and lets no exception out as a bare 500."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except Exception as error:
            log.exception("defect in %s %s", scope["method"], scope["path"])
            if status:
                raise  # half an answer is out: all that is left is to cut the connection
            answer = problems.describe(error).response()
            answer.headers.update(SECURITY_HEADERS)
            await answer(scope, receive, noting)
        finally:
            # The template, not the path: a label for each category would never end.
            route = getattr(scope.get("route"), "path", "(none)")
            method = scope["method"] if route != "(none)" else "(any)"
            self.metrics.requests.labels(method, route, status or CLIENT_GONE).inc()
            spent = time.perf_counter() - started
            self.metrics.request_seconds.labels(method, route).observe(spent)


class SecurityHeaders:
    """The same careful headers on everything, where a route has not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                names = {name.lower() for name, _ in given}
                given += [each for each in _SECURITY_HEADERS if each[0] not in names]
                message = {**message, "headers": given}
            await send(message)

        await self.app(scope, receive, guarded)


class HeadAsGet:
    """HEAD for whatever has GET (RFC 9110, section 9.3.2): the same head, no content."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def without_content(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        scope["method"] = "GET"
        await self.app(scope, receive, without_content)


class OwnPagesOnly:
    """No key is asked for, so a foreign web page must not act through its visitor's browser.

    A page can send a form to 127.0.0.1 without asking, and it names itself in ``Origin``. Under a
    name of its own that resolves to 127.0.0.1 (DNS rebinding) it could even read the answers, so
    ``Host`` must be one of the names that are known.

    Args:
        hosts: those names, or None for any.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = self._foreign(scope) if scope["type"] == "http" else None
        if error is None:
            await self.app(scope, receive, send)
        else:
            await problems.describe(error).response()(scope, receive, send)

    def _foreign(self, scope: Scope) -> ServiceError | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        try:
            named = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return MalformedRequest("the Host header is not a host")
        if self.hosts is not None and named not in self.hosts:
            return ForeignPage(f"{named!r} is not a name of this service (STANDIN_HOSTS)")
        origin = headers.get("origin")
        if origin is None or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return None
        if origin.partition("://")[2].lower() != host.lower():
            return ForeignPage(f"a page of {origin} may not change anything here")
        return None


class BodyLimits:
    """Counts bodies while they arrive: one may be so large, all of them together so large.

    Args:
        largest: bytes of one body; refused by Content-Length where there is one, and else at the
            first byte too many.
        together: bytes of all bodies that are held at the same time.
        patience: seconds without a byte.
        busy: why no picture can be taken now, asked before one is read; None where it can.
    """

    def __init__(
        self,
        app: ASGIApp,
        largest: int,
        together: int,
        patience: float,
        metrics: Metrics,
        busy: Callable[[], ServiceError | None],
    ) -> None:
        self.app = app
        self.busy = busy
        self.largest = largest
        self.together = together
        self.patience = patience
        self.metrics = metrics
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > self.largest:
            error: ServiceError = MalformedRequest("Content-Length is not a number")
            if length.isascii() and length.isdigit():
                error = self._too_large(f"{int(length)} bytes")
            await problems.describe(error).response()(scope, receive, send)
            return
        scope[ARRIVED] = asyncio.get_running_loop().time()
        if scope["method"] == "POST" and scope["path"].endswith(BRING_PICTURES):
            refusal = self.busy()
            if refusal is not None:
                await problems.describe(refusal).response()(scope, receive, send)
                return
        taken = 0
        ended = False

        async def counted() -> Message:
            nonlocal taken, ended
            if ended:  # what comes now is the news that the client has gone, whenever that is
                return await receive()
            try:
                async with asyncio.timeout(self.patience):
                    message = await receive()
            except TimeoutError as error:
                raise BodyStalled(
                    f"the body stopped after {taken} bytes, and nothing came for "
                    f"{self.patience:g} seconds"
                ) from error
            ended = not message.get("more_body", False)
            size = len(message.get("body", b""))
            taken += size
            self._hold(size)
            if taken > self.largest:
                raise self._too_large("more bytes than that")
            if self.held > self.together:
                self.metrics.refused.labels("bytes").inc()
                raise Overloaded(
                    f"requests with {self.held} bytes are being worked on, and "
                    f"{self.together} may be",
                    retry_after=2,
                )
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self._hold(-taken)

    def _hold(self, size: int) -> None:
        self.held += size
        self.metrics.body_bytes.set(self.held)

    def _too_large(self, came: str) -> RequestTooLarge:
        return RequestTooLarge(f"a request may have {self.largest} bytes; this one has {came}")
