"""Figures of a condition: against scikit-learn, and against resampling done the long way."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from model.errors import MetricError
from model.metrics import recall_at_false_alarms
from model.reports.bakeoff.figures import condition_figures, resampled
from model.reports.few_shot import Answers


def answers(episodes: int, seed: int, names: tuple[str, ...] = ("ours", "theirs")) -> Answers:
    """Noisy scores; the last queries of every third episode are missing; ours are better."""
    rng = np.random.default_rng(seed)
    label = rng.random((episodes, 12)) < 0.5
    label[:, 0], label[:, 1] = True, False
    found = {}
    for place, name in enumerate(names):
        noise = rng.standard_normal(label.shape) * (1 + place)
        p = 1 / (1 + np.exp(-(2.0 * label - 1 + noise)))
        p = np.round(p, 2).clip(0.01, 0.99)  # ties
        p[::3, 9:] = np.nan
        found[name] = p
    label[::3, 9:] = False
    return Answers(found, label, [f"subject {i % 4}" for i in range(episodes)])


def queries(answer: Answers, name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    return [
        (p[~np.isnan(p)], label[~np.isnan(p)])
        for p, label in zip(answer.probabilities[name], answer.is_placeholder, strict=True)
    ]


def expected_calibration_error(p: np.ndarray, label: np.ndarray) -> float:
    place = np.minimum((p * 15).astype(int), 14)
    gaps = [
        abs(p[place == b].mean() - label[place == b].mean()) * (place == b).sum()
        for b in range(15)
        if (place == b).any()
    ]
    return float(np.sum(gaps) / len(p))


def test_estimates_are_those_of_other_implementations() -> None:
    answer = answers(40, 0)
    found = condition_figures([answer], seed=1, against="ours", resamples=20)
    assert found["episodes"] == 40
    for name in ("ours", "theirs"):
        each = queries(answer, name)
        p = np.concatenate([p for p, _ in each])
        label = np.concatenate([label for _, label in each])
        expected = {
            "accuracy": np.mean([((p >= 0.5) == label).mean() for p, label in each]),
            "auroc": np.mean([roc_auc_score(label, p) for p, label in each]),
            "log_loss": np.mean([log_loss(label, p, labels=[False, True]) for p, label in each]),
            "recall": recall_at_false_alarms(p, label, 0.001),
            "calibration_error": expected_calibration_error(p, label),
        }
        for metric, value in expected.items():
            got = found["methods"][name][metric]
            assert got["estimate"] == pytest.approx(value, abs=1e-9), (name, metric)
            assert got["low"] <= got["high"]


def test_intervals_and_differences_are_those_of_resampling_whole_episodes_together() -> None:
    parts = [answers(15, 3), answers(9, 4)]
    found = condition_figures(parts, seed=5, against="ours", resamples=80)
    weights = resampled([15, 9], 80, np.random.default_rng(5)).astype(int)
    assert (weights[:, :15].sum(1) == 15).all()
    assert (weights[:, 15:].sum(1) == 9).all()
    per_episode = {
        name: [pair for part in parts for pair in queries(part, name)]
        for name in ("ours", "theirs")
    }
    drawn: dict[str, dict[str, list[float]]] = {
        name: {"auroc": [], "recall": [], "calibration_error": []} for name in per_episode
    }
    for row in weights:
        for name, each in per_episode.items():
            # The long way: every chosen episode is written down as often as it was drawn.
            chosen = [each[i] for i in np.repeat(np.arange(24), row)]
            p = np.concatenate([p for p, _ in chosen])
            label = np.concatenate([label for _, label in chosen])
            drawn[name]["auroc"].append(float(np.mean([roc_auc_score(y, s) for s, y in chosen])))
            drawn[name]["recall"].append(recall_at_false_alarms(p, label, 0.001))
            drawn[name]["calibration_error"].append(expected_calibration_error(p, label))
    for metric in ("auroc", "recall", "calibration_error"):
        ours, theirs = (np.array(drawn[name][metric]) for name in ("ours", "theirs"))
        low, high = np.percentile(theirs, [2.5, 97.5])
        got = found["methods"]["theirs"][metric]
        assert (got["low"], got["high"]) == pytest.approx((low, high), abs=1e-9)
        low, high = np.percentile(theirs - ours, [2.5, 97.5])
        got = found["differences"]["theirs"][metric]
        assert (got["low"], got["high"]) == pytest.approx((low, high), abs=1e-9)
    assert "ours" not in found["differences"]


def test_a_paired_difference_is_surer_than_the_methods_are() -> None:
    """What makes an episode hard for both cancels."""
    one = answers(60, 7, ("ours",))
    p = one.probabilities["ours"]
    shifted = np.where(np.isnan(p), np.nan, (p - 0.005).clip(0.001, 0.999))
    both = Answers({"ours": p, "theirs": shifted}, one.is_placeholder, one.subjects)
    found = condition_figures([both], seed=0, against="ours", resamples=200)
    own = found["methods"]["theirs"]["log_loss"]
    paired = found["differences"]["theirs"]["log_loss"]
    assert paired["high"] - paired["low"] < 0.1 * (own["high"] - own["low"])


def test_parts_of_different_methods_are_refused() -> None:
    with pytest.raises(MetricError, match="same methods"):
        condition_figures([answers(4, 0), answers(4, 0, ("ours",))], seed=0, against="ours")
    with pytest.raises(MetricError, match="'nobody'"):
        condition_figures([answers(4, 0)], seed=0, against="nobody")
