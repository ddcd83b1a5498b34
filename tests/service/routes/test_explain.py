"""POST /v1/explain."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model import Model
from service.routes.explain import prefers_picture
from tests.model.experts_random import random_experts
from tests.service.harness import Service, assert_problem, fields_of, files, settings_for
from tests.service.pictures import NOT_PICTURES, bomb, product, standin


@pytest.fixture(scope="module")
def knowing(small_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service over a release with experts."""
    experts = random_experts(0, small_model.learner, policy=True)  # type: ignore[arg-type]
    loaded = Model(small_model.card, small_model.encoder, small_model.learner, experts)
    with Service(settings_for(tmp_path_factory.mktemp("data")), loaded) as service:
        service.wait_until_ready()
        yield service


def explain(service: Service, category: str, data: bytes, accept: str = "*/*") -> httpx.Response:
    return service.post(
        f"/v1/explain?category={category}",
        files=files("image", data),
        headers={"Accept": accept},
    )


def explained(service: Service, category: str, data: bytes) -> dict[str, Any]:
    answer = explain(service, category, data)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.mark.parametrize("which", ["shared", "knowing"])
def test_it_answers_what_a_score_answers(
    which: str, category: str, request: pytest.FixtureRequest
) -> None:
    service: Service = request.getfixturevalue(which)
    settings = [None, {"threshold": 0.3}, {"unsure_band": 0.4}, {"threshold": 0.9}]
    for number, chosen in enumerate(settings):
        name = f"{category[:80]}-{number}"
        if number:
            service.teach(name, [standin(i) for i in range(3)], [product(i) for i in range(number)])
            service.put(f"/v1/categories/{name}", json=chosen)
        for data in (standin(20), product(20)):
            score = service.score(name, data).json()["results"][0]
            body = explained(service, name, data)
            for field in ("category", "version", "decision", "threshold"):
                assert body[field] == score[field], field
            assert body["probability"] == pytest.approx(score["probability"], abs=1e-5)
            assert set(body["experts"]) == set(score["evidence"]["experts"])
            for expert, said in score["evidence"]["experts"].items():
                assert body["experts"][expert] == pytest.approx(said, abs=1e-3)


def test_the_teachers_word_counts_as_in_a_score(knowing: Service, category: str) -> None:
    scored = knowing.score(category, *map(standin, range(6))).json()["results"]
    items = [{"score_id": one["score_id"], "label": "real"} for one in scored]
    assert knowing.post("/v1/feedback", json={"items": items}).status_code == 200
    score = knowing.score(category, standin(30)).json()["results"][0]
    body = explained(knowing, category, standin(30))
    assert body["version"] == score["version"] == 1
    assert body["probability"] == pytest.approx(score["probability"], abs=1e-5)


def test_shares_and_constant_give_the_visual_experts_probability(
    shared: Service, category: str
) -> None:
    shared.teach(category, [standin(1), standin(2)], [product(1), product(2)])
    for data in (standin(7), product(7, 64, 200), product(8, 300, 20)):
        body = explained(shared, category, data)
        logit = np.sum(body["visual"]) + body["visual_constant"]
        said = body["experts"]["visual"]
        assert said == {
            "probability": pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-4),
            "weight": 1,
        }
        assert np.shape(body["visual"]) == (2, 2)  # 64 pixels, 32 to a place
        assert body["words"] is None  # nobody reads here


def test_words_are_rows_or_null(knowing: Service, category: str) -> None:
    reader = knowing.parts.model.ensemble.experts
    assert reader is not None
    found = [
        explained(knowing, category, make(i))["words"]
        for i in range(4)
        for make in (standin, product)
    ]
    for words in found:
        assert words is None or np.shape(words) == (4, 4)
        assert words is None or np.sum(words) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("width", "height"), [(160, 120), (50, 400), (400, 9), (6, 6)])
def test_the_picture_has_the_shape_of_the_original(
    shared: Service, category: str, width: int, height: int
) -> None:
    data = product(1, width, height, "PNG")
    image = Image.open(io.BytesIO(base64.b64decode(explained(shared, category, data)["image"])))
    assert image.format == "WEBP"
    assert max(image.size) == 64
    longest = max(width, height)
    for side, of in zip(image.size, (width, height), strict=True):
        assert abs(side - max(1, 64 * of / longest)) <= 3
    assert not image.getexif()


def test_accept_chooses_between_the_whole_and_the_picture(shared: Service, category: str) -> None:
    whole = explain(shared, category, standin(1))
    alone = explain(shared, category, standin(1), "image/webp")
    assert whole.headers["content-type"] == "application/json"
    assert alone.status_code == 200
    assert alone.headers["content-type"] == "image/webp"
    assert alone.content == base64.b64decode(whole.json()["image"])
    for answer in (whole, alone):
        assert answer.headers["vary"] == "Accept"
        assert answer.headers["x-content-type-options"] == "nosniff"
    # What is wrong is said as a problem, whatever was asked for.
    assert_problem(explain(shared, category, b"no", "image/webp"), 415, "unreadable-picture")


@pytest.mark.parametrize(
    ("accept", "picture"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("image/webp", True),
        ("IMAGE/WebP", True),
        ("image/*", True),
        ("image/avif,image/webp,*/*;q=0.8", True),
        ("image/webp, */*", True),
        ("image/webp, application/json", False),
        ("image/webp;q=0.5, application/json", False),
        ("image/webp, application/json;q=0.5", True),
        ("image/webp;q=0", False),
        ("image/webp;q=0, image/*", False),
        ("image/png", False),
        ("text/html", False),
        ("image/webp;q=oops", False),
        (";;,,/", False),
    ],
)
def test_accept_is_read_as_http_says(accept: str, picture: bool) -> None:
    assert prefers_picture(accept) == picture


@given(st.text(st.characters(max_codepoint=255)))
def test_no_accept_header_is_too_odd(accept: str) -> None:
    assert prefers_picture(accept) in (True, False)


def test_json_is_the_same_as_multipart(shared: Service, category: str) -> None:
    data = base64.b64encode(standin(3)).decode()
    by_file = explained(shared, category, standin(3))
    bodies = ({"category": category, "data": data}, {"data": data})
    for body, query in zip(bodies, ("", f"?category={category}"), strict=True):
        assert shared.post(f"/v1/explain{query}", json=body).json() == by_file


def test_it_changes_nothing_and_keeps_no_score(shared: Service, category: str) -> None:
    async def kept() -> int:
        return len(await shared.parts.store.scores("default", ids))

    shared.teach(category, [standin(1)], [product(1)])
    before = shared.get(f"/v1/categories/{category}").json()
    ids = [shared.score(category, standin(2)).json()["results"][0]["score_id"]]
    body = explained(shared, category, standin(2))
    assert "score_id" not in body
    assert shared.get(f"/v1/categories/{category}").json() == before
    never = f"{category[:80]}-never"
    assert explained(shared, never, standin(2))["version"] == 0
    assert_problem(shared.get(f"/v1/categories/{never}"), 404, "no-such-category")


@pytest.mark.parametrize("name", NOT_PICTURES)
def test_what_is_no_picture_is_refused(shared: Service, category: str, name: str) -> None:
    data = NOT_PICTURES[name]
    assert_problem(explain(shared, category, data), 415, "unreadable-picture")


def test_limits_are_those_of_scoring(shared: Service, category: str) -> None:
    assert_problem(explain(shared, category, bomb()), 413, "picture-too-large")
    two = shared.post(f"/v1/explain?category={category}", files=files("image", b"a", b"b"))
    assert_problem(two, 413, "request-too-large")


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        ({"category": "a", "data": "%%%"}, 400, "not-base64"),
        ({"category": "a", "url": "https://example.org/a.jpg"}, 422, "fetching-off"),
    ],
)
def test_a_source_that_gives_no_picture_is_the_answer(
    shared: Service, body: object, status: int, slug: str
) -> None:
    assert_problem(shared.post("/v1/explain", json=body), status, slug)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"data": ""}, {"category"}),
        ({"category": "Shoes", "data": ""}, {"category"}),
        ({"category": "a"}, {"(the whole)"}),
        ({"category": "a", "data": "", "id": "x"}, {"id"}),
        ({"category": "a", "data": 5}, {"data"}),
    ],
)
def test_wrong_json_is_refused_by_field(shared: Service, body: object, fields: set[str]) -> None:
    answer = shared.post("/v1/explain", json=body)
    assert fields_of(assert_problem(answer, 422, "invalid-fields")) == fields


def test_multipart_needs_a_category_and_one_picture(shared: Service) -> None:
    without = shared.post("/v1/explain", files=files("image", product(1)))
    assert assert_problem(without, 422, "invalid-fields")["errors"][0]["in"] == "query"
    other = shared.post("/v1/explain?category=a", files=files("images", product(1)))
    assert fields_of(assert_problem(other, 422, "invalid-fields")) == {"images"}
    none = shared.post(
        "/v1/explain?category=a",
        content=b"--b--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert fields_of(assert_problem(none, 422, "invalid-fields")) == {"image"}
    odd = shared.post("/v1/explain?category=a&size=9", files=files("image", product(1)))
    assert fields_of(assert_problem(odd, 422, "invalid-fields")) == {"size"}
    text = shared.post("/v1/explain", content=b"x", headers={"Content-Type": "text/plain"})
    assert_problem(text, 415, "unsupported-body")


def test_a_category_of_other_weights_is_refused(
    small_model: Model, category: str, tmp_path: Path
) -> None:
    with Service(settings_for(tmp_path), small_model) as service:
        service.wait_until_ready()
        service.teach(category, [standin(1)], [product(1)])
        assert explain(service, category, standin(2)).status_code == 200
    card = replace(small_model.card, sha256="f" * 64)
    changed = Model(card, small_model.encoder, small_model.learner)
    with Service(settings_for(tmp_path), changed) as service:
        service.wait_until_ready()
        refused = assert_problem(explain(service, category, standin(2)), 409, "other-weights")
        assert category in refused["detail"]
        score = service.score(category, standin(2)).json()["results"][0]
        assert refused["detail"] == score["error"]["detail"]


def test_it_takes_no_longer_than_a_request_may(small_model: Model, tmp_path: Path) -> None:
    with Service(settings_for(tmp_path, deadline=0.001), small_model) as service:
        service.wait_until_ready()
        assert_problem(explain(service, "a", product(1)), 503, "deadline-passed")


def test_many_at_once_agree_with_one_at_a_time(shared: Service, category: str) -> None:
    alone = [explained(shared, category, standin(seed)) for seed in range(4)]

    async def together() -> list[httpx.Response]:
        return await asyncio.gather(
            *(
                shared.client.post(
                    f"/v1/explain?category={category}", files=files("image", standin(seed % 4))
                )
                for seed in range(12)
            )
        )

    for seed, answer in enumerate(shared.run(together)):
        assert answer.json() == alone[seed % 4]


def test_too_many_at_once_are_refused(small_model: Model, tmp_path: Path) -> None:
    """One thread explains; what waits for it is bounded."""
    chosen = settings_for(tmp_path, queue_pictures=1, max_request_pictures=1)
    with Service(chosen, small_model) as service:
        service.wait_until_ready()
        explained(service, "a", standin(1))  # known from here on, so that only explaining waits

        async def together() -> list[httpx.Response]:
            upload = files("image", standin(1))
            ask = service.client.post
            return await asyncio.gather(
                *(ask("/v1/explain?category=a", files=upload) for _ in range(8))
            )

        answers = service.run(together)
        refused = [answer for answer in answers if answer.status_code != 200]
        assert 0 < len(refused) < 8
        for answer in refused:
            assert_problem(answer, 503, "overloaded")
        assert explain(service, "a", standin(1)).status_code == 200
