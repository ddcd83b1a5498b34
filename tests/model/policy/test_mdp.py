"""States, costs and rewards: what the docstring of ``model.policy.mdp`` promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.policy.errors import PolicyError
from model.policy.mdp import (
    CONTEXTS,
    Independent,
    Reward,
    bin_edges,
    context_bucket,
    unfold,
)
from tests.model.policy.synthetic import COSTS, gaussian_log, visual_record

odds = st.floats(-8, 8)


@given(odds, odds, odds)
def test_the_loss_is_proper(truth: float, other: float, focus: float) -> None:
    """Nothing is gained by saying other log-odds than those of the truth."""
    reward = Reward((1.0,), 0.0, (focus, 0.0))
    share = np.array([1 / (1 + np.exp(-truth))])
    honest, dishonest = (reward.loss(np.array([z]), share)[0] for z in (truth, other))
    assert honest <= dishonest + 1e-9 * np.exp(max(focus, 0))


@given(odds, st.booleans())
def test_a_focus_of_zero_is_log_loss(z: float, label: bool) -> None:
    got = Reward((1.0,), 0.0).loss(np.array([z]), np.array([float(label)]))[0]
    p = 1 / (1 + np.exp(-z))
    assert got == pytest.approx(-np.log(p if label else 1 - p))


@given(st.floats(0.1, 8))
def test_at_its_focus_a_false_alarm_costs_what_the_threshold_says(focus: float) -> None:
    # Moving over the threshold: a placeholder gains, and a real picture loses e^focus as much.
    reward = Reward((1.0,), 0.0, (focus,))
    z = np.array([focus - 1e-4, focus + 1e-4])
    found, alarm = (np.diff(reward.loss(z, np.full(2, y)))[0] for y in (1.0, 0.0))
    assert -alarm / found == pytest.approx(np.exp(focus), rel=1e-3)


@given(st.floats(0.01, 0.99), st.floats(0.1, 0.9))
def test_costs_are_counted_at_the_frequency_asked_for(frequency: float, share: float) -> None:
    label = np.arange(1000) < 1000 * share
    weights = Reward((1.0,), 0.0, frequency=frequency).weights(label)
    assert weights.mean() == pytest.approx(1)
    assert weights[label].sum() / weights.sum() == pytest.approx(frequency)


@given(st.integers(0, 20), st.integers(0, 20), st.sampled_from([-0.5, -0.3, -0.2, 0.0, 0.5]))
def test_contexts_are_what_they_are_called(placeholders: int, real: int, record: float) -> None:
    name = CONTEXTS[context_bucket(np.array([[placeholders, real]]), np.array([record]))[0]]
    assert (name == "none") == (placeholders == real == 0)
    assert (name == "one label") == ((placeholders == 0) != (real == 0))
    if placeholders and real:
        many = min(placeholders, real) >= 5
        sort = "turned" if record <= -0.3 else "steady"
        if not many and record == 0:
            sort = "unknown"
        assert name == f"{'many' if many else 'few'}, {sort}"


def test_every_subset_is_answered_from_what_was_asked_alone() -> None:
    log = gaussian_log(0, rows=300, episodes=10)
    unfolded = unfold(log, Independent(0.3), visual_record)
    assert unfolded.logits.shape == (300, 16)
    assert (unfolded.logits[:, 0] == 0.3).all()
    for subset in range(16):
        told = [j for j in range(4) if subset >> j & 1]
        wanted = 0.3 + sum(
            np.where(log.answered[:, j], log.logits[:, j].astype(float) - 0.3, 0.0) for j in told
        )
        np.testing.assert_allclose(unfolded.logits[:, subset], wanted, atol=1e-6)
    assert unfolded.truth(1.0) == pytest.approx(1 / (1 + np.exp(-unfolded.logits[:, 15])))
    some = unfolded.rows(np.arange(7))
    assert (len(some.log), some.logits.shape, some.everything) == (7, (7, 16), 15)


@given(st.integers(1, 40), st.integers(0, 100))
def test_edges_ascend_and_bins_hold_about_the_same(bins: int, seed: int) -> None:
    unfolded = unfold(gaussian_log(seed, rows=400, episodes=10, share=0.2), Independent(), None)
    edges = bin_edges(unfolded, bins)
    assert len(edges) <= bins - 1
    assert (np.diff(edges) > 0).all()
    label = unfolded.log.label
    weight = np.where(label, 0.5 / label.sum(), 0.5 / (~label).sum()) / 15
    place = np.searchsorted(edges, unfolded.logits[:, 1:], side="right")
    mass = np.bincount(place.ravel(), np.repeat(weight, 15))
    # The empty answers of the third expert, all 0, cannot be parted.
    assert np.median(mass) == pytest.approx(1 / bins, rel=0.5, abs=0.01)


def test_what_cannot_be_is_refused() -> None:
    log = gaussian_log(0, rows=20, episodes=2)
    with pytest.raises(PolicyError, match="not finite"):
        unfold(log, Independent(np.nan), None)
    with pytest.raises(PolicyError, match="at least one bin"):
        bin_edges(unfold(log, Independent(), None), 0)
    for wrong, said in (
        ({"costs": (1.0, 0.0)}, "costs"),
        ({"price": -1.0}, "price"),
        ({"focus": ()}, "focus"),
        ({"distilled": 1.1}, "distilled"),
        ({"frequency": 1.0}, "frequency"),
    ):
        with pytest.raises(PolicyError, match=said):
            Reward(**({"costs": COSTS, "price": 0.1} | wrong))  # type: ignore[arg-type]
