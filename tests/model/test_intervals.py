"""Intervals against scipy, scikit-learn on explicit resamples, and their own coverage."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from model import intervals, metrics
from model.errors import MetricError


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=50), st.sampled_from([0.9, 0.95]))
def test_mean_interval_agrees_with_scipy(values: list[float], level: float) -> None:
    data = np.array(values)
    got = intervals.mean_interval(data, level)
    scale = scipy.stats.sem(data)
    expected = scipy.stats.norm.interval(level, loc=data.mean(), scale=scale or 1e-300)
    assert (got.low, got.high) == pytest.approx(expected, abs=1e-9)
    assert got.n == len(values)


def test_paired_difference_is_narrower_than_the_two_apart() -> None:
    rng = np.random.default_rng(0)
    hardness = rng.normal(size=200)  # shared: some episodes are hard for everyone
    ours, theirs = hardness + 0.1, hardness + 0.01 * rng.normal(size=200)
    got = intervals.difference_interval(ours, theirs)
    assert got.excludes_zero
    alone = intervals.mean_interval(ours)
    assert got.high - got.low < 0.1 * (alone.high - alone.low)


@given(st.integers(1, 400), st.data())
def test_wilson_agrees_with_scipy(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    got = intervals.proportion_interval(hits, n)
    expected = scipy.stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert (got.low, got.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= got.low <= got.estimate <= got.high <= 1


def test_wilson_covers_the_truth_about_as_often_as_it_says() -> None:
    # Exact: the chance that the interval of a Binomial(60, 0.9) draw holds 0.9.
    n, truth = 60, 0.9
    chance = scipy.stats.binom.pmf(np.arange(n + 1), n, truth)
    found = [intervals.proportion_interval(k, n) for k in range(n + 1)]
    coverage = sum(c for c, i in zip(chance, found, strict=True) if i.low <= truth <= i.high)
    assert 0.92 < coverage < 0.98


def _toy() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    label = np.arange(300) % 5 == 0
    good = np.round(rng.normal(size=300) + 2 * label, 1)
    return good, np.round(good + rng.normal(size=300), 1), label


def test_bootstrap_of_auroc_agrees_with_delong_in_width() -> None:
    good, _, label = _toy()
    got = intervals.bootstrap_ranking(
        {"good": good},
        label,
        metrics.auroc_of,
        generator=np.random.default_rng(1),
        resamples=4000,
    )["good"]
    # DeLong et al. 1988: variance from each picture's mean rank among the other label's.
    wins = (good[label][:, None] > good[~label]) + (good[label][:, None] == good[~label]) / 2
    variance = wins.mean(1).var(ddof=1) / label.sum() + wins.mean(0).var(ddof=1) / (~label).sum()
    assert got.estimate == pytest.approx(sklearn.metrics.roc_auc_score(label, good))
    assert got.high - got.low == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.1)


def test_each_resample_is_what_repeating_pictures_gives() -> None:
    good, _, label = _toy()
    counts = np.zeros((1, 300), dtype=np.int64)
    rng = np.random.default_rng(5)
    picked = rng.integers(300, size=300)
    np.add.at(counts[0], picked, 1)
    counted = intervals._tally_rows(good, label, counts)
    for of, plain in (
        (metrics.auroc_of, metrics.auroc),
        (metrics.average_precision_of, metrics.average_precision),
        (
            lambda t: metrics.recall_at_false_alarms_of(t, 0.05),
            lambda s, y: metrics.recall_at_false_alarms(s, y, 0.05),
        ),
    ):
        assert of(counted)[0] == pytest.approx(plain(good[picked], label[picked]))


def test_bootstrap_is_paired_and_seeded() -> None:
    good, worse, label = _toy()
    both = {"good": good, "same": good.copy(), "worse": worse}
    first, second = (
        intervals.bootstrap_ranking(
            both,
            label,
            metrics.auroc_of,
            generator=np.random.default_rng(2),
            resamples=300,
            against="worse",
        )
        for _ in range(2)
    )
    assert first == second
    assert first["good"] == first["same"]
    assert first["good"].excludes_zero
    assert "worse" not in first


def test_impossible_inputs_are_refused() -> None:
    with pytest.raises(MetricError, match="at least two"):
        intervals.mean_interval(np.array([1.0]))
    with pytest.raises(MetricError, match="NaN"):
        intervals.mean_interval(np.array([1.0, np.nan]))
    with pytest.raises(MetricError, match="3 of 2"):
        intervals.proportion_interval(3, 2)
    with pytest.raises(MetricError, match="level"):
        intervals.mean_interval(np.zeros(3), level=95.0)
    with pytest.raises(MetricError, match="compare"):
        intervals.bootstrap_ranking(
            {"a": np.zeros(2)},
            np.array([True, False]),
            metrics.auroc_of,
            generator=np.random.default_rng(0),
            against="b",
        )
