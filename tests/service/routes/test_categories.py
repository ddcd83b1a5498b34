"""Categories: list, put, get, delete."""

from __future__ import annotations

import pytest

from tests.service.harness import Service, assert_problem, fields_of
from tests.service.pictures import product, standin


def test_put_creates_then_changes(shared: Service, category: str) -> None:
    path = f"/v1/categories/{category}"
    created = shared.put(path)
    assert created.status_code == 201, created.text
    body = created.json()
    assert body["created"] == body["updated"]
    assert {key: body[key] for key in body if key not in ("created", "updated")} == {
        "name": category,
        "title": None,
        "threshold": 0.5,
        "unsure_band": None,  # from the guarantee
        "version": 0,
        "examples": {"placeholder": 0, "real": 0},
    }
    changed = shared.put(path, json={"title": "Schuhe 👟", "threshold": 0.7})
    assert changed.status_code == 200
    assert (changed.json()["title"], changed.json()["threshold"]) == ("Schuhe 👟", 0.7)
    # Left out is not null: it stays, and null sets it back.
    assert shared.put(path, json={"unsure_band": 0.1}).json()["threshold"] == 0.7
    assert shared.put(path, json={"threshold": None}).json()["threshold"] == 0.5
    found = shared.get(path)
    assert found.json()["unsure_band"] == 0.1
    # The tag names what was learned, and none of this changed that.
    assert found.headers["etag"] == created.headers["etag"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"threshold": 1.5}, "threshold"),
        ({"threshold": -0.1}, "threshold"),
        ({"threshold": "high"}, "threshold"),
        ({"unsure_band": 0.6}, "unsure_band"),
        ({"title": "x" * 201}, "title"),
        ({"title": "a\u0000b"}, "title"),
        ({"title": 7}, "title"),
        ({"treshold": 0.5}, "treshold"),
        ({"name": "other"}, "name"),
    ],
)
def test_wrong_fields_are_refused_by_name(
    shared: Service, category: str, body: object, field: str
) -> None:
    answer = shared.put(f"/v1/categories/{category}", json=body)
    assert fields_of(assert_problem(answer, 422, "invalid-fields")) == {field}
    assert_problem(shared.get(f"/v1/categories/{category}"), 404, "no-such-category")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(shared: Service, category: str, text: str) -> None:
    answer = shared.put(
        f"/v1/categories/{category}",
        content=f'{{"threshold": {text}}}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code in (400, 422)


def test_put_honours_if_match(shared: Service, category: str) -> None:
    path = f"/v1/categories/{category}"
    stale = shared.put(path, headers={"If-Match": '"x-1"'})
    assert_problem(stale, 412, "stale-version")
    assert_problem(shared.get(path), 404, "no-such-category")
    etag = shared.put(path).headers["etag"]
    assert shared.put(path, json={"title": "a"}, headers={"If-Match": etag}).status_code == 200
    shared.teach(category, [standin(1)], [])
    late = shared.put(path, json={"title": "b"}, headers={"If-Match": etag})
    assert_problem(late, 412, "stale-version")


def test_delete_takes_everything_along(shared: Service, category: str) -> None:
    path = f"/v1/categories/{category}"
    etag = shared.teach(category, [standin(1)], [product(1)]).headers["etag"]
    assert_problem(shared.delete(path, headers={"If-Match": '"x-9"'}), 412, "stale-version")
    gone = shared.delete(path, headers={"If-Match": etag})
    assert (gone.status_code, gone.content) == (204, b"")
    for after in ("", "/examples", "/versions"):
        assert_problem(shared.get(path + after), 404, "no-such-category")
    assert_problem(shared.delete(path), 404, "no-such-category")
    assert shared.score(category, product(1)).json()["results"][0]["version"] == 0


def test_pages_hold_every_category_once_in_order(shared: Service, category: str) -> None:
    names = [f"{category}-{letter}" for letter in "edcba"]
    for name in names:
        shared.put(f"/v1/categories/{name}")
    seen: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        page = shared.get("/v1/categories", params=query).json()
        seen += [item["name"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == sorted(set(seen))
    assert [name for name in seen if name in names] == sorted(names)


def test_a_cursor_of_another_list_is_refused(shared: Service, category: str) -> None:
    shared.teach(category, [standin(1), standin(2)], [])
    page = shared.get(f"/v1/categories/{category}/examples?limit=1").json()
    answer = shared.get("/v1/categories", params={"cursor": page["next_cursor"]})
    assert_problem(answer, 400, "bad-cursor")
