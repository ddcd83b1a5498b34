"""Calibration against closed forms, a plain loop and scikit-learn's fits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from model import calibration
from model.errors import MetricError
from model.metrics import log_loss


def _drawn(seed: int, n: int = 500) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=n) * 2
    return logits, rng.random(n) < calibration.sigmoid(1.7 * logits - 0.4)


@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_equal_width_bins_agree_with_scikit_learn(seed: int, bins: int) -> None:
    logits, label = _drawn(seed, 200)
    p = calibration.sigmoid(logits)
    got = calibration.reliability(p, label, bins)
    observed, predicted = calibration_curve(label, p, n_bins=bins)
    np.testing.assert_allclose(got.observed, observed)
    np.testing.assert_allclose(got.predicted, predicted)
    assert got.count.sum() == 200


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=80))
def test_error_in_a_plain_loop(pairs: list[tuple[int, bool]]) -> None:
    p = np.array([a for a, _ in pairs]) / 8
    label = np.array([b for _, b in pairs])
    for binning in ("width", "mass"):
        edges = calibration.bin_edges(p, 15, binning)
        total = 0.0
        for i, (low, high) in enumerate(itertools.pairwise(edges)):
            last = i == len(edges) - 2
            inside = (p >= low) & ((p <= high) if last else (p < high))
            if inside.any():
                total += inside.sum() * abs(p[inside].mean() - label[inside].mean())
        got = calibration.expected_calibration_error(p, label, 15, binning)
        assert got == pytest.approx(total / len(p))


def test_closed_forms() -> None:
    label = np.array([True, True, False, False])
    assert calibration.expected_calibration_error(label.astype(float), label) == 0
    assert calibration.expected_calibration_error(1 - label.astype(float), label) == 1
    # Always saying one half is calibrated where half are stand-ins.
    assert calibration.expected_calibration_error(np.full(4, 0.5), label) == 0
    three = np.array([True, True, True, False])
    assert calibration.expected_calibration_error(np.full(4, 0.5), three) == pytest.approx(0.25)


def test_equal_mass_bins_hold_equal_numbers() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(1500) ** 4
    got = calibration.reliability(p, rng.random(1500) < p, 15, "mass")
    assert len(got.count) == 15
    assert got.count.max() - got.count.min() <= 2


@given(st.integers(0, 2**32 - 1))
def test_order_of_pictures_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, label = rng.integers(0, 12, 60) / 12, rng.random(60) < 0.4
    order = rng.permutation(60)
    for binning in ("width", "mass"):
        assert calibration.expected_calibration_error(
            p[order], label[order], 7, binning
        ) == pytest.approx(calibration.expected_calibration_error(p, label, 7, binning))


def test_pooling_over_episodes_is_the_error_of_all_queries() -> None:
    rng = np.random.default_rng(4)
    edges = calibration.bin_edges(np.zeros(0), 15, "width")
    p = rng.random((40, 30))
    label = rng.random((40, 30)) < p**2
    sums = np.stack([calibration.bin_sums(a, b, edges) for a, b in zip(p, label, strict=True)])
    got = calibration.pooled_calibration_error(sums, generator=np.random.default_rng(0))
    whole = calibration.expected_calibration_error(p.ravel(), label.ravel())
    assert got.estimate == pytest.approx(whole)
    assert got.low < got.estimate < got.high
    assert got.n == 40


@given(st.integers(0, 2**32 - 1))
def test_platt_agrees_with_unpenalised_logistic_regression(seed: int) -> None:
    logits, label = _drawn(seed)
    got = calibration.fit_platt(logits, label, smooth=False)
    expected = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    try:
        expected.fit(logits[:, None], label)
    except ConvergenceWarning:  # a line search that ends early says nothing about either
        reject()
    assert got.slope == pytest.approx(expected.coef_.item(), rel=1e-4)
    assert got.offset == pytest.approx(expected.intercept_.item(), abs=1e-4)


@given(st.integers(0, 2**32 - 1))
def test_temperature_agrees_with_regression_through_the_origin(seed: int) -> None:
    logits, label = _drawn(seed)
    got = calibration.fit_temperature(logits, label, smooth=False)
    expected = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000)
    assert 1 / got == pytest.approx(expected.fit(logits[:, None], label).coef_.item(), rel=1e-4)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 20))
def test_temperature_never_raises_the_loss_and_keeps_the_order(seed: int, wrong: float) -> None:
    logits, label = _drawn(seed)
    t = calibration.fit_temperature(logits * wrong, label, smooth=False)
    before = log_loss(calibration.sigmoid(logits * wrong), label, floor=1e-15)
    assert log_loss(calibration.sigmoid(logits * wrong / t), label, floor=1e-15) <= before + 1e-9


def test_separable_logits_need_smoothed_targets() -> None:
    logits, label = np.array([-3.0, -1.0, 1.0, 300.0]), np.array([False, False, True, True])
    got = calibration.fit_platt(logits, label)
    assert np.isfinite([got.slope, got.offset]).all()
    assert got.slope > 0
    with pytest.raises(MetricError, match="separate"):
        calibration.fit_platt(logits, label, smooth=False)
    with pytest.raises(MetricError, match="wrong way"):
        calibration.fit_temperature(-logits, label)


@given(st.floats(-800, 800))
def test_sigmoid_and_logit_are_inverse_within_the_floor(x: float) -> None:
    p = calibration.sigmoid(np.array([x]))
    assert 0 <= p[0] <= 1
    if abs(x) < 15:
        assert calibration.logit(p)[0] == pytest.approx(x, rel=1e-6, abs=1e-9)


def test_impossible_inputs_are_refused() -> None:
    with pytest.raises(MetricError, match="bin"):
        calibration.expected_calibration_error(np.array([0.5]), np.array([True]), bins=0)
    with pytest.raises(MetricError, match="2 stand-ins and 0 real"):
        calibration.fit_platt(np.array([0.5, 1.0]), np.array([True, True]))
