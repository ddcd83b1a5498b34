"""Metrics against closed forms, brute force and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from model import metrics
from model.errors import MetricError


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores in [0, 1] with many ties, and labels of both sorts."""
    label = np.array(
        draw(st.permutations([True, False, *draw(st.lists(st.booleans(), max_size=60))]))
    )
    # Sixteenths: exact in floating point, and few enough that ties are common.
    score = draw(st.lists(st.integers(0, 16), min_size=len(label), max_size=len(label)))
    return np.array(score) / 16, label


@given(scored())
def test_auroc_is_the_share_of_pairs_in_the_right_order(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    score, label = pair
    wins = [(a > b) + (a == b) / 2 for a in score[label] for b in score[~label]]
    assert metrics.auroc(score, label) == pytest.approx(np.mean(wins))
    assert metrics.auroc(score, label) == pytest.approx(sklearn.metrics.roc_auc_score(label, score))


@given(scored())
def test_average_precision_agrees_with_scikit_learn(pair: tuple[np.ndarray, np.ndarray]) -> None:
    score, label = pair
    expected = sklearn.metrics.average_precision_score(label, score)
    assert metrics.average_precision(score, label) == pytest.approx(expected)


@given(scored(), st.sampled_from([0.0, 0.001, 0.01, 0.1, 0.25, 0.5, 1.0]))
def test_recall_at_false_alarms_is_the_best_of_all_thresholds(
    pair: tuple[np.ndarray, np.ndarray], target: float
) -> None:
    score, label = pair
    best = 0.0
    for threshold in [*score, np.inf]:
        called = score >= threshold
        if called[~label].mean() <= target + 1e-12:
            best = max(best, called[label].mean())
    assert metrics.recall_at_false_alarms(score, label, target) == pytest.approx(best)
    threshold = metrics.threshold_at_false_alarms(score, label, target)
    there = metrics.decide(score, label, threshold)
    assert there.recall == pytest.approx(best)
    assert there.false_alarm_rate <= target + 1e-12


def test_recall_with_too_few_real_pictures_is_the_recall_at_no_false_alarm() -> None:
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    label = np.array([True, True, False, True, False])
    assert metrics.recall_at_false_alarms(score, label, 0.01) == pytest.approx(2 / 3)
    assert not metrics.resolves(2, 0.01)
    assert metrics.resolves(100, 0.01)
    assert not metrics.resolves(999, 0.001)
    # 0.01 * 300 is 3 only up to rounding; three false alarms must be allowed.
    assert metrics.resolves(300, 0.01)
    many = np.append(np.full(3, 0.9), np.linspace(0, 0.1, 297))
    assert metrics.recall_at_false_alarms(
        np.append(many, 0.5), np.append(np.zeros(300, bool), True), 0.01
    ) == pytest.approx(1.0)


def test_a_tie_with_a_real_picture_at_the_top_finds_nothing() -> None:
    score, label = np.ones(4), np.array([True, False, True, False])
    assert metrics.recall_at_false_alarms(score, label, 0.01) == 0
    assert metrics.threshold_at_false_alarms(score, label, 0.01) == np.inf


@given(scored())
def test_roc_curve_bounds_the_area(pair: tuple[np.ndarray, np.ndarray]) -> None:
    score, label = pair
    alarms, recall = metrics.roc_curve(score, label)
    assert alarms[0] == recall[0] == 0
    assert alarms[-1] == recall[-1] == 1
    assert np.trapezoid(recall, alarms) == pytest.approx(metrics.auroc(score, label))


@given(scored(), st.integers(0, 16))
def test_decisions_agree_with_scikit_learn(
    pair: tuple[np.ndarray, np.ndarray], sixteenths: int
) -> None:
    score, label = pair
    got = metrics.decide(score, label, sixteenths / 16)
    called = score >= sixteenths / 16
    assert got.accuracy == pytest.approx(sklearn.metrics.accuracy_score(label, called))
    assert got.recall == pytest.approx(sklearn.metrics.recall_score(label, called))
    assert got.balanced_accuracy == pytest.approx(
        sklearn.metrics.balanced_accuracy_score(label, called)
    )


def test_decisions_of_one_label_only() -> None:
    got = metrics.decide(np.array([0.2, 0.6]), np.array([False, False]))
    assert got.false_alarm_rate == 0.5
    assert np.isnan(got.recall)


@given(scored())
def test_proper_scores_agree_with_scikit_learn(pair: tuple[np.ndarray, np.ndarray]) -> None:
    p, label = pair
    assert metrics.brier_score(p, label) == pytest.approx(
        sklearn.metrics.brier_score_loss(label, p)
    )
    inside = p * 0.98 + 0.01
    assert metrics.log_loss(inside, label) == pytest.approx(sklearn.metrics.log_loss(label, inside))


def test_log_loss_in_closed_form() -> None:
    label = np.array([True, False])
    assert metrics.log_loss(np.array([0.5, 0.5]), label) == pytest.approx(np.log(2))
    assert metrics.log_loss(np.array([0.0, 1.0]), label, floor=1e-3) == pytest.approx(np.log(1000))


@given(scored(), st.randoms())
def test_order_of_pictures_does_not_matter(
    pair: tuple[np.ndarray, np.ndarray], random: object
) -> None:
    score, label = pair
    order = np.argsort([random.random() for _ in score])  # type: ignore[attr-defined]
    for metric in (metrics.auroc, metrics.average_precision, metrics.brier_score):
        assert metric(score[order], label[order]) == pytest.approx(metric(score, label))


@given(scored())
def test_ranking_metrics_see_only_the_order(pair: tuple[np.ndarray, np.ndarray]) -> None:
    score, label = pair
    stretched = np.exp(3 * score) - 7
    assert metrics.auroc(stretched, label) == pytest.approx(metrics.auroc(score, label))
    assert metrics.average_precision(stretched, label) == pytest.approx(
        metrics.average_precision(score, label)
    )


@pytest.mark.parametrize("metric", [metrics.auroc, metrics.average_precision])
def test_one_label_only_is_refused_with_both_numbers(metric) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MetricError, match="0 stand-ins and 2 real"):
        metric(np.array([0.1, 0.2]), np.array([False, False]))


def test_impossible_inputs_are_refused() -> None:
    both = np.array([True, False])
    with pytest.raises(MetricError, match="NaN"):
        metrics.auroc(np.array([np.nan, 0.2]), both)
    with pytest.raises(MetricError, match="no pictures"):
        metrics.brier_score(np.zeros(0), np.zeros(0, bool))
    with pytest.raises(MetricError, match="shapes"):
        metrics.check_pair(np.zeros(3), both)
    with pytest.raises(MetricError, match=r"\[0, 1\]"):
        metrics.log_loss(np.array([0.0, 1.5]), both)
    with pytest.raises(MetricError, match="rate"):
        metrics.recall_at_false_alarms(np.array([0.0, 0.5]), both, 1.2)
