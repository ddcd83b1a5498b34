"""Shrinkage: one Gaussian posterior against the textbook's formulas, and what its trust can say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import multivariate_normal
from torch import Tensor

from model.learners.shrinkage import MIN_NOISE, Shrinkage, gaussian_posterior

seeds = st.integers(0, 10_000)


def problem(n: int, p: int, seed: int) -> tuple[NDArray[np.float64], ...]:
    """X (n, p), y (n,), m (p,), v (p,) and the noise variance (1,)."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, p)), rng.choice([-1.0, 1.0], n)
    return x, y, rng.standard_normal(p), rng.uniform(0.1, 2, p), rng.uniform(0.05, 1, 1)


def batched(*arrays: NDArray[np.float64]) -> list[Tensor]:
    return [torch.from_numpy(a)[None] for a in arrays]


def solve(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    m: NDArray[np.float64],
    v: NDArray[np.float64],
    noise: NDArray[np.float64],
) -> tuple[Tensor, Tensor]:
    xs, ys, ms, vs = batched(x, y, m, v)
    present = torch.ones(1, len(x), dtype=torch.bool)
    found, evidence = gaussian_posterior(xs, ys, present, ms, vs, torch.from_numpy(noise))
    return found[0], evidence[0]


@given(n=st.integers(1, 12), p=st.integers(1, 9), seed=seeds)
def test_the_posterior_is_the_direct_formula_in_weight_space(n: int, p: int, seed: int) -> None:
    x, y, m, v, noise = problem(n, p, seed)
    found, _ = solve(x, y, m, v, noise)
    # Rasmussen and Williams 2006, equation 2.8, with a prior mean: precisions add.
    precision = x.T @ x / noise + np.diag(1 / v)
    expected = np.linalg.inv(precision) @ (x.T @ y / noise + m / v)
    np.testing.assert_allclose(found, expected, atol=1e-8)


@given(n=st.integers(1, 12), p=st.integers(1, 9), seed=seeds)
def test_the_evidence_is_a_gaussian_density(n: int, p: int, seed: int) -> None:
    x, y, m, v, noise = problem(n, p, seed)
    _, evidence = solve(x, y, m, v, noise)
    covariance = (x * v) @ x.T + noise * np.eye(n)
    expected = multivariate_normal.logpdf(y, x @ m, covariance)
    np.testing.assert_allclose(evidence, expected, atol=1e-8)


@given(n=st.integers(2, 12), p=st.integers(1, 9), seed=seeds)
def test_one_picture_after_the_other_ends_at_the_same_posterior(n: int, p: int, seed: int) -> None:
    x, y, m, v, noise = problem(n, p, seed)
    found, evidence = solve(x, y, m, v, noise)
    # Kalman's filter: a rank-one update for each picture, its own density for the evidence.
    mean, covariance, total = m, np.diag(v), 0.0
    for row, target in zip(x, y, strict=True):
        spread = row @ covariance @ row + noise[0]
        error = target - row @ mean
        total += -0.5 * (error**2 / spread + np.log(2 * np.pi * spread))
        gain = covariance @ row / spread
        mean = mean + gain * error
        covariance = covariance - np.outer(gain, row @ covariance)
    np.testing.assert_allclose(found, mean, atol=1e-8)
    np.testing.assert_allclose(evidence, total, atol=1e-8)


def test_padding_and_no_examples_leave_the_prior_alone() -> None:
    x, y, m, v, noise = problem(3, 4, 1)
    xs, ys, ms, vs = batched(x, y, m, v)
    absent = torch.zeros(1, 3, dtype=torch.bool)
    found, evidence = gaussian_posterior(xs, ys, absent, ms, vs, torch.from_numpy(noise))
    assert torch.equal(found, ms)
    assert evidence.item() == 0


def test_gradients_of_the_posterior_are_right() -> None:
    x, y, m, v, noise = problem(4, 3, 2)
    inputs = [t.requires_grad_() for t in (*batched(x, y, m, v), torch.from_numpy(noise))]
    present = torch.tensor([[True, True, False, True]])

    def both(x: Tensor, y: Tensor, m: Tensor, v: Tensor, s: Tensor) -> tuple[Tensor, ...]:
        return gaussian_posterior(x, y, present, m, v, s)

    assert torch.autograd.gradcheck(both, tuple(inputs))


def opinionated(seed: int = 0, dim: int = 3) -> Shrinkage:
    """A learner in double precision whose every parameter says something."""
    torch.manual_seed(seed)
    learner = Shrinkage(dim).double()
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return learner


@pytest.mark.parametrize("labels", [[True, False, True], [True, True, True], []])
def test_gradients_of_the_learner_are_right(labels: list[bool]) -> None:
    learner = opinionated()
    n = len(labels)
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(1, n, 3, generator=generator, dtype=torch.double, requires_grad=True)
    y, present = torch.tensor([labels], dtype=torch.bool), torch.ones(1, n, dtype=torch.bool)
    names = [name for name, _ in learner.named_parameters()]

    def head(x: Tensor, *values: Tensor) -> Tensor:
        given = dict(zip(names, values, strict=True))
        return torch.func.functional_call(learner, given, (x, y, present))

    learner.forward = learner.fit_batch  # type: ignore[method-assign]
    assert torch.autograd.gradcheck(head, (x, *learner.parameters()))


@given(n=st.integers(1, 8), seed=seeds)
def test_untrained_it_is_the_posterior_of_its_base_prior(n: int, seed: int) -> None:
    learner = Shrinkage(4)
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, 4)), rng.random(n) < 0.5
    state = learner.adapt(torch.from_numpy(x).float(), torch.from_numpy(y)).state
    bare = np.c_[x, np.ones(n)]
    target = np.where(y, 1.0, -1.0)
    expected = 4 * np.linalg.solve(bare.T @ bare + (0.1 + MIN_NOISE) * np.eye(5), bare.T @ target)
    np.testing.assert_allclose(state, expected, atol=5e-4)


def test_an_untrained_learner_says_half_where_it_knows_nothing() -> None:
    learner = Shrinkage(4)
    head = learner.adapt(torch.zeros(0, 4), torch.zeros(0, dtype=torch.bool))
    assert learner.score(head, torch.eye(4)).tolist() == [0.5] * 4


def test_an_empty_support_answers_with_the_prior_mean_to_scale() -> None:
    learner = opinionated(7).float()
    state = learner.adapt(torch.zeros(0, 3), torch.zeros(0, dtype=torch.bool)).state
    # All but the bias, which is shifted, points as the prior mean does.
    ratio = state[:-1] / learner.mean[:-1].detach()
    torch.testing.assert_close(ratio, ratio[:1].expand(3))


def test_the_trust_can_tell_a_prior_that_is_contradicted() -> None:
    learner = Shrinkage(2)
    with torch.no_grad():
        learner.mean.copy_(torch.tensor([1.0, 0.0, 0.0]))
        # Only the error on placeholders counts: the more of it, the less of the prior mean.
        first, _, last = learner.trust
        first.weight.zero_()
        first.bias.zero_()
        first.weight[0, 4] = 1
        last.weight[0, 0] = -1
    queries, one = torch.eye(2), torch.tensor([True])
    right = learner.adapt(torch.tensor([[1.0, 0.0]]), one)
    wrong = learner.adapt(torch.tensor([[-1.0, 0.0]]), one)
    # The prior mean alone: log(1 + 0) and log(1 + 4) of its squared error, through tanh.
    kept = 1 - np.tanh(np.log1p(4.0))
    moved = 2 / (2 + 0.1 + MIN_NOISE)  # of the residual, along the picture and the bias alike
    expected = 4 * (kept - (1 + kept) * moved / 2)
    assert right.state[0].item() == pytest.approx(4, rel=1e-4)
    assert wrong.state[0].item() == pytest.approx(expected, rel=1e-3)
    assert learner.score(right, queries)[0] > learner.score(wrong, queries)[0]


def test_the_same_trust_is_meta_learned_for_all_tasks() -> None:
    """Tasks whose labels disagree with half the prior: training widens what turns around."""
    torch.manual_seed(0)
    learner = Shrinkage(2)
    optimiser = torch.optim.Adam(learner.parameters(), lr=0.05)
    generator = torch.Generator().manual_seed(0)
    # Feature 0 always means "placeholder", feature 1 as often the one as the other.
    for _ in range(150):
        turn = torch.randint(0, 2, (16, 1, 1), generator=generator) * 2 - 1
        x = torch.randn(16, 12, 2, generator=generator)
        weight = torch.cat([torch.full((16, 1, 1), 2.0), 2.0 * turn], dim=-1)
        y = (x * weight).sum(-1) > 0
        present = torch.ones(16, 6, dtype=torch.bool)
        states = learner.fit_batch(x[:, :6], y[:, :6], present)
        logits = learner.logits(states, x[:, 6:])
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, y[:, 6:].float())
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    mean, scale = learner.mean.detach(), learner.log_scale.detach()
    assert mean[0] > 3 * mean[1].abs()
    assert scale[1] > scale[0]
