"""Newton's method under a prior against scikit-learn, SciPy and the definition of a minimum."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from model.errors import SupportError
from model.learners.logistic_prior import LogisticPrior, logistic_weights

seeds = st.integers(0, 9999)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def fitted(x: Tensor, y: Tensor, prior: Tensor, variance: Tensor, steps: int) -> Tensor:
    present = torch.ones(1, len(x), dtype=torch.bool)
    return logistic_weights(x[None], y[None], present, prior, variance, steps)[0]


def loss(w: Tensor, x: Tensor, y: Tensor, prior: Tensor, variance: Tensor) -> Tensor:
    sign = torch.where(y, 1.0, -1.0).to(x.dtype)
    fit = torch.nn.functional.softplus(-sign * (x @ w)).sum()
    return fit + 0.5 * ((w - prior).square() / variance).sum()


@given(n=st.integers(2, 25), d=st.integers(1, 20), c=st.floats(0.05, 50), seed=seeds)
def test_without_a_prior_it_is_scikit_learns_minimum(n: int, d: int, c: float, seed: int) -> None:
    x, y = drawn(seed, n, d), torch.arange(n) % 2 == 0
    peer = LogisticRegression(C=c, fit_intercept=False, tol=1e-10, max_iter=10_000)
    peer.fit(x.numpy(), y.numpy())
    zero = torch.zeros(d, dtype=torch.double)
    got = fitted(x, y, zero, torch.full_like(zero, c), 30)
    np.testing.assert_allclose(got, peer.coef_[0], atol=1e-4, rtol=1e-4)


@given(n=st.integers(1, 12), d=st.integers(1, 8), seed=seeds)
def test_with_a_prior_it_is_scipys_minimum(n: int, d: int, seed: int) -> None:
    x, y = drawn(seed, n, d), drawn(seed + 1, n) > 0
    prior, variance = 2 * drawn(seed + 2, d), drawn(seed + 3, d).exp()

    def value_and_slope(w: np.ndarray) -> tuple[float, np.ndarray]:
        sign = np.where(y.numpy(), 1.0, -1.0)
        margin = sign * (x.numpy() @ w)
        shift = (w - prior.numpy()) / variance.numpy()
        value = np.logaddexp(0, -margin).sum() + 0.5 * shift @ (w - prior.numpy())
        slope = -(sign / (1 + np.exp(margin))) @ x.numpy() + shift
        return float(value), slope

    peer = minimize(value_and_slope, prior.numpy(), jac=True, method="BFGS", options={"gtol": 1e-9})
    got = fitted(x, y, prior, variance, 30)
    np.testing.assert_allclose(got, peer.x, atol=1e-6, rtol=1e-6)


@given(
    n=st.integers(1, 10), width=st.floats(1e-2, 1e4), far=st.floats(0, 60), seed=st.integers(0, 99)
)
def test_every_step_goes_down_even_where_the_prior_is_sure_and_wrong(
    n: int, width: float, far: float, seed: int
) -> None:
    x, prior = drawn(seed, n, 4), drawn(seed + 1, 4)
    prior = far * prior / prior.norm()
    y = x @ prior < 0  # the prior is wrong about every example
    variance = torch.full_like(prior, width)
    losses = [
        loss(fitted(x, y, prior, variance, steps), x, y, prior, variance).item()
        for steps in range(12)
    ]
    for before, after in pairwise(losses):
        assert after <= before * (1 + 1e-9) + 1e-12


def test_a_full_step_would_go_round_in_circles_and_a_damped_one_arrives() -> None:
    """K = 100, prior margin -20, label +1: Newton's full step leaps to +80, and back."""
    x, y = torch.ones(1, 1, dtype=torch.double), torch.tensor([True])
    prior, variance = torch.tensor([-20.0]).double(), torch.tensor([100.0]).double()
    got = fitted(x, y, prior, variance, 25)
    slope = torch.func.grad(loss)(got, x, y, prior, variance)
    assert slope.abs().item() < 1e-10


@given(n=st.integers(0, 25), width=st.integers(1, 6), seed=seeds)
def test_the_learners_ten_steps_are_enough_in_single_precision(
    n: int, width: int, seed: int
) -> None:
    torch.manual_seed(seed)
    learner = LogisticPrior(6, width)
    with torch.no_grad():
        learner.projection.add_(0.3 * torch.randn(width, 6))
        learner.prior.normal_()
        learner.log_variance.add_(torch.randn(width + 1))
    x = torch.nn.functional.normalize(drawn(seed, n, 6), dim=1)
    y, queries = drawn(seed + 1, n) > 0, drawn(seed + 2, 4, 6)
    with torch.no_grad():
        head = learner.fit(x.float(), y)
        got = learner.logits(head[None], queries[None].float())[0].double()
        a, prior = learner.projection.double(), learner.prior.double()
        design = torch.nn.functional.pad(x @ a.T, (0, 1), value=1.0)
        best = fitted(design, y, prior, learner.log_variance.double().exp(), 60)
        expected = queries @ a.T @ best[:-1] + best[-1]
    # Far from 0.5 a tenth of a logit says nothing: what is promised is the probability.
    torch.testing.assert_close(got.sigmoid(), expected.sigmoid(), atol=2e-2, rtol=0)


@given(n=st.integers(1, 9), seed=seeds)
def test_padding_changes_nothing(n: int, seed: int) -> None:
    x, y = drawn(seed, 1, n, 4), drawn(seed + 1, 1, n) > 0
    present = drawn(seed + 2, 1, n) > -0.3
    prior, variance = drawn(seed + 3, 4), drawn(seed + 4, 4).exp()
    here = present[0]
    padded = logistic_weights(x, y, present, prior, variance, 5)[0]
    torch.testing.assert_close(padded, fitted(x[0, here], y[0, here], prior, variance, 5))


def test_without_examples_the_prior_answers_and_one_label_moves_it() -> None:
    learner = LogisticPrior(3)
    none = torch.zeros(0, 3), torch.zeros(0, dtype=torch.bool)
    assert learner.score(learner.adapt(*none), torch.eye(3)).tolist() == [0.5, 0.5, 0.5]
    with torch.no_grad():
        learner.prior.copy_(torch.tensor([1.0, -1.0, 0.0, 0.0]))
    assert torch.equal(learner.adapt(*none).state, learner.prior)
    before = learner.score(learner.adapt(*none), torch.eye(3))
    after = learner.score(learner.adapt(torch.eye(3)[1:2], torch.tensor([True])), torch.eye(3))
    assert after[1] > before[1]


def test_no_step_at_all_is_refused() -> None:
    with pytest.raises(SupportError, match="at least 1 Newton step, got 0"):
        LogisticPrior(3, steps=0)
