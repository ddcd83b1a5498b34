"""Categories that label pictures themselves, with the released model and through HTTP: what they
take, that they take nothing unless asked to, and that their teacher's words undo them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

import model
from model import Model
from model.teacher.guesses import Guessing
from service.guessing import Guesser, room
from service.store import Counts, Label, Standing, example_of
from tests.service.harness import Service, settings_for
from tests.service.pictures import encoded, product, standin

HOURS = 24.0


@pytest.fixture(scope="module")
def released() -> Model:
    return model.load(device="cpu")


@pytest.fixture(scope="module")
def service(released: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    chosen = settings_for(tmp_path_factory.mktemp("data"), pseudo_labels_after_hours=HOURS)
    with Service(chosen, released) as running:
        running.wait_until_ready()
        # Begun once it is ready: what is scored first need not wait for it.
        while running.app.state.runtime.guesser is None:
            time.sleep(0.01)
        yield running


def scored(service: Service, category: str, *pictures: bytes) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = service.score(category, *pictures).json()["results"]
    return results


def guess(service: Service, hours: float) -> int:
    """What the task of the service does, with the clock so many hours ahead."""
    guesser: Guesser | None = service.app.state.runtime.guesser
    assert guesser is not None
    return service.run(lambda: guesser.run(datetime.now(UTC) + timedelta(hours=hours)))


@pytest.fixture(autouse=True)
def nothing_is_left(service: Service) -> None:
    """Of what tests before this one have scored: which those are depends on who runs them."""
    guess(service, HOURS + 1)


def versions(service: Service, category: str) -> list[tuple[str, dict[str, int]]]:
    found = service.get(f"/v1/categories/{category}/versions").json()["items"]
    return [(one["cause"], one["examples"]) for one in reversed(found)]


def examples(service: Service, category: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.get(f"/v1/categories/{category}/examples").json()["items"]
    return found


def metric(service: Service, outcome: str) -> float:
    counter = service.app.state.metrics.guesses
    return float(counter.labels(outcome)._value.get())


def test_sure_answers_that_nobody_denied_become_examples(service: Service, category: str) -> None:
    service.teach(category, [standin(n) for n in range(3)], [product(n) for n in range(2)])
    more = [standin(n) for n in range(20, 25)] + [product(n) for n in range(20, 25)]
    results = scored(service, category, *more)
    assert all(max(one["probability"], 1 - one["probability"]) >= 0.98 for one in results)
    denied, confirmed = results[0], results[5]
    service.post(
        "/v1/feedback",
        json={
            "items": [
                {"score_id": denied["score_id"], "label": "placeholder"},
                {"score_id": confirmed["score_id"], "label": "real"},
            ]
        },
    )
    before = metric(service, "taken")
    assert guess(service, HOURS - 1) == 0  # the teacher still has an hour
    assert guess(service, HOURS + 1) == 7
    assert metric(service, "taken") == before + 7
    # As many of each label as the teacher gave, the oldest scores first.
    assert versions(service, category)[-1] == ("guesses", {"placeholder": 8, "real": 6})
    assert [cause for cause, _ in versions(service, category)] == [
        "examples",
        "feedback",
        "guesses",
    ]
    guesses = [one for one in examples(service, category) if one["origin"] == "guess"]
    assert [one["label"] for one in guesses].count("placeholder") == 4
    # There is room for no more, and asked again nothing changes.
    scored(service, category, *(standin(n) for n in range(30, 35)))
    assert guess(service, HOURS + 1) == 0
    assert len(versions(service, category)) == 3
    quality = service.get(f"/v1/categories/{category}/versions").json()["items"][0]["quality"]
    assert quality["examples"] <= 7  # a category is not judged by its own guesses
    # A guess has no thumbnail, is scored with, and can be removed; it does not come back.
    path = f"/v1/categories/{category}/examples/{guesses[0]['id']}"
    assert service.get(f"{path}/image").status_code == 404
    assert scored(service, category, more[1])[0]["version"] == 3
    assert service.delete(path).status_code == 200
    assert guess(service, HOURS + 1) == 1
    assert guesses[0]["sha256"] not in {one["sha256"] for one in examples(service, category)}
    # Back before the guesses.
    assert service.post(f"/v1/categories/{category}/versions/2/activate").status_code == 200
    assert {one["origin"] for one in examples(service, category)} == {"upload", "teacher"}


def test_a_category_that_has_learned_otherwise_since_does_not_guess_what_it_once_said(
    service: Service, category: str
) -> None:
    tiles = [standin(n) for n in range(40, 44)]
    service.teach(category, [standin(1), standin(2)], [product(1), product(2)])
    assert all(one["probability"] >= 0.98 for one in scored(service, category, *tiles))
    for one in examples(service, category):
        other = "real" if one["label"] == "placeholder" else "placeholder"
        service.patch(f"/v1/categories/{category}/examples/{one['id']}", json={"label": other})
    turned = scored(service, category, *tiles)
    assert all(one["probability"] < 0.5 for one in turned)
    guess(service, HOURS + 1)
    assert {one["label"] for one in examples(service, category) if one["origin"] == "guess"} <= {
        "real"
    }


def test_the_same_picture_saved_again_is_taken_once(service: Service, category: str) -> None:
    service.teach(category, [standin(n) for n in range(3)], [product(n) for n in range(3)])
    tile = standin(50)
    again = encoded(Image.open(BytesIO(tile)).convert("RGB"), "PNG", compress_level=1)
    assert again != tile
    scored(service, category, tile, again, tile)
    assert guess(service, HOURS + 1) == 1


def test_wrong_guesses_are_undone_by_the_teacher_s_words(
    service: Service, category: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Forced upon it: every guess has the wrong label."""
    service.teach(category, [standin(n) for n in range(3)], [product(n) for n in range(3)])
    wrong = scored(
        service,
        category,
        *(standin(n) for n in range(60, 70)),
        *(product(n) for n in range(60, 70)),
    )
    store, fitter = service.parts.store, service.parts.fitter

    async def poison() -> None:
        kept = await store.scores("default", [one["score_id"] for one in wrong])
        forced = []
        for one in wrong:
            label: Label = "real" if one["decision"] == "placeholder" else "placeholder"
            new = example_of(kept[one["score_id"]], label, "guess")
            assert new is not None
            forced.append(new)
        await store.change_examples("default", category, forced, fitter, cause="guesses")

    service.run(poison)
    assert versions(service, category)[-1] == ("guesses", {"placeholder": 13, "real": 13})
    undone = metric(service, "undone")
    words = 0
    while versions(service, category)[-1][0] != "guard":
        assert words < 10
        tile = words % 2 == 0
        picture = standin(80 + words) if tile else product(80 + words)
        one = scored(service, category, picture)[0]
        label = "placeholder" if tile else "real"
        said = {"score_id": one["score_id"], "label": label}
        (answer,) = service.post("/v1/feedback", json={"items": [said]}).json()["results"]
        words += 1
    assert answer["version"] == service.get(f"/v1/categories/{category}").json()["version"]
    assert metric(service, "undone") == undone + 20
    assert "removed" in caplog.text
    assert [cause for cause, _ in versions(service, category)] == [
        "examples",
        "guesses",
        *["feedback"] * words,
        "guard",
    ]
    assert "guess" not in {one["origin"] for one in examples(service, category)}
    # It answers as it should again, and takes none before the teacher has said twenty words more.
    tile, good = scored(service, category, standin(90), product(90))
    assert tile["probability"] > 0.9
    assert good["probability"] < 0.1
    scored(service, category, *(standin(n) for n in range(100, 110)))
    assert guess(service, HOURS + 1) == 0
    service.teach(category, [standin(n) for n in range(120, 130)], [])
    service.teach(category, [], [product(n) for n in range(120, 129)])
    assert guess(service, HOURS + 1) == 0
    service.teach(category, [], [product(129)])
    assert guess(service, HOURS + 1) > 0


def test_guesses_of_a_category_that_turns_around_are_undone(
    service: Service, category: str
) -> None:
    """Nothing is forced: what it guessed was right until the shop turned."""
    service.teach(category, [standin(n) for n in range(4)], [product(n) for n in range(4)])
    scored(service, category, *map(standin, range(200, 206)), *map(product, range(200, 206)))
    assert guess(service, HOURS + 1) >= 8
    for number in range(210, 220):
        service.teach(category, [product(number)], [standin(number)])
        if versions(service, category)[-1][0] == "guard":
            break
    else:
        pytest.fail("the guard said nothing to twenty words")
    assert "guess" not in {one["origin"] for one in examples(service, category)}


def test_two_that_look_at_once_take_each_picture_once(service: Service, category: str) -> None:
    service.teach(category, [standin(n) for n in range(3)], [product(n) for n in range(3)])
    scored(service, category, *map(standin, range(190, 196)), *map(product, range(190, 196)))
    guesser: Guesser = service.app.state.runtime.guesser
    later = datetime.now(UTC) + timedelta(hours=HOURS + 1)

    async def both() -> list[int]:
        return await asyncio.gather(*(guesser.run(later) for _ in range(3)))

    service.run(both)
    assert versions(service, category)[1:] == [("guesses", {"placeholder": 6, "real": 6})]


def test_right_guesses_stay_while_the_teacher_speaks(service: Service, category: str) -> None:
    service.teach(category, [standin(n) for n in range(3)], [product(n) for n in range(3)])
    scored(service, category, *map(standin, range(140, 146)), *map(product, range(140, 146)))
    assert guess(service, HOURS + 1) == 6
    for number in range(150, 160):
        service.teach(category, [standin(number)], [product(number)])
    assert "guard" not in [cause for cause, _ in versions(service, category)]
    assert [one["origin"] for one in examples(service, category)].count("guess") == 6


def test_a_category_with_one_label_only_takes_none(service: Service, category: str) -> None:
    service.teach(category, [standin(n) for n in range(6)], [])
    scored(service, category, *(standin(n) for n in range(170, 175)))
    guess(service, HOURS + 1)
    assert [cause for cause, _ in versions(service, category)] == ["examples"]


def test_it_is_off_unless_asked_for(
    released: Model, category: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    chosen = settings_for(tmp_path_factory.mktemp("data"))
    assert chosen.pseudo_labels_after_hours == 0
    with Service(chosen, released) as service:
        service.wait_until_ready()
        runtime = service.app.state.runtime
        assert runtime.guesser is None
        assert "standin-guesses" not in {task.get_name() for task in runtime._tasks}


def test_the_task_runs_where_it_is_asked_for(service: Service) -> None:
    tasks = service.app.state.runtime._tasks
    # It answers before it has begun everything: the rest of its start is no client's concern.
    (start,) = (task for task in tasks if task.get_name() == "standin-start")
    service.run(lambda: asyncio.wait({start}))
    names = {task.get_name(): task for task in tasks}
    assert not names["standin-guesses"].done()


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (Standing("", Counts(5, 9), Counts(0, 0), None), (5, 9)),
        (Standing("", Counts(5, 9), Counts(4, 9), None), (1, 0)),
        (Standing("", Counts(50, 90), Counts(0, 33), None), (32, 0)),
        (Standing("", Counts(2, 1), Counts(0, 0), None), (0, 0)),  # too few words
        (Standing("", Counts(5, 0), Counts(0, 0), None), (0, 0)),
        (Standing("", Counts(5, 9), Counts(0, 0), 19), (0, 0)),  # the guard spoke
        (Standing("", Counts(5, 9), Counts(0, 0), 20), (5, 9)),
    ],
)
def test_guesses_never_outnumber_what_the_teacher_gave(
    standing: Standing, expected: tuple[int, int]
) -> None:
    found = room(standing, Guessing())
    assert (found["placeholder"], found["real"]) == expected


def test_scores_of_other_weights_are_not_guessed(service: Service, category: str) -> None:
    service.teach(category, [standin(n) for n in range(3)], [product(n) for n in range(3)])
    store = service.parts.store
    (one,) = scored(service, category, standin(180))

    async def as_if_of_other_weights() -> None:
        kept = (await store.scores("default", [one["score_id"]]))[one["score_id"]]
        other = replace(kept, score_id="of-other-weights", sha256="0" * 64, model_sha256="1" * 64)
        gone = replace(other, score_id="of-a-deleted", sha256="2" * 64, category_id="3" * 32)
        await store.record_scores([other, gone])

    service.run(as_if_of_other_weights)
    assert guess(service, HOURS + 1) == 1
