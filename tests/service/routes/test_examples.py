"""POST, GET, PATCH and DELETE of examples."""

from __future__ import annotations

import base64
import hashlib
import io

import pytest
from PIL import Image

from tests.service.harness import Service, assert_problem, assert_problem_object, fields_of, files
from tests.service.pictures import NOT_PICTURES, bomb, product, standin


def test_an_upload_is_learned_from_and_says_so(shared: Service, category: str) -> None:
    answer = shared.teach(category, [standin(1), standin(2)], [product(1), product(2), product(3)])
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.pop("took_ms") > 0
    quality = body.pop("quality")
    assert quality["method"] == "leave-one-out"
    assert quality["examples"] == 5
    assert 0 <= quality["accuracy"] <= 1
    assert 0 <= quality["auroc"] <= 1
    assert body == {
        "category": category,
        "version": 1,
        "examples": {"placeholder": 2, "real": 3},
        "added": 5,
        "relabelled": 0,
        "unchanged": 0,
        "rejected": [],
    }
    now = shared.get(f"/v1/categories/{category}")
    assert now.headers["etag"] == answer.headers["etag"]
    assert now.json()["version"] == 1


def test_json_and_multipart_teach_the_same(shared: Service, category: str) -> None:
    pictures = [("placeholder", standin(3)), ("real", product(4))]
    body = {
        "examples": [
            {"label": label, "data": base64.b64encode(data).decode()} for label, data in pictures
        ]
    }
    by_json = shared.post(f"/v1/categories/{category}/examples", json=body)
    assert by_json.status_code == 200, by_json.text
    assert by_json.json()["added"] == 2
    by_form = shared.teach(category, [standin(3)], [product(4)])
    assert by_form.json()["unchanged"] == 2
    assert by_form.json()["version"] == 1


def test_base64_with_line_breaks_is_read(shared: Service, category: str) -> None:
    data = base64.encodebytes(standin(5)).decode()
    assert "\n" in data.strip()
    body = {"examples": [{"label": "placeholder", "data": data}]}
    answer = shared.post(f"/v1/categories/{category}/examples", json=body)
    assert answer.json()["added"] == 1


@pytest.mark.parametrize("one_sided", ["placeholder", "real"])
def test_one_label_alone_is_enough(shared: Service, category: str, one_sided: str) -> None:
    upload = files(one_sided, standin(6), standin(7), standin(8))
    answer = shared.post(f"/v1/categories/{category}/examples", files=upload)
    assert answer.status_code == 200
    assert answer.json()["quality"] is None
    assert answer.json()["examples"][one_sided] == 3


def test_the_same_picture_again_is_unchanged_and_with_the_other_label_relabelled(
    shared: Service, category: str
) -> None:
    first = shared.teach(category, [standin(9)], [product(9)])
    again = shared.teach(category, [standin(9), standin(9)], [])
    assert (again.json()["unchanged"], again.json()["version"]) == (2, 1)
    assert again.headers["etag"] == first.headers["etag"]
    other = shared.teach(category, [], [standin(9)])
    assert (other.json()["relabelled"], other.json()["added"]) == (1, 0)
    assert other.json()["version"] == 2
    assert other.json()["examples"] == {"placeholder": 0, "real": 2}


def test_bad_pictures_are_rejected_by_index_and_the_others_taken(
    shared: Service, category: str
) -> None:
    names = list(NOT_PICTURES)
    upload = []
    for seed, name in enumerate(names):
        upload += files("placeholder", NOT_PICTURES[name], names=f"{name}.jpg")
        upload += files("real", product(20 + seed), names=f"good-{seed}.jpg")
    upload += files("placeholder", bomb(), names="bomb.png")
    answer = shared.post(f"/v1/categories/{category}/examples", files=upload)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["added"] == len(names)
    assert [each["index"] for each in body["rejected"]] == [*range(0, 2 * len(names) + 1, 2)]
    for each in body["rejected"][:-1]:
        assert_problem_object(each["error"], 415, "unreadable-picture")
    assert_problem_object(body["rejected"][-1]["error"], 413, "picture-too-large")


@pytest.mark.parametrize(
    ("bad", "status", "slug"),
    [
        ([NOT_PICTURES["text"], NOT_PICTURES["truncated"]], 415, "unreadable-picture"),
        ([bomb()], 413, "picture-too-large"),
        ([NOT_PICTURES["text"], bomb()], 422, "no-usable-picture"),
    ],
)
def test_nothing_usable_changes_nothing(
    shared: Service, category: str, bad: list[bytes], status: int, slug: str
) -> None:
    body = assert_problem(shared.teach(category, bad, []), status, slug)
    assert [each["index"] for each in body["rejected"]] == list(range(len(bad)))
    assert_problem(shared.get(f"/v1/categories/{category}"), 404, "no-such-category")


def test_both_labels_for_one_picture_in_one_request_is_a_conflict(
    shared: Service, category: str
) -> None:
    answer = shared.teach(category, [standin(30), standin(31)], [standin(30)])
    assert answer.json()["added"] == 1
    assert [each["index"] for each in answer.json()["rejected"]] == [0, 2]
    for each in answer.json()["rejected"]:
        assert_problem_object(each["error"], 409, "conflicting-labels")
    alone = shared.teach(category, [standin(32)], [standin(32)])
    assert_problem(alone, 409, "conflicting-labels")


def test_a_url_and_bad_base64_are_rejected_with_their_own_errors(
    shared: Service, category: str
) -> None:
    body = {
        "examples": [
            {"label": "real", "url": "http://127.0.0.1:1/x.jpg"},
            {"label": "real", "data": "data:image/png;base64,AAAA"},
            {"label": "real", "data": base64.b64encode(product(33)).decode()},
        ]
    }
    answer = shared.post(f"/v1/categories/{category}/examples", json=body)
    assert answer.json()["added"] == 1
    url, data = answer.json()["rejected"]
    assert_problem_object(url["error"], 422, "fetching-off")
    assert_problem_object(data["error"], 400, "not-base64")
    assert "comma" in data["error"]["detail"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"examples"}),
        ({"examples": []}, {"examples"}),
        ({"examples": [{"label": "real"}]}, {"examples.0"}),
        ({"examples": [{"label": "other", "data": ""}]}, {"examples.0.label"}),
        ({"examples": [{"label": "real", "data": "", "url": "x"}]}, {"examples.0"}),
        ({"examples": [{"label": "real", "data": 5}]}, {"examples.0.data"}),
        (
            {"examples": [{"label": "real", "data": "", "lable": 1}], "version": 3},
            {"examples.0.lable", "version"},
        ),
        ([], {"(the whole)"}),
    ],
)
def test_wrong_json_is_refused_by_field(
    shared: Service, category: str, body: object, fields: set[str]
) -> None:
    answer = shared.post(f"/v1/categories/{category}/examples", json=body)
    assert fields_of(assert_problem(answer, 422, "invalid-fields")) == fields


def test_wrong_multipart_fields_are_refused_by_name(shared: Service, category: str) -> None:
    path = f"/v1/categories/{category}/examples"
    other = shared.post(path, files=files("placeholders", standin(1)))
    assert fields_of(assert_problem(other, 422, "invalid-fields")) == {"placeholders"}
    text = shared.post(path, files={"real": (None, b"picture.jpg")})
    assert "must be a file" in assert_problem(text, 422, "invalid-fields")["detail"]
    left_empty = shared.post(path, files={"real": ("", b"")})
    assert fields_of(assert_problem(left_empty, 422, "invalid-fields")) <= {"placeholder", "real"}


def test_pages_hold_every_example_once(shared: Service, category: str) -> None:
    pictures = [product(40 + seed) for seed in range(5)]
    shared.teach(category, [standin(40)], pictures)
    seen, cursor = [], None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = shared.get(f"/v1/categories/{category}/examples", params=query).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["items"]) == 2
    expected = {hashlib.sha256(data).hexdigest() for data in [standin(40), *pictures]}
    assert {item["sha256"] for item in seen} == expected
    assert len(seen) == 6
    assert {item["label"] for item in seen} == {"placeholder", "real"}
    assert seen[0]["size"] == {"width": 160, "height": 120}
    assert set(seen[0]) == {"id", "label", "sha256", "size", "format", "created", "origin"}
    assert {item["origin"] for item in seen} == {"upload"}


@pytest.mark.parametrize(
    ("query", "status", "slug"),
    [
        ("cursor=nonsense", 400, "bad-cursor"),
        ("limit=0", 422, "invalid-fields"),
        ("limit=1001", 422, "invalid-fields"),
        ("limit=ten", 422, "invalid-fields"),
        ("limits=10", 422, "invalid-fields"),
    ],
)
def test_a_wrong_page_is_refused(
    shared: Service, category: str, query: str, status: int, slug: str
) -> None:
    shared.teach(category, [standin(41)], [])
    assert_problem(shared.get(f"/v1/categories/{category}/examples?{query}"), status, slug)


def test_the_thumbnail_is_a_small_webp(shared: Service, category: str) -> None:
    shared.teach(category, [], [product(50, 900, 450)])
    example = shared.get(f"/v1/categories/{category}/examples").json()["items"][0]
    answer = shared.get(f"/v1/categories/{category}/examples/{example['id']}/image")
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["x-content-type-options"] == "nosniff"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.format, image.size) == ("WEBP", (224, 112))


def test_relabelling_and_removing_make_versions(shared: Service, category: str) -> None:
    shared.teach(category, [standin(60)], [product(60)])
    items = shared.get(f"/v1/categories/{category}/examples").json()["items"]
    path = f"/v1/categories/{category}/examples/{items[0]['id']}"
    other = "real" if items[0]["label"] == "placeholder" else "placeholder"

    same = shared.patch(path, json={"label": items[0]["label"]})
    assert same.json()["version"] == 1
    changed = shared.patch(path, json={"label": other})
    assert changed.status_code == 200, changed.text
    assert changed.json()["version"] == 2
    assert changed.json()["examples"][other] == 2
    removed = shared.delete(path)
    assert removed.json()["version"] == 3
    assert removed.json()["examples"][other] == 1
    assert_problem(shared.delete(path), 404, "no-such-example")
    assert_problem(shared.patch(path, json={"label": "real"}), 404, "no-such-example")
    assert_problem(shared.get(f"{path}/image"), 404, "no-such-example")


def test_removing_the_last_example_goes_on_answering(shared: Service, category: str) -> None:
    shared.teach(category, [standin(61)], [])
    item = shared.get(f"/v1/categories/{category}/examples").json()["items"][0]
    shared.delete(f"/v1/categories/{category}/examples/{item['id']}")
    result = shared.score(category, product(61)).json()["results"][0]
    assert result["version"] == 2
    assert result["evidence"]["nearest"] == {"placeholder": None, "real": None}


@pytest.mark.parametrize("body", [{}, {"label": "maybe"}, {"label": "real", "id": 4}])
def test_a_wrong_relabelling_is_refused(shared: Service, category: str, body: object) -> None:
    shared.teach(category, [standin(62)], [])
    item = shared.get(f"/v1/categories/{category}/examples").json()["items"][0]
    answer = shared.patch(f"/v1/categories/{category}/examples/{item['id']}", json=body)
    assert_problem(answer, 422, "invalid-fields")


def test_if_match_lets_one_writer_through(shared: Service, category: str) -> None:
    first = shared.teach(category, [standin(70)], [], headers={"If-Match": "*"})
    assert_problem(first, 412, "stale-version")
    etag = shared.teach(category, [standin(70)], []).headers["etag"]
    won = shared.teach(category, [standin(71)], [], headers={"If-Match": etag})
    assert won.status_code == 200
    lost = shared.teach(category, [standin(72)], [], headers={"If-Match": etag})
    assert_problem(lost, 412, "stale-version")
    item = shared.get(f"/v1/categories/{category}/examples").json()["items"][0]
    path = f"/v1/categories/{category}/examples/{item['id']}"
    stale = {"If-Match": etag}
    assert_problem(shared.patch(path, json={"label": "real"}, headers=stale), 412, "stale-version")
    assert_problem(shared.delete(path, headers=stale), 412, "stale-version")
    assert shared.get(f"/v1/categories/{category}").json()["version"] == 2


def test_a_key_gives_the_first_answer_again(shared: Service, category: str) -> None:
    headers = {"Idempotency-Key": f'"{category}"'}
    first = shared.teach(category, [standin(80)], [product(80)], headers=headers)
    again = shared.teach(category, [standin(80)], [product(80)], headers=headers)
    assert again.content == first.content
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    other = shared.teach(category, [standin(81)], [], headers=headers)
    assert_problem(other, 422, "idempotency-mismatch")
    # The key is one operation's: on another category it is another key.
    elsewhere = shared.teach(f"{category}-2", [standin(81)], [], headers=headers)
    assert elsewhere.json()["added"] == 1


def test_a_key_gives_a_refusal_again(shared: Service, category: str) -> None:
    headers = {"Idempotency-Key": f'"{category}"', "If-Match": '"another-1"'}
    first = shared.teach(category, [standin(82)], [], headers=headers)
    assert_problem(first, 412, "stale-version")
    again = shared.teach(category, [standin(82)], [], headers={"Idempotency-Key": f'"{category}"'})
    assert_problem(again, 412, "stale-version")
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("key", ["unquoted", '"open', '""', '"a" "b"', '"\\x"', '"é"', "42"])
def test_a_malformed_key_is_refused(shared: Service, category: str, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    answer = shared.post(
        f"/v1/categories/{category}/examples", files=files("real", product(83)), headers=headers
    )
    assert_problem(answer, 400, "malformed")
    assert_problem(shared.get(f"/v1/categories/{category}"), 404, "no-such-category")


@pytest.mark.parametrize("name", ["Shoes", "-shoes", "a" * 101, "sh oes", "schöne", "a%0A"])
def test_a_category_must_be_a_slug(shared: Service, name: str) -> None:
    answer = shared.teach(name, [standin(84)], [])
    body = assert_problem(answer, 422, "invalid-fields")
    assert fields_of(body) == {"category"}
    assert body["errors"][0]["in"] == "path"
