"""POST /v1/feedback: rewards, versions, and what scores answer afterwards."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest

from model import Model
from service.store import new_id
from tests.service.harness import (
    Service,
    assert_problem,
    assert_problem_object,
    fields_of,
    settings_for,
)
from tests.service.pictures import product, standin


def scored(service: Service, category: str, *pictures: bytes) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = service.score(category, *pictures).json()["results"]
    return results


def say(service: Service, *said: tuple[str, str], **options: Any) -> httpx.Response:
    items = [{"score_id": score_id, "label": label} for score_id, label in said]
    return service.post("/v1/feedback", json={"items": items}, **options)


def results_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def test_a_word_teaches_a_category_that_nobody_had_named(shared: Service, category: str) -> None:
    before = scored(shared, category, standin(1))[0]
    assert before["version"] == 0
    (result,) = results_of(say(shared, (before["score_id"], "real")))
    assert result.pop("reward") == pytest.approx(1 - 2 * before["probability"] ** 2, abs=2e-6)
    assert result == {
        "score_id": before["score_id"],
        "category": category,
        "label": "real",
        "version": 1,
        "status": "added",
    }
    now = shared.get(f"/v1/categories/{category}").json()
    assert (now["version"], now["examples"]) == (1, {"placeholder": 0, "real": 1})
    (version,) = shared.get(f"/v1/categories/{category}/versions").json()["items"]
    assert (version["cause"], version["active"]) == ("feedback", True)
    after = scored(shared, category, standin(1))[0]
    assert after["version"] == 1
    assert after["probability"] < before["probability"]
    assert after["evidence"]["nearest"]["real"]["similarity"] == pytest.approx(1, abs=1e-3)
    assert after["evidence"]["seen"]["category"] == 1


def test_it_learns_what_an_upload_of_the_same_pictures_would(
    shared: Service, category: str
) -> None:
    """The heads do, but for the rounding of an embedding that waited as float16; how far they are
    trusted is the teacher's part (model.teacher.candidates)."""
    pictures = [("placeholder", standin(2)), ("real", product(2)), ("real", product(3))]
    given = scored(shared, category, *(data for _, data in pictures))
    say(
        shared, *((one["score_id"], label) for one, (label, _) in zip(given, pictures, strict=True))
    )
    other = f"{category[:80]}-uploaded"
    shared.teach(other, [standin(2)], [product(2), product(3)])
    for picture in (standin(20), product(20)):
        taught, uploaded = (
            scored(shared, name, picture)[0]["evidence"]["experts"]["visual"]["probability"]
            for name in (category, other)
        )
        assert taught == pytest.approx(uploaded, abs=5e-3)


def test_an_example_of_the_teacher_is_listed_as_such_and_has_no_thumbnail(
    shared: Service, category: str
) -> None:
    shared.teach(category, [standin(4)], [])
    data = product(4)
    say(shared, (scored(shared, category, data)[0]["score_id"], "real"))
    path = f"/v1/categories/{category}/examples"
    uploaded, taught = shared.get(path).json()["items"]
    assert (uploaded["origin"], taught["origin"]) == ("upload", "teacher")
    assert taught["sha256"] == hashlib.sha256(data).hexdigest()
    assert taught["size"] == {"width": 160, "height": 120}
    body = assert_problem(shared.get(f"{path}/{taught['id']}/image"), 404, "no-thumbnail")
    assert "feedback" in body["detail"]
    assert shared.get(f"{path}/{uploaded['id']}/image").status_code == 200
    # Once the picture itself comes, it is there.
    assert shared.teach(category, [], [data]).json()["unchanged"] == 1
    assert shared.get(f"{path}/{taught['id']}/image").status_code == 200
    assert shared.get(path).json()["items"][1]["origin"] == "upload"


def test_late_words_are_judged_by_what_was_answered_then(shared: Service, category: str) -> None:
    early = scored(shared, category, standin(5))[0]
    shared.teach(category, [], [standin(5), standin(6)])
    now = scored(shared, category, standin(5))[0]
    assert now["probability"] != early["probability"]
    (result,) = results_of(say(shared, (early["score_id"], "placeholder")))
    assert (result["status"], result["version"]) == ("relabelled", 2)
    assert result["reward"] == pytest.approx(1 - 2 * (1 - early["probability"]) ** 2, abs=2e-6)


def test_repeated_and_contradicting_words(shared: Service, category: str) -> None:
    one, other = scored(shared, category, standin(7), standin(7))
    score_id = one["score_id"]
    for label, status, version in (
        ("placeholder", "added", 1),
        ("placeholder", "unchanged", 1),
        ("real", "relabelled", 2),
        ("placeholder", "relabelled", 3),
    ):
        (result,) = results_of(say(shared, (score_id, label)))
        assert (result["status"], result["version"]) == (status, version)
    together = results_of(
        say(shared, (score_id, "real"), (other["score_id"], "placeholder"), (score_id, "real"))
    )
    assert [one["status"] for one in together] == ["relabelled", "superseded", "unchanged"]
    assert {one["version"] for one in together} == {4}


def test_each_answer_is_judged_by_its_own_word(shared: Service, category: str) -> None:
    shared.teach(category, [standin(17)], [product(17)])
    one, other = scored(shared, category, standin(17), product(18))
    said = [(one, "real"), (one, "placeholder"), (other, "real"), (other, "placeholder")]
    results = results_of(say(shared, *((result["score_id"], label) for result, label in said)))
    for (result, label), judged in zip(said, results, strict=True):
        given = result["probability"] if label == "placeholder" else 1 - result["probability"]
        assert judged["reward"] == pytest.approx(1 - 2 * (1 - given) ** 2, abs=2e-6)
        assert judged["label"] == label
    assert results[1]["reward"] > results[0]["reward"]


def test_one_request_is_one_version_for_each_category(shared: Service, category: str) -> None:
    names = [f"{category[:80]}-{index}" for index in range(3)]
    said = []
    for index, name in enumerate(names):
        for one in scored(shared, name, *(product(30 + index * 4 + step) for step in range(4))):
            said.append((one["score_id"], "real"))
    results = results_of(say(shared, *said[::2], *said[1::2]))
    assert {(one["status"], one["version"]) for one in results} == {("added", 1)}
    assert [one["score_id"] for one in results] == [one for one, _ in said[::2] + said[1::2]]
    for name in names:
        assert len(shared.get(f"/v1/categories/{name}/versions").json()["items"]) == 1


def test_a_bad_item_leaves_its_neighbours_alone(shared: Service, category: str) -> None:
    gone = f"{category[:80]}-gone"
    shared.teach(gone, [standin(8)], [])
    deleted = scored(shared, gone, standin(9))[0]
    shared.delete(f"/v1/categories/{gone}")
    good = scored(shared, category, standin(9))[0]
    unknown = new_id()
    results = results_of(
        say(
            shared,
            (unknown, "real"),
            (deleted["score_id"], "real"),
            (good["score_id"], "placeholder"),
        )
    )
    assert set(results[0]) == {"score_id", "error"}
    assert results[0]["score_id"] == unknown
    assert_problem_object(results[0]["error"], 404, "no-such-score")
    assert_problem_object(results[1]["error"], 404, "no-such-category")
    assert results[2]["status"] == "added"
    assert_problem(shared.get(f"/v1/categories/{gone}"), 404, "no-such-category")


def test_a_score_of_another_tenant_is_unknown(shared: Service, category: str) -> None:
    result = scored(shared, category, standin(10))[0]
    store = shared.parts.store

    async def kept() -> int:
        return len(await store.scores("another", [result["score_id"]]))

    assert shared.run(kept) == 0
    assert results_of(say(shared, (result["score_id"], "placeholder")))[0]["status"] == "added"


def test_a_rollback_takes_a_word_back(shared: Service, category: str) -> None:
    shared.teach(category, [standin(11), standin(12)], [product(11), product(12)])
    before = scored(shared, category, standin(13))[0]
    say(shared, (before["score_id"], "real"))
    assert scored(shared, category, standin(13))[0]["probability"] != before["probability"]
    back = shared.post(f"/v1/categories/{category}/versions/1/activate")
    assert back.json()["number"] == 3
    assert scored(shared, category, standin(13))[0]["probability"] == before["probability"]
    (again,) = results_of(say(shared, (before["score_id"], "real")))
    assert (again["status"], again["version"]) == ("added", 4)


def test_scores_under_other_weights_cannot_be_learned_from(
    small_model: Model, shared: Service, category: str
) -> None:
    result = scored(shared, category, standin(14))[0]
    store = shared.parts.store

    async def renamed() -> str:
        from dataclasses import replace

        (row,) = (await store.scores("default", [result["score_id"]])).values()
        assert row.model_sha256 == small_model.card.sha256
        other = replace(row, score_id=new_id(), model_sha256="f" * 64)
        await store.record_scores([other])
        return other.score_id

    (refused,) = results_of(say(shared, (shared.run(renamed), "real")))
    assert_problem_object(refused["error"], 409, "other-weights")
    assert_problem(shared.get(f"/v1/categories/{category}"), 404, "no-such-category")


def test_a_key_teaches_once(shared: Service, category: str) -> None:
    result = scored(shared, category, standin(15))[0]
    headers = {"Idempotency-Key": f'"{category}"'}
    first, again = (say(shared, (result["score_id"], "real"), headers=headers) for _ in range(2))
    assert results_of(first)[0]["status"] == "added"
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    other = say(shared, (result["score_id"], "placeholder"), headers=headers)
    assert_problem(other, 422, "idempotency-mismatch")
    malformed = say(shared, (result["score_id"], "real"), headers={"Idempotency-Key": "bare"})
    assert_problem(malformed, 400, "malformed")
    assert len(shared.get(f"/v1/categories/{category}/versions").json()["items"]) == 1


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"items"}),
        ({"items": []}, {"items"}),
        ({"items": [{"score_id": "a"}]}, {"items.0.label"}),
        ({"items": [{"label": "real"}]}, {"items.0.score_id"}),
        ({"items": [{"score_id": "a", "label": "unsure"}]}, {"items.0.label"}),
        ({"items": [{"score_id": 5, "label": "real"}]}, {"items.0.score_id"}),
        ({"items": [{"score_id": "", "label": "real"}]}, {"items.0.score_id"}),
        ({"items": [{"score_id": "a\x00", "label": "real"}]}, {"items.0.score_id"}),
        ({"items": [{"score_id": "a" * 65, "label": "real"}]}, {"items.0.score_id"}),
        (
            {"items": [{"score_id": "a", "label": "real", "note": 1}], "category": "x"},
            {"items.0.note", "category"},
        ),
        ([], {"(the whole)"}),
    ],
)
def test_wrong_fields_are_refused_by_name(shared: Service, body: object, fields: set[str]) -> None:
    answer = shared.post("/v1/feedback", json=body)
    assert fields_of(assert_problem(answer, 422, "invalid-fields")) == fields


def test_what_is_no_json_is_refused(shared: Service) -> None:
    broken = shared.post("/v1/feedback", content=b"{", headers={"Content-Type": "application/json"})
    assert_problem(broken, 400, "malformed")
    form = shared.post("/v1/feedback", files={"items": ("a.jpg", b"x")})
    assert_problem(form, 415, "unsupported-body")
    assert_problem(shared.get("/v1/feedback"), 405, "method-not-allowed")


def test_a_request_has_a_limit(shared: Service) -> None:
    most = shared.parts.settings.max_request_pictures
    many = say(shared, *((f"unknown-{index}", "real") for index in range(most)))
    assert len(results_of(many)) == most
    more = say(shared, *((f"unknown-{index}", "real") for index in range(most + 1)))
    assert_problem(more, 413, "request-too-large")


def test_metrics_tell_how_the_answers_fare(
    small_model: Model, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Service(settings_for(tmp_path_factory.mktemp("data")), small_model) as service:
        service.wait_until_ready()
        result = scored(service, "shoes", standin(16))[0]
        headers = {"Idempotency-Key": '"once"'}
        for _ in range(2):  # an answer given again is not another word
            say(service, (result["score_id"], "real"), ("unknown", "real"), headers=headers)
        told = service.get("/metrics").text
    for line in (
        'standin_feedback_total{outcome="added"} 1.0',
        'standin_feedback_total{outcome="refused"} 1.0',
        'standin_feedback_total{outcome="unchanged"} 0.0',
        "standin_feedback_reward_count 1.0",
        'route="/v1/feedback",status="200"} 2.0',
    ):
        assert line in told, line
