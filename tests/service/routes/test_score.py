"""POST /v1/score."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from model import Model
from service.scoring import decide
from tests.service.harness import Service, assert_problem, assert_problem_object, fields_of, files
from tests.service.pictures import NOT_PICTURES, bomb, product, standin


def item(category: str | None, data: bytes, id: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"data": base64.b64encode(data).decode()}
    return found | ({"category": category} if category else {}) | ({"id": id} if id else {})


def test_a_category_that_was_never_named_scores_with_the_base_model(
    shared: Service, category: str, small_model: Model
) -> None:
    answer = shared.score(category, standin(1), product(1))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    card = small_model.card
    assert body["model"] == {"name": card.name, "version": card.version, "sha256": card.sha256}
    first = body["results"][0]
    assert first["version"] == 0
    assert first["category"] == category
    assert first["threshold"] == 0.5
    assert first["evidence"] == {
        "experts": {"visual": {"probability": first["probability"], "weight": 1.0}},
        "nearest": {"placeholder": None, "real": None},
        "text": None,
        "seen": {"request": 0, "category": 0},
    }
    expected = small_model.adapt(None).score([standin(1), product(1)]).numpy()
    got = [result["probability"] for result in body["results"]]
    np.testing.assert_allclose(got, expected, atol=2e-5)
    # Scoring names nothing.
    assert_problem(shared.get(f"/v1/categories/{category}"), 404, "no-such-category")


def test_scores_are_those_of_the_model_adapted_in_a_notebook(
    shared: Service, category: str, small_model: Model
) -> None:
    placeholder, real = [standin(i) for i in range(3)], [product(i) for i in range(4)]
    shared.teach(category, placeholder, real)
    queries = [standin(50), product(50), standin(0)]
    expected = small_model.adapt({"placeholder": placeholder, "real": real}).score(queries)
    results = shared.score(category, *queries).json()["results"]
    np.testing.assert_allclose(
        [result["probability"] for result in results], expected.numpy(), atol=2e-5
    )
    for result in results:
        assert result["version"] == 1
        assert 0 < result["probability"] < 1
        assert result["decision"] == decide(result["probability"], 0.5, 0.0)


def test_evidence_names_the_nearest_example_of_each_label(shared: Service, category: str) -> None:
    placeholder, real = [standin(i) for i in range(3)], [product(i) for i in range(3)]
    shared.teach(category, placeholder, real)
    examples = shared.get(f"/v1/categories/{category}/examples").json()["items"]
    labels = {example["id"]: example["label"] for example in examples}
    result = shared.score(category, standin(1)).json()["results"][0]
    nearest = result["evidence"]["nearest"]
    assert nearest["placeholder"]["similarity"] == pytest.approx(1.0, abs=1e-3)
    assert -1 <= nearest["real"]["similarity"] < nearest["placeholder"]["similarity"]
    assert {label: labels[found["id"]] for label, found in nearest.items()} == {
        "placeholder": "placeholder",
        "real": "real",
    }
    assert result["evidence"]["seen"] == {"request": 0, "category": 1}


def test_results_come_in_request_order_with_an_error_for_each_bad_picture(
    shared: Service, category: str
) -> None:
    names = list(NOT_PICTURES)
    upload = []
    for seed, name in enumerate(names):
        upload += files("images", NOT_PICTURES[name], names=f"{name}.jpg")
        upload += files("images", product(seed), names=f"good-{seed}.jpg")
    upload += files("images", bomb(), names="bomb.png")
    answer = shared.post(f"/v1/score?category={category}", files=upload)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["id"] for result in results] == [name for _, (name, _, _) in upload]
    for result in results[:-1:2]:
        assert set(result) == {"id", "error"}
        assert_problem_object(result["error"], 415, "unreadable-picture")
    assert_problem_object(results[-1]["error"], 413, "picture-too-large")
    assert "truncated" in results[2 * names.index("truncated")]["error"]["detail"]
    assert all("probability" in result for result in results[1::2])


def test_all_bad_is_still_an_answer(shared: Service, category: str) -> None:
    answer = shared.score(category, b"no", b"nor this")
    assert answer.status_code == 200
    assert all("error" in result for result in answer.json()["results"])


def test_mixed_categories_are_scored_each_by_its_own_head(shared: Service, category: str) -> None:
    shared.teach(f"{category}-a", [standin(1), standin(2)], [product(1), product(2)])
    shared.teach(f"{category}-b", [product(1), product(2)], [standin(1), standin(2)])
    pictures = [standin(7), product(7)]
    items = [
        item(f"{category}-{letter}", data, f"{letter}{index}")
        for index, data in enumerate(pictures)
        for letter in "abc"
    ]
    results = shared.post("/v1/score", json={"items": items}).json()["results"]
    assert [result["id"] for result in results] == ["a0", "b0", "c0", "a1", "b1", "c1"]
    assert [result["version"] for result in results] == [1, 1, 0, 1, 1, 0]
    for letter, offset in zip("abc", range(3), strict=True):
        alone = shared.score(f"{category}-{letter}", *pictures).json()["results"]
        np.testing.assert_allclose(
            [result["probability"] for result in results[offset::3]],
            [result["probability"] for result in alone],
            atol=2e-5,
        )


def test_a_batch_equals_one_by_one(shared: Service, category: str) -> None:
    shared.teach(category, [standin(1), standin(2)], [product(1), product(2)])
    pictures = [(standin if seed % 2 else product)(100 + seed) for seed in range(20)]
    alone = [shared.score(category, data).json()["results"][0] for data in pictures]
    # Not remembered: as another file, the same picture is another picture.
    together = shared.score(category, *[data + b"\0" for data in pictures]).json()["results"]
    np.testing.assert_allclose(
        [result["probability"] for result in together],
        [result["probability"] for result in alone],
        atol=2e-5,
    )


def test_repeated_pictures_are_counted_and_ids_may_repeat(shared: Service, category: str) -> None:
    items = [item(category, product(1), "x"), item(category, product(1), "x")]
    items += [item(f"{category}-b", product(1)), item(category, product(2))]
    results = shared.post("/v1/score", json={"items": items}).json()["results"]
    assert [result["id"] for result in results] == ["x", "x", None, None]
    assert [result["evidence"]["seen"]["request"] for result in results] == [2, 2, 2, 0]
    assert len({result["score_id"] for result in results}) == 4


def test_scores_are_kept_for_the_teacher(shared: Service, category: str) -> None:
    results = shared.score(category, product(1), standin(1)).json()["results"]
    ids = [result["score_id"] for result in results]
    rows = shared.run(lambda: shared.parts.store.scores("default", ids))
    for result in results:
        row = rows[result["score_id"]]
        assert (row.category, row.version) == (category, 0)
        assert row.probability == result["probability"]
        assert row.decision == result["decision"]
        vector = np.frombuffer(row.embedding, "<f2")
        assert vector.shape == (shared.parts.model.encoder.dim,)
        assert np.linalg.norm(vector.astype(np.float64)) == pytest.approx(1, abs=1e-2)


def test_threshold_and_band_decide(shared: Service, category: str) -> None:
    probability = shared.score(category, product(1)).json()["results"][0]["probability"]

    def decision(threshold: float, band: float) -> tuple[str, float]:
        body = {"threshold": threshold, "unsure_band": band}
        assert shared.put(f"/v1/categories/{category}", json=body).status_code in (200, 201)
        result = shared.score(category, product(1)).json()["results"][0]
        return result["decision"], result["threshold"]

    assert decision(0.0, 0.0) == ("placeholder", 0.0)
    assert decision(1.0, 0.0) == ("real", 1.0)
    assert decision(probability, 0.0) == ("placeholder", probability)
    assert decision(probability, 0.01) == ("unsure", probability)


def test_a_url_gets_an_error_of_its_own(shared: Service, category: str) -> None:
    items = [{"id": "far", "category": category, "url": "https://example.org/a.jpg"}]
    items.append(item(category, product(1), "near"))
    far, near = shared.post("/v1/score", json={"items": items}).json()["results"]
    assert far["id"] == "far"
    assert_problem_object(far["error"], 422, "fetching-off")
    assert "probability" in near


def test_the_query_names_the_category_of_json_items_without_one(
    shared: Service, category: str
) -> None:
    items = [item(None, product(1)), item(f"{category}-own", product(1))]
    answer = shared.post(f"/v1/score?category={category}", json={"items": items})
    assert [result["category"] for result in answer.json()["results"]] == [
        category,
        f"{category}-own",
    ]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"items"}),
        ({"items": []}, {"items"}),
        ({"items": [{"id": "a", "data": ""}]}, {"items.0.category"}),
        ({"items": [{"category": "Shoes", "data": ""}]}, {"items.0.category"}),
        ({"items": [{"category": "a\n", "data": ""}]}, {"items.0.category"}),
        ({"items": [{"category": "a"}]}, {"items.0"}),
        ({"items": [{"category": "a", "data": "", "label": "real"}]}, {"items.0.label"}),
        ({"items": [{"category": "a", "data": "", "id": 5}]}, {"items.0.id"}),
        ({"items": [{"category": "a", "data": "", "id": "x" * 201}]}, {"items.0.id"}),
    ],
)
def test_wrong_json_is_refused_by_field(shared: Service, body: object, fields: set[str]) -> None:
    answer = shared.post("/v1/score", json=body)
    assert fields_of(assert_problem(answer, 422, "invalid-fields")) == fields


def test_multipart_needs_a_category_and_a_picture(shared: Service) -> None:
    without = shared.post("/v1/score", files=files("images", product(1)))
    body = assert_problem(without, 422, "invalid-fields")
    assert body["errors"][0]["in"] == "query"
    other = shared.post("/v1/score?category=a", files=files("image", product(1)))
    assert fields_of(assert_problem(other, 422, "invalid-fields")) == {"image"}
    wrong = shared.post("/v1/score?category=A", files=files("images", product(1)))
    assert fields_of(assert_problem(wrong, 422, "invalid-fields")) == {"category"}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("фото.jpg", "фото.jpg"),
        ("../../etc/passwd", "../../etc/passwd"),
        ("a\x00b\x1b[31m.jpg", "ab[31m.jpg"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("x" * 500, "x" * 200),
    ],
)
def test_a_file_name_is_a_label_and_nothing_else(
    shared: Service, category: str, name: str, shown: str
) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="images"; filename="'
        + name.encode()
        + b'"\r\n\r\n'
        + product(1)
        + b"\r\n--b--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = shared.post(f"/v1/score?category={category}", content=body, headers=headers)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["results"][0]["id"] == shown


def test_too_many_pictures_are_refused(shared: Service, category: str) -> None:
    many = shared.score(category, *[b"x"] * 257)
    assert "256" in assert_problem(many, 413, "request-too-large")["detail"]
    items = [item(category, b"x")] * 257
    assert_problem(shared.post("/v1/score", json={"items": items}), 413, "request-too-large")
