"""Scoring with all experts: who was asked is said, and what was not asked is not missed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model import load
from model.experts import ASKS, EXPERTS
from model.experts.release import Released, experts_path
from model.experts.words import RELEASED as READER
from model.experts.words import load_reader_card
from model.policy.mdp import CONTEXTS
from model.policy.policy import Policy
from tests.model.experts_random import EDGES, random_experts
from tests.service.harness import Service, settings_for
from tests.service.pictures import product, standin
from tests.service.weights import save_small_weights

EVERYONE, CHEAP, GLANCE = "everyone", "cheap", "glance"


def policy_of(who: str) -> Policy:
    """Asks everyone, or nobody beyond those that look at every picture, or for a glance alone."""
    e = len(ASKS if who == GLANCE else EXPERTS)
    wanted = {EVERYONE: range(e), CHEAP: (), GLANCE: [ASKS.index("glance")]}[who]
    table = np.full((1 << e, len(EDGES) + 1, len(CONTEXTS)), e, np.int8)
    for subset in range(1 << e):
        left = [j for j in wanted if not subset >> j & 1]
        if left:
            table[subset] = left[0]
    return Policy(table, EDGES, (0.2, 0.1, 4.0, 20.0, 7.0)[:e], 0.001, (0.0,))


@pytest.fixture(scope="module", params=[EVERYONE, CHEAP, GLANCE])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Service, Path]]:
    folder = tmp_path_factory.mktemp("weights")
    card = save_small_weights(folder)
    small = load(card, "cpu")
    experts = random_experts(1, small.learner, False)  # type: ignore[arg-type]
    Released(
        experts.panel.statistics,
        experts.panel.words,
        experts.combination,
        policy_of(request.param),
        experts.surely,
        {"weights": small.card.sha256, "reader": load_reader_card(READER).sha256, "alpha": 0.05},
        experts.glance,
    ).save(experts_path(card))
    data = tmp_path_factory.mktemp("data")
    with Service(settings_for(data), load(card, "cpu")) as running:
        running.wait_until_ready()
        yield request.param, running, card


def score(service: Service, category: str, *pictures: bytes) -> list[dict[str, Any]]:
    answer = service.score(category, *pictures)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def test_evidence_names_who_was_asked(service: tuple[str, Service, Path], category: str) -> None:
    who, running, card = service
    (found,) = score(running, category, product(1))
    experts = found["evidence"]["experts"]
    assert "statistics" in experts
    assert ("visual" in experts) == (who != CHEAP)
    assert ("words" in experts) == (who == EVERYONE)
    assert sum(each["weight"] for each in experts.values()) == pytest.approx(1, abs=1e-3)
    # The library gives the same answer.
    alone = load(card, "cpu").adapt().score([product(1)])
    assert found["probability"] == pytest.approx(alone.item(), abs=1e-5)


def test_examples_and_feedback_teach_all_experts(
    service: tuple[str, Service, Path], category: str
) -> None:
    who, running, _card = service
    running.teach(category, [standin(1), standin(2)], [product(1), product(2)])
    given = score(running, category, standin(5), product(5))
    assert given[0]["version"] == 1
    nearest = given[0]["evidence"]["nearest"]
    if who == CHEAP:
        assert nearest == {"placeholder": None, "real": None}
    else:  # as far as a glance can tell
        assert all(-1 <= each["similarity"] <= 1 for each in nearest.values())
    items = [
        {"score_id": one["score_id"], "label": label}
        for one, label in zip(given, ("placeholder", "real"), strict=True)
    ]
    told = running.post("/v1/feedback", json={"items": items}).json()["results"]
    assert [one["status"] for one in told] == ["added", "added"]
    assert {one["version"] for one in told} == {2}
    after = score(running, category, standin(5), product(6))
    assert after[0]["version"] == 2
    # What the teacher said of this very picture is known to whoever compares pictures.
    assert after[0]["evidence"]["experts"]["sameness"]["probability"] > 0.9
    undone = running.post(f"/v1/categories/{category}/versions/1/activate")
    assert undone.status_code == 200
    again = score(running, category, standin(5), product(6))
    assert again[0]["version"] == 3
    # Back to before the teacher spoke: the first answer, to the digit.
    assert again[0]["probability"] == given[0]["probability"]


def test_a_batch_is_answered_as_one_by_one(
    service: tuple[str, Service, Path], category: str
) -> None:
    _, running, _ = service
    running.teach(category, [standin(1), standin(2)], [product(1)])
    pictures = [standin(7), product(7), standin(8), product(8)]
    together = [one["probability"] for one in score(running, category, *pictures)]
    alone = [score(running, category, data)[0]["probability"] for data in pictures]
    assert together == pytest.approx(alone, abs=2e-5)


def test_a_picture_that_was_glanced_at_is_taught_and_scored_alike_again(
    service: tuple[str, Service, Path], category: str
) -> None:
    """A glance is kept with its score: the teacher's word teaches the visual head by it."""
    who, running, _card = service
    running.teach(category, [standin(1), standin(2)], [product(1), product(2)])
    (first,) = score(running, category, standin(31))
    (again,) = score(running, category, standin(31))
    assert again["probability"] == first["probability"]
    items = [{"score_id": first["score_id"], "label": "placeholder"}]
    assert running.post("/v1/feedback", json={"items": items}).status_code == 200
    (taught,) = score(running, category, standin(31))
    if who == CHEAP:
        assert "visual" not in taught["evidence"]["experts"]
    else:
        before, after = (
            one["evidence"]["experts"]["visual"]["probability"] for one in (first, taught)
        )
        assert after > before
        assert taught["evidence"]["nearest"]["placeholder"]["similarity"] > 0.999
