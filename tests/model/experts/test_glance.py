"""A glance: what its map learns, for whom it speaks, and what the released one is worth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import model
from model.encoder import Encoder
from model.ensemble import Experts
from model.errors import SupportError, WeightsError
from model.experts import ASKS, EXPERTS
from model.experts.glance import SHARE, Glance, by_expert, fit
from model.weights import find_card, load_recorded
from tests.model.experts_random import random_ensemble

VISUAL, GLANCE = EXPERTS.index("visual"), ASKS.index("glance")


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_map_finds_what_a_smaller_picture_moves_and_no_more() -> None:
    rng = np.random.default_rng(0)
    looks = unit(rng.normal(size=(3000, 24)))
    moved = np.eye(24) + rng.normal(size=(24, 24)) * 0.15
    glances = unit(looks @ moved + 0.3 + rng.normal(size=looks.shape) * 0.02)
    found = fit(glances[:2000], looks[:2000], 128)
    apart, left = (
        1 - (rows * looks).sum(1)[2000:].mean() for rows in (glances, found.guess(glances))
    )
    assert left < apart / 3
    np.testing.assert_allclose(np.linalg.norm(found.guess(glances), axis=1), 1, atol=1e-5)
    # Nothing to learn from: a glance stays as it is.
    held = fit(glances[:2], looks[:2], 128, penalty=1e9)
    np.testing.assert_allclose(held.guess(glances), glances, atol=1e-4)


@pytest.mark.parametrize(
    ("side", "weight", "bias", "said"),
    [
        (100, (4, 4), 4, "multiple of 32"),
        (0, (4, 4), 4, "multiple of 32"),
        (64, (4, 3), 4, "shapes"),
        (64, (4, 4), 3, "shapes"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(
    side: int, weight: tuple[int, int], bias: int, said: str
) -> None:
    with pytest.raises(SupportError, match=said):
        Glance(side, np.zeros(weight, np.float32), np.zeros(bias, np.float32))


@given(st.integers(0, 2**32 - 1), st.integers(0, 9), st.booleans())
def test_a_glance_speaks_for_the_visual_expert_and_has_a_share_once_that_has_looked(
    seed: int, count: int, glances: bool
) -> None:
    rng = np.random.default_rng(seed)
    width = len(ASKS if glances else EXPERTS)
    logits, spoke = rng.normal(size=(count, width)), rng.random((count, width)) < 0.5
    before = logits.copy(), spoke.copy()
    said, heard = by_expert(logits, spoke)
    np.testing.assert_array_equal(logits, before[0])
    np.testing.assert_array_equal(spoke, before[1])
    assert said.shape == heard.shape == (count, len(EXPERTS))
    for row in range(count):
        for column in range(len(EXPERTS)):
            sources = [column] if spoke[row, column] else []
            if glances and column == VISUAL and spoke[row, GLANCE]:
                sources.append(GLANCE)
            assert heard[row, column] == bool(sources)
            shares = [1.0] if len(sources) == 1 else [1 - SHARE, SHARE]
            if sources:
                mean = sum(s * logits[row, i] for s, i in zip(shares, sources, strict=True))
                assert said[row, column] == pytest.approx(mean)


def test_a_policy_that_glances_needs_to_be_told_how() -> None:
    experts = random_ensemble().experts
    assert experts is not None
    assert experts.glances
    with pytest.raises(WeightsError, match="asks for glances"):
        Experts(
            experts.reader,
            experts.panel,
            experts.sameness,
            experts.combination,
            experts.surely,
            experts.policy,
            experts.digest,
            experts.mark,
        )


def test_fewer_pixels_are_the_same_network_in_every_engine() -> None:
    """The released encoder by torch and by ONNX Runtime, at the side of its glances."""
    recorded = load_recorded(find_card(None))
    torch_, onnx = (model.load(None, "cpu", engine) for engine in ("torch", "onnxruntime"))
    assert torch_.ensemble.experts is not None
    glance = torch_.ensemble.experts.glance
    assert glance is not None
    mine, theirs = (
        each.encoder.embed_smaller(recorded.pixels, glance.side) for each in (torch_, onnx)
    )
    assert mine.shape == recorded.embeddings.shape
    np.testing.assert_allclose(mine, theirs, atol=1e-4)
    # And it is a look at the same picture: corrected, closer to the whole look than as it came.
    whole = recorded.embeddings
    as_it_came, corrected = (
        float((rows * whole).sum(1).mean()) for rows in (mine, glance.guess(mine))
    )
    assert corrected > as_it_came
    assert corrected > 0.75
    with pytest.raises(SupportError, match="uint8 pixels of shape"):
        onnx.encoder.embed_smaller(recorded.pixels[:, :100], glance.side)
    assert onnx.encoder.embed_smaller([], 64).shape == (0, onnx.encoder.dim)
    assert isinstance(onnx.encoder, Encoder)
