"""From answers to figures with intervals, as plain dictionaries that go into one JSON file.

An interval is ``{"estimate": ..., "low": ..., "high": ..., "n": ...}``: 95 %, over n episodes or
pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from model import metrics
from model.calibration import (
    bin_edges,
    bin_sums,
    pooled_calibration_error,
    reliability,
    reliability_of,
)
from model.intervals import (
    Interval,
    bootstrap_ranking,
    difference_interval,
    mean_interval,
    proportion_interval,
)
from model.reports.few_shot import Answers

FALSE_ALARMS = (0.01, 0.001)
BINS = 15
Figures = dict[str, Any]


def as_figure(interval: Interval) -> Figures:
    """An interval for JSON."""
    return asdict(interval)


def zero_shot_figures(
    probabilities: Mapping[str, Float[np.ndarray, " n"]],
    is_standin: Bool[np.ndarray, " n"],
    kinds: Sequence[str],
    hardtags: Sequence[str],
    *,
    seed: int,
    against: str | None,
    resamples: int = 2000,
) -> Figures:
    """Every method's zero-shot figures over the same pictures.

    Args:
        kinds: of each stand-in. hardtags: of each product, empty where it has none.
        against: the method that the paired differences are to.

    Raises:
        MetricError: a label is missing, or a value is no probability.
    """
    rankings: dict[str, Callable[[metrics.Tally], np.ndarray]] = {
        "auroc": metrics.auroc_of,
        "average_precision": metrics.average_precision_of,
        **{
            f"recall_at_{rate:g}": partial(metrics.recall_at_false_alarms_of, target=rate)
            for rate in FALSE_ALARMS
        },
    }
    by_method: dict[str, Figures] = {
        name: _zero_shot_of(p, is_standin, np.array(kinds), np.array(hardtags))
        for name, p in probabilities.items()
    }
    differences: dict[str, Figures] = {name: {} for name in probabilities if name != against}
    for metric, ranking in rankings.items():
        draw = partial(bootstrap_ranking, probabilities, is_standin, ranking, resamples=resamples)
        for name, found in draw(generator=np.random.default_rng(seed)).items():
            by_method[name][metric] = as_figure(found)
        if against is not None:
            paired = draw(generator=np.random.default_rng(seed), against=against)
            for name, found in paired.items():
                differences[name][metric] = as_figure(found)
    real = int((~is_standin).sum())
    return {
        "standins": int(is_standin.sum()),
        "real": real,
        "resolves": {f"{rate:g}": metrics.resolves(real, rate) for rate in FALSE_ALARMS},
        "methods": by_method,
        "against": against,
        "differences": differences,
    }


def _zero_shot_of(
    p: np.ndarray, is_standin: np.ndarray, kinds: np.ndarray, hardtags: np.ndarray
) -> Figures:
    thresholds = {"p_0.5": 0.5} | {
        f"far_{rate:g}": metrics.threshold_at_false_alarms(p, is_standin, rate)
        for rate in FALSE_ALARMS
    }
    decided = metrics.decide(p, is_standin)
    total = decided.standins + decided.real
    right = decided.standins_called + decided.real - decided.real_called
    curve = reliability(p, is_standin, BINS, "width")
    even = reliability(p, is_standin, BINS, "mass")
    alarms, recall = metrics.roc_curve(p, is_standin)

    def called(chosen: np.ndarray) -> Figures:
        return {
            name: as_figure(proportion_interval(int((p[chosen] >= t).sum()), int(chosen.sum())))
            for name, t in thresholds.items()
        }

    return {
        "accuracy": as_figure(proportion_interval(right, total)),
        "false_alarm_rate": as_figure(proportion_interval(decided.real_called, decided.real)),
        "recall": as_figure(proportion_interval(decided.standins_called, decided.standins)),
        "brier": metrics.brier_score(p, is_standin),
        "log_loss": metrics.log_loss(p, is_standin),
        "calibration_error": curve.error,
        "calibration_error_mass": even.error,
        "thresholds": {k: t if np.isfinite(t) else None for k, t in thresholds.items()},
        "kinds": {kind: called(is_standin & (kinds == kind)) for kind in _names(kinds, is_standin)},
        "hardtags": {
            tag: called(~is_standin & (hardtags == tag)) for tag in _names(hardtags, ~is_standin)
        },
        "reliability": _curve(curve.predicted, curve.observed, curve.count),
        "reliability_mass": _curve(even.predicted, even.observed, even.count),
        "roc": _thin(alarms, recall),
    }


def _names(of: np.ndarray, chosen: np.ndarray) -> list[str]:
    return sorted({str(name) for name in of[chosen] if name})


def _curve(predicted: np.ndarray, observed: np.ndarray, count: np.ndarray) -> Figures:
    return {
        "predicted": [round(float(x), 5) for x in predicted],
        "observed": [round(float(x), 5) for x in observed],
        "count": [int(x) for x in count],
    }


def _thin(alarms: np.ndarray, recall: np.ndarray) -> Figures:
    """The corners of the curve: where neither neighbour lies on the same line."""
    turn = np.diff(alarms[:-1]) * np.diff(recall[1:]) != np.diff(alarms[1:]) * np.diff(recall[:-1])
    kept = np.concatenate([[True], turn, [True]])
    return {
        "false_alarms": [round(float(x), 6) for x in alarms[kept]],
        "recall": [round(float(x), 5) for x in recall[kept]],
    }


def few_shot_figures(
    answers: Sequence[Answers], *, seed: int, against: str | None, resamples: int = 300
) -> Figures:
    """Every method's figures over the episodes of one condition, or of several pooled.

    Means are over episodes, each weighing the same. Calibration and recall at a false-alarm rate
    are of all episodes' queries together, one threshold for all of them, since one episode has
    too few queries for either; their intervals come from resampling whole episodes.

    Raises:
        MetricError: an episode's queries are all of one label.
    """
    names = list(answers[0].probabilities)
    each: dict[str, dict[str, np.ndarray]] = {}
    found: Figures = {
        "episodes": sum(len(a.subjects) for a in answers),
        "subjects": sorted({subject for a in answers for subject in a.subjects}),
        "methods": {},
        "against": against,
        "differences": {},
    }
    for name in names:
        episodes = [
            (p[~np.isnan(p)], label[~np.isnan(p)])
            for a in answers
            for p, label in zip(a.probabilities[name], a.is_placeholder, strict=True)
        ]
        each[name] = _per_episode(episodes)
        figures: Figures = {key: as_figure(mean_interval(v)) for key, v in each[name].items()}
        found["methods"][name] = figures | _pooled(episodes, seed, resamples)
    for name in names:
        if against is not None and name != against:
            found["differences"][name] = {
                key: as_figure(difference_interval(values, each[against][key]))
                for key, values in each[name].items()
            }
    return found


def _per_episode(episodes: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    decided = [metrics.decide(p, label) for p, label in episodes]
    return {
        "accuracy": np.array([d.accuracy for d in decided]),
        "auroc": np.array([metrics.auroc(p, label) for p, label in episodes]),
        "recall": np.array([d.recall for d in decided]),
        "false_alarm_rate": np.array([d.false_alarm_rate for d in decided]),
        "log_loss": np.array([metrics.log_loss(p, label) for p, label in episodes]),
        "brier": np.array([metrics.brier_score(p, label) for p, label in episodes]),
    }


def _pooled(
    episodes: Sequence[tuple[np.ndarray, np.ndarray]], seed: int, resamples: int
) -> Figures:
    generator = np.random.default_rng(seed)
    edges = bin_edges(np.zeros(1), BINS, "width")
    sums = np.stack([bin_sums(p, label, edges) for p, label in episodes])
    curve = reliability_of(sums.sum(0), edges)
    error = pooled_calibration_error(sums, generator=generator, resamples=resamples)
    return {
        "calibration_error": as_figure(error),
        "reliability": _curve(curve.predicted, curve.observed, curve.count),
        **_pooled_recall(episodes, generator, resamples),
    }


def _pooled_recall(
    episodes: Sequence[tuple[np.ndarray, np.ndarray]],
    generator: np.random.Generator,
    resamples: int,
) -> Figures:
    """Recall at one threshold for all episodes, by resampling episodes."""
    scores = np.concatenate([p for p, _ in episodes])
    label = np.concatenate([label for _, label in episodes])
    values, place = np.unique(-scores, return_inverse=True)
    owner = np.repeat(np.arange(len(episodes)), [len(p) for p, _ in episodes])
    even = np.full(len(episodes), 1 / len(episodes))
    drawn: dict[float, list[float]] = {rate: [] for rate in FALSE_ALARMS}
    for _ in range(resamples):
        weight = generator.multinomial(len(episodes), even)[owner]
        counted = metrics.Tally(
            -values,
            np.bincount(place, weights=weight * label, minlength=len(values)),
            np.bincount(place, weights=weight * ~label, minlength=len(values)),
        )
        for rate in FALSE_ALARMS:
            drawn[rate].append(float(metrics.recall_at_false_alarms_of(counted, rate)))
    found: Figures = {}
    for rate, values_of in drawn.items():
        low, high = np.percentile(values_of, [2.5, 97.5])
        estimate = metrics.recall_at_false_alarms(scores, label, rate)
        found[f"recall_at_{rate:g}"] = as_figure(
            Interval(estimate, float(low), float(high), len(episodes))
        )
    return found
