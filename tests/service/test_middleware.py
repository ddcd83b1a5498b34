"""What holds for every request, whatever its route."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from model import Model
from service.middleware import SECURITY_HEADERS
from tests.service.harness import Service, assert_problem, fields_of, files, settings_for
from tests.service.pictures import product, standin

MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def tight(small_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that takes little, waits little and queues little."""
    chosen = settings_for(
        tmp_path_factory.mktemp("tight"),
        max_request_bytes=20_000,
        max_bytes_in_flight=30_000,
        max_request_pictures=4,
        queue_pictures=4,
        body_timeout=0.2,
        max_picture_bytes=10_000,
        max_picture_pixels=200 * 200,
    )
    with Service(chosen, small_model) as service:
        service.wait_until_ready()
        yield service


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/v1/nowhere", 404, "not-found"),
        ("GET", "/v1/categories/", 404, "not-found"),
        ("GET", "/v1/categories//examples", 404, "not-found"),
        ("GET", "/%00", 404, "not-found"),
        ("GET", "/v1/score", 405, "method-not-allowed"),
        ("POST", "/v1/categories", 405, "method-not-allowed"),
        ("OPTIONS", "/v1/score", 405, "method-not-allowed"),
        ("BREW", "/v1/model", 405, "method-not-allowed"),
        ("GET", "/v1/scans", 404, "not-found"),
    ],
)
def test_the_router_s_refusals_are_problems(
    shared: Service, method: str, path: str, status: int, slug: str
) -> None:
    answer = shared.request(method, path)
    assert_problem(answer, status, slug)


def test_allow_names_every_method_of_the_path(shared: Service) -> None:
    answer = shared.post("/v1/categories/a")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PUT"
    assert shared.get("/v1/score").headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/healthz", "/v1/model", "/nowhere", "/metrics", "/openapi.json"])
def test_every_answer_carries_the_careful_headers(shared: Service, path: str) -> None:
    headers = shared.get(path).headers
    for name, value in SECURITY_HEADERS.items():
        assert headers[name] == value
    assert "server" not in headers


def test_head_is_get_without_content(shared: Service) -> None:
    head, get = shared.request("HEAD", "/v1/model"), shared.get("/v1/model")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


def test_a_defect_is_a_problem_and_tells_nothing(
    shared: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret path")

    monkeypatch.setattr(shared.parts.store, "get_category", broken)
    answer = shared.get("/v1/categories/a")
    assert "secret" not in str(assert_problem(answer, 500, "defect"))
    assert "a secret path" in caplog.text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "10.0.0.1:80"])
def test_another_host_s_name_is_refused_on_loopback(shared: Service, host: str) -> None:
    """DNS rebinding: a page's own name that resolves to this machine."""
    answer = shared.get("/v1/categories", headers={"Host": host})
    assert answer.status_code in (400, 403)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_this_machine_s_names_are_taken(shared: Service, host: str) -> None:
    assert shared.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1"])
def test_a_foreign_page_may_change_nothing(shared: Service, category: str, origin: str) -> None:
    """A page may send a form here without asking; its visitor's browser names the page."""
    answer = shared.teach(category, [standin(1)], [], headers={"Origin": origin})
    assert_problem(answer, 403, "foreign-page")
    assert_problem(shared.get(f"/v1/categories/{category}"), 404, "no-such-category")


def test_its_own_page_may(shared: Service, category: str) -> None:
    answer = shared.teach(category, [standin(1)], [], headers={"Origin": "http://localhost"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("headers", "content", "status", "slug"),
    [
        ({}, b"{}", 415, "unsupported-body"),
        ({"Content-Type": "text/plain"}, b"{}", 415, "unsupported-body"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"a=b", 415, "unsupported-body"),
        (JSON | {"Content-Encoding": "gzip"}, b"{}", 415, "unsupported-body"),
        (JSON, b"", 400, "malformed"),
        (JSON, b"{", 400, "malformed"),
        (JSON, b"\xff\xfe", 400, "malformed"),
        (JSON, b'{"items": [' + b"[" * 5000, 400, "malformed"),
        (JSON, b"null", 422, "invalid-fields"),
        (MULTIPART, b"", 400, "malformed"),
        (MULTIPART, b"--b\r\n", 400, "malformed"),
        (MULTIPART, b"--b--\r\n", 422, "invalid-fields"),
        ({"Content-Type": "multipart/form-data"}, b"--b--", 400, "malformed"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/score?category=a", "/v1/categories/a/examples"])
def test_wrong_bodies_are_refused(
    shared: Service, path: str, headers: dict[str, str], content: bytes, status: int, slug: str
) -> None:
    assert_problem(shared.post(path, content=content, headers=headers), status, slug)


def test_an_unknown_query_parameter_is_refused_by_name(shared: Service) -> None:
    answer = shared.get("/v1/model?verbose=1&depth=2")
    body = assert_problem(answer, 422, "invalid-fields")
    assert fields_of(body) == {"verbose", "depth"}
    assert {error["in"] for error in body["errors"]} == {"query"}


def test_every_operation_refuses_an_unknown_query_parameter(shared: Service) -> None:
    """Each router has its own class of routes: none may be left out."""
    operations = [
        (method, path)
        for path, methods in shared.get("/openapi.json").json()["paths"].items()
        for method in methods
        if path.startswith("/v1/")
    ]
    assert len(operations) > 10
    for method, path in operations:
        answer = shared.request(method.upper(), re.sub(r"{\w+}", "1", path) + "?nonsense=1")
        assert fields_of(assert_problem(answer, 422, "invalid-fields")) == {"nonsense"}, path


def test_a_large_body_is_refused_by_its_length(tight: Service) -> None:
    body = assert_problem(tight.score("a", bytes(20_000)), 413, "request-too-large")
    assert "20000" in body["detail"]


@pytest.mark.parametrize("length", ["-1", "ten", "1_000", "٣"])
def test_a_length_that_is_no_number_is_refused(shared: Service, length: str) -> None:
    headers = [(b"host", b"localhost"), (b"content-length", length.encode())]
    status, body = call(shared, headers, [])
    assert (status, body["status"]) == (400, 400)


def test_a_large_body_without_a_length_is_refused_while_it_comes(tight: Service) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1000
            yield bytes(1000)

    answer = tight.post("/v1/score?category=a", content=chunks(), headers=JSON)
    assert_problem(answer, 413, "request-too-large")
    assert sent <= 22_000


def test_bodies_together_are_limited_too(tight: Service) -> None:
    async def three() -> list[Any]:
        gate = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield bytes(19_000)
            await gate.wait()
            yield b""

        first = asyncio.create_task(
            tight.client.post("/v1/score?category=a", content=slow(), headers=JSON)
        )
        while tight.app.state.metrics.body_bytes._value.get() < 19_000:
            await asyncio.sleep(0.001)
        second = await tight.client.post(
            "/v1/score?category=a", content=bytes(19_000), headers=JSON
        )
        gate.set()
        return [await first, second]

    first, second = tight.run(three)
    assert_problem(first, 400, "malformed")
    assert_problem(second, 503, "overloaded")
    assert tight.app.state.metrics.body_bytes._value.get() == 0


def test_a_body_that_stops_is_refused_and_the_connection_closed(tight: Service) -> None:
    async def stalling() -> AsyncIterator[bytes]:
        yield b"--b\r\n"
        await asyncio.sleep(60)

    answer = tight.post("/v1/score?category=a", content=stalling(), headers=MULTIPART)
    assert "5 bytes" in assert_problem(answer, 400, "malformed")["detail"]
    assert answer.headers["connection"] == "close"


def test_the_limits_are_settings(tight: Service) -> None:
    five = tight.score("a", *[b"x"] * 5)
    assert "4 pictures" in assert_problem(five, 413, "request-too-large")["detail"]
    large, wide, good = tight.score("a", bytes(10_001), product(1, 201, 200), product(2)).json()[
        "results"
    ]
    assert "10,000" in large["error"]["detail"] or "10000" in large["error"]["detail"]
    assert wide["error"]["status"] == 413
    assert "probability" in good


def call(
    service: Service, headers: list[tuple[bytes, bytes]], messages: list[dict[str, Any]]
) -> tuple[int, dict[str, Any]]:
    """The app as a server calls it, for requests that no client library would send."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/score",
        "raw_path": b"/v1/score",
        "query_string": b"category=a",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    sent: list[Any] = []
    waiting = iter(messages)

    async def receive() -> Any:
        return next(waiting, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        await service.app(scope, receive, send)

    service.run(run)
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_a_client_that_goes_while_it_sends_is_noted_and_nothing_is_done(shared: Service) -> None:
    headers = [(b"host", b"localhost"), (b"content-type", b"multipart/form-data; boundary=b")]
    messages = [{"type": "http.request", "body": b"--b\r\n", "more_body": True}]
    status, body = call(shared, headers, messages)
    assert status == 499
    assert body["type"].endswith("client-gone")


def test_every_request_is_counted_whatever_became_of_it(shared: Service) -> None:
    counter = shared.app.state.metrics.requests
    before = counter.labels("POST", "/v1/score", 415)._value.get()
    shared.post("/v1/score", content=b"x", headers={"Content-Type": "text/plain"})
    assert counter.labels("POST", "/v1/score", 415)._value.get() == before + 1


def test_two_apps_in_one_process_do_not_count_together(
    shared: Service, small_model: Model, tmp_path: Path
) -> None:
    with Service(settings_for(tmp_path), small_model) as other:
        other.wait_until_ready()
        assert other.score("a", product(1)).status_code == 200
        assert "standin_batch_pictures_count 1.0" in other.get("/metrics").text


def test_files_helper_makes_one_part_a_picture() -> None:
    assert [name for _, (name, _, _) in files("images", b"", b"")] == [
        "picture-0.jpg",
        "picture-1.jpg",
    ]
