"""The baselines against scikit-learn and scipy, and what they promise at the edges."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from model.calibration import sigmoid
from model.errors import MetricError, SupportError
from model.reports.baselines import (
    PlainLogistic,
    PulledLogistic,
    Scaling,
    ZeroShot,
    fit_around,
    fit_zero_shot,
    with_bias,
)


def _rows(seed: int, n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x.astype(np.float32), x[:, 0] + 0.3 * rng.standard_normal(n) > 0


def _prior(d: int, seed: int = 0) -> ZeroShot:
    rng = np.random.default_rng(seed)
    scaling = Scaling.of(np.zeros((1, d)), standardise=False)
    return ZeroShot(rng.standard_normal(d), 0.4, scaling, 1.0, False, {})


@given(
    st.integers(0, 10**6),
    st.integers(1, 20),
    st.integers(1, 12),
    st.sampled_from([0.1, 3.0, 100.0]),
)
def test_fit_around_is_the_minimum_that_scipy_finds(
    seed: int, n: int, d: int, penalty: float
) -> None:
    x, label = _rows(seed, n, d)
    x64 = x.astype(np.float64)
    offset = np.random.default_rng(seed).standard_normal(n) * 3

    def loss(v: np.ndarray) -> tuple[float, np.ndarray]:
        z = offset + x64 @ v
        value = (np.logaddexp(0, z) - label * z).sum() + v @ v / (2 * penalty)
        return value, x64.T @ (sigmoid(z) - label) + v / penalty

    def curvature(v: np.ndarray) -> np.ndarray:
        p = sigmoid(offset + x64 @ v)
        return (x64 * (p * (1 - p))[:, None]).T @ x64 + np.eye(d) / penalty

    found = scipy.optimize.minimize(
        loss, np.zeros(d), jac=True, hess=curvature, method="trust-exact", options={"gtol": 1e-9}
    )
    np.testing.assert_allclose(fit_around(offset, x64, label, penalty), found.x, atol=1e-5)


def test_fit_around_nothing_is_scikit_learns_regression() -> None:
    x, label = _rows(1, 40, 8)
    got = fit_around(np.zeros(40), x.astype(np.float64), label, 7.0)
    expected = LogisticRegression(C=7.0, fit_intercept=False, tol=1e-10, max_iter=1000)
    np.testing.assert_allclose(got, expected.fit(x.astype(float), label).coef_[0], atol=1e-3)


def test_the_same_picture_twice_is_no_obstacle() -> None:
    x, label = _rows(2, 5, 4)
    twice = fit_around(np.zeros(10), np.tile(x, (2, 1)).astype(float), np.tile(label, 2), 1.0)
    once = fit_around(np.zeros(5), x.astype(float), label, 2.0)
    np.testing.assert_allclose(twice, once, atol=1e-6)


def test_pulled_is_the_prior_without_support_and_with_no_freedom() -> None:
    prior, (x, label), (queries, _) = _prior(6), _rows(3, 8, 6), _rows(4, 10, 6)
    identity = prior.scaling
    free = PulledLogistic(prior, identity, 10.0)
    np.testing.assert_array_equal(
        free.answer(x[:0], label[:0], queries), prior.probabilities(queries)
    )
    tight = PulledLogistic(prior, identity, 1e-9)
    np.testing.assert_allclose(
        tight.answer(x, label, queries), prior.probabilities(queries), atol=1e-6
    )
    assert np.abs(free.answer(x, label, queries) - prior.probabilities(queries)).max() > 0.05


@pytest.mark.parametrize("label", [True, False])
def test_pulled_learns_from_one_label_and_plain_leaves_it_to_the_prior(label: bool) -> None:
    prior, (x, _), (queries, _) = _prior(6), _rows(3, 3, 6), _rows(4, 10, 6)
    said = np.full(3, label)
    pulled = PulledLogistic(prior, prior.scaling, 10.0).answer(x, said, queries)
    moved = pulled.mean() - prior.probabilities(queries).mean()
    assert moved > 0 if label else moved < 0
    plain = PlainLogistic(prior, prior.scaling, 10.0).answer(x, said, queries)
    np.testing.assert_array_equal(plain, prior.probabilities(queries))


def test_plain_is_scikit_learn_on_scaled_features() -> None:
    (x, label), (queries, _) = _rows(5, 30, 6), _rows(6, 10, 6)
    scaling = Scaling.of(x, standardise=True)
    got = PlainLogistic(_prior(6), scaling, 3.0).answer(x, label, queries)
    z, q = (x - x.mean(0)) / x.std(0), (queries - x.mean(0)) / x.std(0)
    expected = LogisticRegression(C=3.0, max_iter=5000).fit(z, label).predict_proba(q)[:, 1]
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_zero_shot_takes_the_least_loss_over_left_out_groups() -> None:
    x, label = _rows(7, 400, 10)
    groups = [f"shop {i % 10}" for i in range(400)]
    found = fit_zero_shot(x, label, groups)
    best = min(found.tried, key=lambda name: found.tried[name])
    scaled = ", standardised" if found.standardised else ""
    assert best == f"C={found.penalty:g}{scaled}"
    p = found.probabilities(x)
    assert ((p > 0.5) == label).mean() > 0.75
    np.testing.assert_allclose(
        with_bias(found.scaling.apply(x)) @ np.append(found.weight, found.bias), found.logits(x)
    )


def test_what_cannot_be_fitted_is_refused() -> None:
    x, label = _rows(8, 20, 4)
    with pytest.raises(MetricError, match="5 folds"):
        fit_zero_shot(x, label, ["one shop"] * 20)
    with pytest.raises(MetricError, match="both labels"):
        fit_zero_shot(x, np.ones(20, bool), [str(i) for i in range(20)])
    with pytest.raises(SupportError, match="penalty"):
        fit_around(np.zeros(20), x.astype(float), label, 0.0)
