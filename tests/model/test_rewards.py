"""The reward is proper: nobody expects more from another answer than from an honest one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from model.errors import MetricError
from model.rewards import quadratic_reward

PROBABILITY = st.floats(0, 1)


def reward(probability: float, is_placeholder: bool) -> float:
    return float(quadratic_reward(np.array([probability]), np.array([is_placeholder]))[0])


def expected(answer: float, belief: float) -> float:
    """Of an answer, to somebody who believes in ``belief``."""
    return belief * reward(answer, True) + (1 - belief) * reward(answer, False)


@given(PROBABILITY, PROBABILITY)
def test_honesty_pays_most_and_lying_costs_the_square_of_the_lie(
    answer: float, belief: float
) -> None:
    """Strictly: the regret of Brier's score is the squared distance (Gneiting & Raftery, 3.1)."""
    regret = expected(belief, belief) - expected(answer, belief)
    assert regret == pytest.approx(2 * (answer - belief) ** 2, abs=1e-12)


@given(PROBABILITY, st.booleans())
def test_it_is_bounded_and_treats_both_labels_alike(probability: float, label: bool) -> None:
    assert -1 <= reward(probability, label) <= 1
    assert reward(1 - probability, not label) == pytest.approx(reward(probability, label))


@given(PROBABILITY, PROBABILITY)
def test_more_on_what_it_was_is_worth_more(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert reward(low, True) <= reward(high, True)
    assert reward(low, False) >= reward(high, False)


@given(st.lists(st.tuples(PROBABILITY, st.booleans()), min_size=1))
def test_the_mean_is_that_of_brier_s_score(answers: list[tuple[float, bool]]) -> None:
    probability = np.array([one for one, _ in answers])
    label = np.array([one for _, one in answers])
    brier = brier_score_loss(label, probability, pos_label=True, labels=[False, True])
    found = quadratic_reward(probability, label).mean()
    assert found == pytest.approx(1 - 2 * brier, abs=1e-9)


@pytest.mark.parametrize(
    ("probability", "label", "value"),
    [(1, True, 1), (1, False, -1), (0, False, 1), (0.5, True, 0.5), (1 - 0.5**0.5, True, 0)],
)
def test_what_the_docstring_says(probability: float, label: bool, value: float) -> None:
    assert reward(float(probability), label) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(probability: float) -> None:
    with pytest.raises(MetricError):
        reward(probability, True)
