"""The arithmetic of the default learner against textbook formulas written another way."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from model.learners.prior_mixture import MIN_NOISE, PriorMixture

DIM, COMPONENTS = 5, 3


def learner(seed: int) -> PriorMixture:
    torch.manual_seed(seed)
    made = PriorMixture(DIM, COMPONENTS).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return made


def reference(
    made: PriorMixture, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Posterior mean of each component in the primal (Bishop 2006, eq. 3.50), and evidences."""
    get = {k: v.detach().numpy() for k, v in made.state_dict().items()}
    design = np.hstack([x, np.ones((len(x), 1))])
    means, evidences = [], []
    for k in range(COMPONENTS):
        covariance = np.diag(np.exp(2 * get["log_scale"] + 2 * get["log_width"][k]))
        noise = math.exp(get["log_noise"][k]) + MIN_NOISE
        precision = np.linalg.inv(covariance)
        posterior = np.linalg.inv(precision + design.T @ design / noise)
        means.append(posterior @ (precision @ get["mean"][k] + design.T @ y / noise))
        marginal = design @ covariance @ design.T + noise * np.eye(len(x))
        evidences.append(multivariate_normal(design @ get["mean"][k], marginal).logpdf(y))
    prior = get["log_prior"] - np.log(np.exp(get["log_prior"]).sum())
    joint = prior + np.exp(get["log_temper"]) * np.array(evidences)
    weight = np.exp(joint - joint.max())
    return np.array(means), weight / weight.sum(), joint


@given(n=st.integers(1, 9), seed=st.integers(0, 5000))
def test_the_head_is_the_mean_of_the_posteriors(n: int, seed: int) -> None:
    made = learner(seed)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, DIM))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    is_placeholder = rng.random(n) < 0.5
    means, weight, joint = reference(made, x, np.where(is_placeholder, 1.0, -1.0))
    mass = np.log(np.exp(joint - joint.max()).sum()) + joint.max()
    known = made._known(
        torch.tensor([is_placeholder.sum()]),
        torch.tensor([(~is_placeholder).sum()]),
        torch.from_numpy(weight)[None],
        torch.tensor([mass]),
    )
    gain, shift = made._calibration(known)
    expected = gain.item() * (weight @ means)
    expected[-1] += shift.item()
    with torch.no_grad():
        got = made.fit(torch.from_numpy(x), torch.from_numpy(is_placeholder))
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5, atol=1e-6)


@given(seed=st.integers(0, 5000))
def test_padding_changes_nothing(seed: int) -> None:
    made = learner(seed)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, 7, DIM, generator=generator, dtype=torch.double)
    y = torch.rand(1, 7, generator=generator) < 0.5
    present = torch.tensor([[True, True, False, True, False, True, True]])
    padded = made.fit_batch(x, y, present)[0]
    torch.testing.assert_close(padded, made.fit(x[present], y[present]), rtol=1e-6, atol=1e-8)


def test_an_empty_support_gives_the_mean_of_the_priors() -> None:
    made = learner(1)
    head = made.fit(torch.zeros(0, DIM, dtype=torch.double), torch.zeros(0, dtype=torch.bool))
    mixed = made.log_prior.softmax(0) @ made.mean
    gain = (head[0] / mixed[0]).item()
    torch.testing.assert_close(head[:-1], gain * mixed[:-1])
    assert gain > 0


def test_an_empty_support_gives_the_zero_shot_head_where_there_is_one() -> None:
    made = learner(1)
    head = torch.arange(DIM + 1, dtype=torch.double)
    made.set_zero_shot(head)
    nothing = torch.zeros(0, DIM, dtype=torch.double), torch.zeros(0, dtype=torch.bool)
    assert torch.equal(made.fit(*nothing), head)
    one = made.fit(torch.ones(1, DIM, dtype=torch.double), torch.tensor([True]))
    assert not torch.allclose(one, head)


def test_the_support_says_which_prior_it_was_drawn_from() -> None:
    """Two opposite priors: one example of each label decides between them."""
    made = PriorMixture(DIM, components=2)
    with torch.no_grad():
        made.mean.zero_()
        made.mean[0, 0], made.mean[1, 0] = 1.0, -1.0
        made.log_width.fill_(-2.0)
    x = torch.eye(DIM)[:1]
    ordinary = made.score(made.adapt(x, torch.tensor([True])), x)
    turned = made.score(made.adapt(x, torch.tensor([False])), x)
    assert ordinary.item() > 0.8
    assert turned.item() < 0.2


def test_gradients_reach_every_meta_parameter() -> None:
    made = learner(2)
    x = torch.randn(2, 6, DIM, dtype=torch.double)
    y = torch.tensor([[True, False, True, True, False, False]] * 2)
    made.fit_batch(x, y, torch.ones(2, 6, dtype=torch.bool)).square().sum().backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert bool((parameter.grad != 0).any()), name
        assert bool(torch.isfinite(parameter.grad).all()), name
