"""The history, and going back in it."""

from __future__ import annotations

import pytest

from tests.service.harness import Service, assert_problem, fields_of
from tests.service.pictures import product, standin


def test_a_rollback_is_a_new_entry_and_scores_as_before(shared: Service, category: str) -> None:
    path = f"/v1/categories/{category}/versions"
    shared.teach(category, [standin(1), standin(2)], [product(1), product(2)])
    before = shared.score(category, standin(9)).json()["results"][0]
    shared.teach(category, [], [standin(3), standin(4)])
    between = shared.score(category, standin(9)).json()["results"][0]
    assert between["probability"] != before["probability"]

    back = shared.post(f"{path}/1/activate")
    assert back.status_code == 200, back.text
    assert back.json()["number"] == 3
    assert (back.json()["cause"], back.json()["source_version"]) == ("rollback", 1)
    after = shared.score(category, standin(9)).json()["results"][0]
    assert after["probability"] == before["probability"]
    assert after["version"] == 3

    listed = shared.get(path)
    history = listed.json()["items"]
    assert [version["number"] for version in history] == [3, 2, 1]
    assert [version["cause"] for version in history] == ["rollback", "examples", "examples"]
    assert [version["active"] for version in history] == [True, False, False]
    assert [version["examples"]["real"] for version in history] == [2, 4, 2]
    assert history[1]["quality"]["examples"] == 6
    assert listed.headers["etag"] == back.headers["etag"]


def test_version_0_is_the_base_model(shared: Service, category: str) -> None:
    base = shared.score(category, product(1)).json()["results"][0]
    shared.teach(category, [product(1)], [standin(1)])
    assert shared.post(f"/v1/categories/{category}/versions/0/activate").status_code == 200
    result = shared.score(category, product(1)).json()["results"][0]
    assert result["probability"] == base["probability"]
    assert result["evidence"]["nearest"] == {"placeholder": None, "real": None}
    assert shared.get(f"/v1/categories/{category}/examples").json()["items"] == []


def test_an_upload_after_a_rollback_builds_on_what_is_in_force(
    shared: Service, category: str
) -> None:
    shared.teach(category, [standin(1)], [])
    shared.teach(category, [standin(2)], [])
    shared.post(f"/v1/categories/{category}/versions/1/activate")
    now = shared.teach(category, [], [product(1)]).json()
    assert (now["version"], now["examples"]) == (4, {"placeholder": 1, "real": 1})


def test_what_is_not_there_cannot_be_activated(shared: Service, category: str) -> None:
    path = f"/v1/categories/{category}/versions"
    assert_problem(shared.post(f"{path}/1/activate"), 404, "no-such-category")
    assert_problem(shared.get(path), 404, "no-such-category")
    shared.teach(category, [standin(1)], [])
    assert_problem(shared.post(f"{path}/2/activate"), 404, "no-such-version")
    for wrong in ("-1", "one", "2147483648"):
        answer = shared.post(f"{path}/{wrong}/activate")
        assert fields_of(assert_problem(answer, 422, "invalid-fields")) == {"n"}


def test_activation_takes_no_fields(shared: Service, category: str) -> None:
    shared.teach(category, [standin(1)], [])
    path = f"/v1/categories/{category}/versions/1/activate"
    answer = shared.post(path, json={"force": True})
    assert fields_of(assert_problem(answer, 422, "invalid-fields")) == {"force"}
    assert shared.post(path, json={}).status_code == 200


def test_a_key_activates_once(shared: Service, category: str) -> None:
    shared.teach(category, [standin(1)], [])
    path = f"/v1/categories/{category}/versions/0/activate"
    headers = {"Idempotency-Key": '"once"'}
    first, again = (shared.post(path, headers=headers) for _ in range(2))
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"
    assert len(shared.get(f"/v1/categories/{category}/versions").json()["items"]) == 2


@pytest.mark.parametrize("tag", ['"other-1"', 'W/"weak"', "nonsense"])
def test_a_stale_tag_activates_nothing(shared: Service, category: str, tag: str) -> None:
    shared.teach(category, [standin(1)], [])
    path = f"/v1/categories/{category}/versions"
    answer = shared.post(f"{path}/0/activate", headers={"If-Match": tag})
    assert_problem(answer, 412, "stale-version")
    assert len(shared.get(path).json()["items"]) == 1
