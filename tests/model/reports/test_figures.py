"""Figures of methods whose quality is known beforehand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from model import metrics
from model.calibration import expected_calibration_error
from model.reports.few_shot import Answers
from model.reports.figures import few_shot_figures, zero_shot_figures


def _zero_shot() -> tuple[dict[str, np.ndarray], np.ndarray, list[str], list[str]]:
    rng = np.random.default_rng(0)
    label = np.arange(300) < 60
    kinds = [("text" if i % 3 else "logo") if i < 60 else "" for i in range(300)]
    tags = ["" if i < 60 or i % 4 else "blank-solid" for i in range(300)]
    said = {
        "perfect": np.where(label, 0.99, 0.01),
        "fair": np.clip(rng.normal(0.35 + 0.4 * label, 0.2), 0, 1),
        "coin": np.full(300, 0.2),
    }
    # The fair one never finds a logo.
    said["fair"][[k == "logo" for k in kinds]] = 0.0
    return said, label, kinds, tags


def test_zero_shot_figures() -> None:
    said, label, kinds, tags = _zero_shot()
    found = zero_shot_figures(said, label, kinds, tags, seed=1, against="fair", resamples=200)
    assert (found["standins"], found["real"]) == (60, 240)
    assert found["resolves"] == {"0.01": True, "0.001": False}
    perfect, fair, coin = (found["methods"][m] for m in ("perfect", "fair", "coin"))
    assert perfect["auroc"] == {"estimate": 1.0, "low": 1.0, "high": 1.0, "n": 300}
    assert perfect["recall_at_0.001"]["estimate"] == 1.0
    assert coin["auroc"]["estimate"] == 0.5
    assert coin["recall_at_0.01"]["estimate"] == 0.0
    assert coin["thresholds"]["far_0.01"] is None  # nothing may be called
    assert coin["calibration_error"] == pytest.approx(0.0)  # a fifth are stand-ins, as it says
    assert fair["auroc"]["estimate"] == pytest.approx(metrics.auroc(said["fair"], label))
    assert fair["auroc"]["low"] < fair["auroc"]["estimate"] < fair["auroc"]["high"]
    assert fair["kinds"]["logo"]["p_0.5"]["estimate"] == 0.0
    assert fair["kinds"]["text"]["p_0.5"] == {
        **fair["kinds"]["text"]["p_0.5"],
        "estimate": float((said["fair"][:60][[k == "text" for k in kinds[:60]]] >= 0.5).mean()),
        "n": 40,
    }
    assert list(fair["hardtags"]) == ["blank-solid"]
    assert fair["hardtags"]["blank-solid"]["p_0.5"]["n"] == 60
    assert set(found["differences"]) == {"perfect", "coin"}
    gap = found["differences"]["perfect"]["auroc"]
    assert gap["estimate"] == pytest.approx(1 - fair["auroc"]["estimate"])
    assert gap["low"] > 0
    json.dumps(found, allow_nan=False)


def test_the_thinned_roc_has_the_same_area() -> None:
    said, label, kinds, tags = _zero_shot()
    found = zero_shot_figures(said, label, kinds, tags, seed=1, against=None, resamples=20)
    for name, figures in found["methods"].items():
        curve = figures["roc"]
        area = np.trapezoid(curve["recall"], curve["false_alarms"])
        assert area == pytest.approx(metrics.auroc(said[name], label), abs=1e-4)
    assert len(found["methods"]["perfect"]["roc"]["recall"]) == 3


def _answers(seed: int = 0, episodes: int = 30) -> Answers:
    rng = np.random.default_rng(seed)
    label = np.tile(np.arange(12) < 5, (episodes, 1))
    fair = np.clip(rng.normal(0.4 + 0.25 * label, 0.2), 0, 1)
    fair[::2, -2:] = np.nan  # half of the episodes have two queries fewer
    perfect = np.where(np.isnan(fair), np.nan, np.where(label, 0.97, 0.02))
    return Answers(
        {"perfect": perfect, "fair": fair}, label, [f"goods {i % 3}" for i in range(episodes)]
    )


def test_few_shot_figures() -> None:
    answers = _answers()
    found = few_shot_figures([answers], seed=0, against="fair", resamples=100)
    assert found["episodes"] == 30
    assert found["subjects"] == ["goods 0", "goods 1", "goods 2"]
    perfect, fair = found["methods"]["perfect"], found["methods"]["fair"]
    assert perfect["accuracy"] == {"estimate": 1.0, "low": 1.0, "high": 1.0, "n": 30}
    assert perfect["recall_at_0.01"]["estimate"] == 1.0
    each = [
        metrics.auroc(p[~np.isnan(p)], y[~np.isnan(p)])
        for p, y in zip(answers.probabilities["fair"], answers.is_placeholder, strict=True)
    ]
    assert fair["auroc"]["estimate"] == pytest.approx(np.mean(each))
    p, y = answers.probabilities["fair"].ravel(), answers.is_placeholder.ravel()
    asked = ~np.isnan(p)
    assert fair["calibration_error"]["estimate"] == pytest.approx(
        expected_calibration_error(p[asked], y[asked])
    )
    assert fair["recall_at_0.01"]["estimate"] == pytest.approx(
        metrics.recall_at_false_alarms(p[asked], y[asked], 0.01)
    )
    low, high = fair["recall_at_0.01"]["low"], fair["recall_at_0.01"]["high"]
    assert 0 <= low <= fair["recall_at_0.01"]["estimate"] <= high + 1e-12
    gap = found["differences"]["perfect"]["auroc"]
    assert gap["low"] > 0
    assert gap["estimate"] == pytest.approx(1 - np.mean(each))
    json.dumps(found, allow_nan=False)


def test_conditions_are_pooled_episode_by_episode() -> None:
    one, two = _answers(0, 30), _answers(1, 50)
    both = few_shot_figures([one, two], seed=0, against=None, resamples=20)
    alone = [few_shot_figures([a], seed=0, against=None, resamples=20) for a in (one, two)]
    means = [a["methods"]["fair"]["accuracy"]["estimate"] for a in alone]
    assert both["episodes"] == 80
    assert both["methods"]["fair"]["accuracy"]["estimate"] == pytest.approx(
        (30 * means[0] + 50 * means[1]) / 80
    )
    assert both["differences"] == {}
