"""The service in this process, asked through ASGI, and the one shape that all refusals have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

from model import Model
from service import problems, settings
from service.app import create_app
from service.runtime import Parts
from service.settings import Settings

T = TypeVar("T")
Files = list[tuple[str, tuple[str, bytes, str]]]


def files(field: str, *pictures: bytes, names: str = "picture-{}.jpg") -> Files:
    """Multipart files of one field."""
    return [
        (field, (names.format(index), data, "application/octet-stream"))
        for index, data in enumerate(pictures)
    ]


class Service:
    """An app and its event loop, in a thread; blocking calls for tests."""

    def __init__(self, chosen: Settings, loaded: Model | None) -> None:
        self.app: FastAPI = create_app(chosen, loaded=loaded)
        self._stack = ExitStack()

    def __enter__(self) -> Service:
        self.portal: BlockingPortal = self._stack.enter_context(start_blocking_portal("asyncio"))
        lifespan = self.app.router.lifespan_context(self.app)
        self._stack.enter_context(self.portal.wrap_async_context_manager(lifespan))
        # Defects must be answered too, so what the app raises is not raised here.
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://localhost")
        self._stack.callback(lambda: self.portal.call(self.client.aclose))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def wait_until_ready(self) -> None:
        self.portal.call(self.app.state.runtime.ready.wait)

    @property
    def parts(self) -> Parts:
        return self.app.state.runtime.parts  # type: ignore[no-any-return]

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Something on the app's event loop."""
        return self.portal.call(work)

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        return self.portal.call(lambda: self.client.request(method, url, **options))

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Any) -> httpx.Response:
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Any) -> httpx.Response:
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", url, **options)

    def teach(
        self, category: str, placeholder: list[bytes], real: list[bytes], **options: Any
    ) -> httpx.Response:
        """Upload examples by multipart."""
        both = files("placeholder", *placeholder) + files("real", *real)
        return self.post(f"/v1/categories/{category}/examples", files=both, **options)

    def score(self, category: str, *pictures: bytes) -> httpx.Response:
        """Score by multipart."""
        return self.post(f"/v1/score?category={category}", files=files("images", *pictures))


def settings_for(folder: Path, **given: Any) -> Settings:
    """Settings of a test: its own folder, one thread, nothing from this machine's environment.

    Reading words would take longer than most tests, so those that are about it ask for it.
    """
    chosen = {"data_dir": folder, "threads": 1, "decode_threads": 2, "device": "cpu"}
    chosen |= {"decode_in": "threads"}
    chosen |= {"read_text": "never"} | given
    return settings.read({}, **chosen)


def assert_problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """Every refusal: RFC 9457, our type, the status twice, a sentence, and careful headers."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == problems.MEDIA_TYPE
    body: dict[str, Any] = response.json()
    assert_problem_object(body, status, slug)
    assert set(body) <= {"type", "title", "status", "detail", "errors", "rejected"}
    assert response.headers["x-content-type-options"] == "nosniff"
    if status == 503:
        assert int(response.headers["retry-after"]) >= 1
    return body


def assert_problem_object(body: dict[str, Any], status: int, slug: str) -> None:
    """The members, wherever the problem stands."""
    assert body["type"] == problems.TYPE_PREFIX + slug, body
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    for error in body.get("errors", ()):
        assert set(error) == {"in", "field", "detail"}
        assert error["in"] in ("body", "query", "path", "header")
        assert error["field"]
        assert error["detail"]


def fields_of(body: dict[str, Any]) -> set[str]:
    """The names of the fields that a 422 complains of."""
    return {error["field"] for error in body["errors"]}
