"""Online weights: their bounds on adversarial sequences, and Bayes' rule done another way."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from model.errors import SupportError
from model.learners.base import MIN_PROBABILITY
from model.teacher.weights import MOST_REWARD, OnlineWeights, regret_bound, tracking_bound

EXTREME = st.sampled_from([MIN_PROBABILITY, 0.5, 1 - MIN_PROBABILITY])
chances = st.one_of(EXTREME, st.floats(MIN_PROBABILITY, 1 - MIN_PROBABILITY))
shares = st.sampled_from([0.0, 1e-4, 0.02, 0.3, 1.0])


@st.composite
def sequences(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (T, N) and labels (T,), anything goes."""
    n, length = draw(st.integers(1, 5)), draw(st.integers(1, 25))
    rows = draw(st.lists(st.lists(chances, min_size=n, max_size=n), min_size=length))
    rows = rows[:60]
    labels = draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    return np.array(rows), np.array(labels)


def losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Log loss (T, N) of every candidate."""
    said = np.where(labels[:, None], probabilities, 1 - probabilities)
    value: np.ndarray = -np.log(said)
    return value


def suffered(probabilities: np.ndarray, labels: np.ndarray, share: float) -> float:
    """Cumulative log loss of the weights, predicting before they learn."""
    weights, total = OnlineWeights.even(probabilities.shape[1], share), 0.0
    for row, label in zip(probabilities, labels, strict=True):
        p = float(weights.predict(row))
        total -= math.log(p if label else 1 - p)
        weights = weights.updated(row, bool(label))
    assert weights.corrections == len(labels)
    return total


def best_with_switches(loss: np.ndarray, switches: int) -> float:
    """The least cumulative loss of a sequence with exactly k changes, by dynamic programming."""
    n = loss.shape[1]
    least = np.full((switches + 1, n), np.inf)
    least[0] = loss[0]
    for row in loss[1:]:
        following = least.copy()
        for k in range(1, switches + 1):
            for i in range(n):
                others = np.delete(least[k - 1], i)
                if len(others):
                    following[k, i] = min(following[k, i], others.min())
        least = following + row
    return float(least[switches].min())


@given(sequences())
def test_without_share_the_loss_is_at_most_the_best_candidates_and_log_n(
    sequence: tuple[np.ndarray, np.ndarray],
) -> None:
    probabilities, labels = sequence
    best = losses(probabilities, labels).sum(0).min()
    bound = regret_bound(probabilities.shape[1])
    assert suffered(probabilities, labels, 0.0) <= best + bound + 1e-9 * len(labels)


@given(sequences(), st.integers(0, 4), shares)
def test_the_loss_is_at_most_the_best_sequences_and_the_tracking_bound(
    sequence: tuple[np.ndarray, np.ndarray], switches: int, share: float
) -> None:
    probabilities, labels = sequence
    n = probabilities.shape[1]
    assume(switches < len(labels) and (n > 1 or not switches))
    best = best_with_switches(losses(probabilities, labels), switches)
    bound = tracking_bound(len(labels), switches, n, share)
    assert suffered(probabilities, labels, share) <= best + bound + 1e-9 * len(labels)


@given(
    n=st.integers(2, 6),
    length=st.integers(2, 120),
    share=st.sampled_from([0.0, 0.02, 0.3]),
    boldness=st.sampled_from([MIN_PROBABILITY, 0.05, 0.4]),
    seed=st.integers(0, 1000),
)
def test_an_adversary_who_sees_the_weights_gains_no_more_than_the_bound(
    n: int, length: int, share: float, boldness: float, seed: int
) -> None:
    """It lets whoever is trusted most be wrong, everybody else by chance, and picks the label last:
    the one that the answer finds less likely."""
    rng = np.random.default_rng(seed)
    weights, total = OnlineWeights.even(n, share), 0.0
    rows, labels = [], []
    for _ in range(length):
        row = np.where(rng.random(n) < 0.5, boldness, 1 - boldness)
        trusted = int(weights.weights.argmax())
        row[trusted] = boldness if row.mean() > 0.5 else 1 - boldness
        p = float(weights.predict(row))
        label = p < 0.5
        total -= math.log(p if label else 1 - p)
        weights = weights.updated(row, label)
        rows.append(row)
        labels.append(label)
    loss = losses(np.array(rows), np.array(labels))
    if not share:
        assert total <= loss.sum(0).min() + regret_bound(n) + 1e-9 * length
    for switches in (0, 1, length // 3):
        bound = tracking_bound(length, min(switches, length - 1), n, share)
        best = best_with_switches(loss, min(switches, length - 1))
        assert total <= best + bound + 1e-9 * length


@given(
    n=st.integers(1, 3),
    length=st.integers(1, 5),
    share=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    seed=st.integers(0, 1000),
)
def test_it_is_bayes_rule_over_every_sequence_of_candidates(
    n: int, length: int, share: float, seed: int
) -> None:
    """Another road: the likelihood of the labels, summed over all n^T sequences."""
    rng = np.random.default_rng(seed)
    probabilities, labels = rng.uniform(0.01, 0.99, (length, n)), rng.random(length) < 0.5
    said = np.exp(-losses(probabilities, labels))
    total = 0.0
    for path in itertools.product(range(n), repeat=length):
        prior = 1 / n
        for one, other in itertools.pairwise(path):
            prior *= (1 - share) * (one == other) + share / n
        total += prior * math.prod(said[t, i] for t, i in enumerate(path))
    assert suffered(probabilities, labels, share) == pytest.approx(-math.log(total), abs=1e-9)


def test_the_bound_is_reached() -> None:
    """One candidate is sure and right, the others sure and wrong: ln N is no looser than it must
    be, but for what the floor on probabilities takes."""
    row = np.full(4, MIN_PROBABILITY)
    row[2] = 1 - MIN_PROBABILITY
    regret = suffered(np.tile(row, (50, 1)), np.ones(50, bool), 0.0)
    best = -50 * math.log(1 - MIN_PROBABILITY)
    assert regret - best == pytest.approx(regret_bound(4), abs=1e-4)


def test_the_constants_are_those_of_the_chain() -> None:
    assert regret_bound(1) == 0.0
    assert regret_bound(3) == pytest.approx(math.log(3))
    # 200 corrections, one change, three candidates, a share of 0.02: by hand.
    stay = 0.98 + 0.02 / 3
    by_hand = math.log(3) + math.log(3 / 0.02) + 198 * -math.log(stay)
    assert tracking_bound(200, 1, 3, 0.02) == pytest.approx(by_hand)
    assert tracking_bound(10, 1, 3, 0.0) == math.inf
    assert tracking_bound(10, 0, 1, 0.5) == 0.0


@given(chances, st.booleans(), shares)
def test_one_candidate_alone_is_the_answer(p: float, label: bool, share: float) -> None:
    weights = OnlineWeights.even(1, share)
    row = np.array([p])
    assert float(weights.predict(row)) == pytest.approx(p)
    after = weights.updated(row, label)
    assert after.weights == pytest.approx([1.0])
    assert weights.reward(row, label, 0) == pytest.approx(0.0)


def test_before_any_correction_all_count_the_same() -> None:
    weights = OnlineWeights.even(4)
    assert weights.corrections == 0
    rows = np.random.default_rng(0).uniform(0.01, 0.99, (5, 3, 4))
    assert weights.predict(rows).shape == (5, 3)
    np.testing.assert_allclose(weights.predict(rows), rows.mean(-1))


@given(st.integers(2, 5), st.integers(1, 400), shares)
def test_a_thousand_to_nothing_stays_finite(n: int, length: int, share: float) -> None:
    """Whoever is wrong at 1e-6 four hundred times over neither vanishes nor breaks a sum."""
    row = np.full(n, MIN_PROBABILITY)
    row[0] = 1 - MIN_PROBABILITY
    weights = OnlineWeights.even(n, share)
    for _ in range(length):
        weights = weights.updated(row, True)
    assert np.isfinite(weights.log_weights).all()
    assert weights.weights.sum() == pytest.approx(1.0)
    if share:
        assert weights.weights.min() >= share / n * (1 - 1e-9)
    again = weights.updated(row, False)
    assert np.isfinite(again.log_weights).all()
    assert 0 < float(again.predict(row)) < 1


@given(sequences(), shares)
def test_updating_changes_nothing_that_was_and_the_array_keeps_all(
    sequence: tuple[np.ndarray, np.ndarray], share: float
) -> None:
    probabilities, labels = sequence
    weights = OnlineWeights.even(probabilities.shape[1], share)
    for row, label in zip(probabilities, labels, strict=True):
        kept = weights.to_array()
        after = weights.updated(row, bool(label))
        np.testing.assert_array_equal(weights.to_array(), kept)
        weights = after
    back = OnlineWeights.from_array(weights.to_array())
    assert (back.corrections, back.share) == (len(labels), share)
    np.testing.assert_array_equal(back.log_weights, weights.log_weights)


@given(sequences(), shares)
def test_rewards_are_bounded_and_their_sum_is_never_far_below_nothing(
    sequence: tuple[np.ndarray, np.ndarray], share: float
) -> None:
    probabilities, labels = sequence
    n = probabilities.shape[1]
    weights, total = OnlineWeights.even(n, share), 0.0
    for row, label in zip(probabilities, labels, strict=True):
        earned = weights.reward(row, bool(label), n - 1)
        assert abs(earned) <= MOST_REWARD
        total += earned
        weights = weights.updated(row, bool(label))
    assert total >= -tracking_bound(len(labels), 0, n, share) - 1e-9 * len(labels)


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_the_reward_is_proper(truth: float, honest: float, other: float) -> None:
    """Expected over labels, nothing earns more than the probability that is true."""

    def expected(p: float) -> float:
        weights = OnlineWeights(np.log([0.999999, 1e-6]), 0, 0.0)
        row = np.array([p, honest])
        return truth * weights.reward(row, True, 1) + (1 - truth) * weights.reward(row, False, 1)

    assert expected(truth) >= expected(other) - 1e-4


@given(sequences(), st.integers(0, 1000), st.sampled_from([0.0, 0.02]))
def test_an_abstaining_candidate_is_judged_on_what_it_answered(
    sequence: tuple[np.ndarray, np.ndarray], seed: int, share: float
) -> None:
    """Without share: against each candidate, over its own corrections, no more than ln N."""
    probabilities, labels = sequence
    length, n = probabilities.shape
    answered = np.random.default_rng(seed).random((length, n)) < 0.6
    answered[:, 0] |= ~answered.any(1)
    weights, ours = OnlineWeights.even(n, share), []
    for row, here, label in zip(probabilities, answered, labels, strict=True):
        p = float(weights.predict(row, here))
        ours.append(-math.log(p if label else 1 - p))
        hidden = np.where(here, row, np.nan)  # what it would have said is nobody's
        assert float(weights.predict(hidden, here)) == p
        weights = weights.updated(hidden, bool(label), here)
    theirs = losses(probabilities, labels)
    for i in range(n):
        regret = (np.array(ours) - theirs[:, i])[answered[:, i]].sum()
        if not share:
            assert regret <= regret_bound(n) + 1e-9 * length


def test_misuse_says_what_came() -> None:
    weights = OnlineWeights.even(2)
    with pytest.raises(SupportError, match="2 candidates"):
        weights.predict(np.array([0.5, 0.5, 0.5]))
    with pytest.raises(SupportError, match="strictly between"):
        weights.updated(np.array([0.5, 1.0]), True)
    with pytest.raises(SupportError, match="strictly between"):
        weights.predict(np.array([0.5, np.nan]))
    with pytest.raises(SupportError, match="at least one candidate must answer"):
        weights.predict(np.array([0.5, 0.5]), np.zeros(2, bool))
    with pytest.raises(SupportError, match="no candidate 2"):
        weights.reward(np.array([0.5, 0.5]), True, 2)
    with pytest.raises(SupportError, match="at least one candidate is needed"):
        OnlineWeights.even(0)
    with pytest.raises(SupportError, match="share lies between"):
        OnlineWeights.even(2, 1.5)
    with pytest.raises(SupportError, match="one distribution"):
        OnlineWeights(np.zeros(2))
    with pytest.raises(SupportError, match="no online weights"):
        OnlineWeights.from_array(np.zeros(2))
    for numbers in [
        (0, 0, 2, 0.1),
        (3, 3, 2, 0.1),
        (3, 0, 0, 0.1),
        (3, 0, 2, -0.1),
        (3, 1, 1, 0.1),
    ]:
        with pytest.raises(SupportError):
            tracking_bound(*numbers)
