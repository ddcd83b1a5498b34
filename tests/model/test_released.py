"""The weights that come with the package answer on this machine what they answered when saved."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch

import model
from model.card import describe
from model.learners import LEARNERS
from model.weights import DEFAULT, RELEASED, find_card, load_card, load_recorded

# The reader has a card of its own kind; tests/model/experts/test_words.py is about it.
# The reader has a card of its own kind; tests/model/experts/test_words.py is about it.
CARDS = sorted(p for p in RELEASED.glob("*.json") if "backbone" in json.loads(p.read_text()))
pytestmark = pytest.mark.skipif(not CARDS, reason="no release is in model/released yet")


@pytest.fixture(scope="module", params=CARDS, ids=lambda path: path.stem)
def card_path(request: pytest.FixtureRequest):
    return request.param


@pytest.fixture(scope="module")
def loaded(card_path) -> model.Model:
    return model.load(card_path, "cpu")


def test_the_default_release_is_there() -> None:
    assert find_card() in CARDS
    assert load_card(find_card()).name == DEFAULT


def test_the_card_is_complete(card_path) -> None:
    card = load_card(card_path)
    assert card.learner in LEARNERS
    assert card.metrics
    assert all(each.licence and each.pictures > 0 for each in card.training_data)
    assert len(card.git_revision) >= 7
    weights = card_path.with_name(card.weights).read_bytes()
    assert card.sha256 == hashlib.sha256(weights).hexdigest()
    assert card_path.with_suffix(".md").read_text(encoding="utf-8") == describe(card)


def test_stored_pixels_give_the_recorded_answers_tightly(card_path, loaded: model.Model) -> None:
    recorded = load_recorded(card_path)
    assert len(recorded.files) > 0
    embeddings = loaded.encoder.embed(recorded.pixels)
    # Single precision, other instructions: some thousand roundings of 6e-8 each.
    np.testing.assert_allclose(embeddings, recorded.embeddings, atol=1e-4)


def test_stored_files_give_the_recorded_answers_loosely(card_path, loaded: model.Model) -> None:
    # Decoders differ by a step or two of brightness from one version to the next.
    recorded = load_recorded(card_path)
    embeddings = loaded.embed(recorded.files).numpy()
    assert (embeddings * recorded.embeddings).sum(axis=1).min() > 0.99
    # Recorded are the weights' own answers; the experts beside them came later.
    nothing = torch.zeros(0, embeddings.shape[1]), torch.zeros(0, dtype=torch.bool)
    base = loaded.learner.adapt(*nothing)
    probabilities = loaded.learner.score(base, torch.from_numpy(embeddings)).numpy()
    np.testing.assert_allclose(probabilities, recorded.probabilities, atol=0.05)


def test_the_recorded_pictures_tell_weights_apart(card_path) -> None:
    # Else the two tests above would pass with any weights.
    recorded = load_recorded(card_path)
    assert (recorded.embeddings @ recorded.embeddings.T).min() < 0.9
    assert np.ptp(recorded.probabilities) > 0.5
