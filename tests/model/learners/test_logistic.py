"""The baseline against scikit-learn's solver of the same problem."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from model.errors import SupportError
from model.learners.logistic import Logistic


@given(n=st.integers(3, 30), d=st.integers(1, 40), c=st.floats(0.05, 50), seed=st.integers(0, 999))
def test_it_finds_the_minimum_that_scikit_learn_finds(n: int, d: int, c: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = np.arange(n) % 3 == 0
    # Its default solver gives up, and says so, where rounding hides the last step.
    newton = LogisticRegression(C=c, tol=1e-10, max_iter=10_000, solver="newton-cholesky")
    peer = newton.fit(x, y)
    head = Logistic(d, c).adapt(torch.from_numpy(x).float(), torch.from_numpy(y))
    expected = np.append(peer.coef_[0], peer.intercept_)
    np.testing.assert_allclose(head.state.numpy(), expected, atol=2e-3, rtol=2e-3)


def test_nothing_can_be_told_from_one_label() -> None:
    learner = Logistic(3)
    head = learner.adapt(torch.eye(3), torch.ones(3, dtype=torch.bool))
    assert learner.score(head, torch.eye(3)).tolist() == [0.5, 0.5, 0.5]


def test_a_penalty_that_is_none_is_refused() -> None:
    with pytest.raises(SupportError, match="above 0"):
        Logistic(3, 0.0)
