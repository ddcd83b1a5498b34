"""Figures of one condition with intervals: the same resampled episodes for every method.

An interval is the 2.5th to the 97.5th percentile over resamples of whole episodes. Where a task
turns around, episodes are resampled within each look, whose shares were chosen and not drawn.
Means weigh every episode the same; calibration error and recall at a false-alarm rate are of all
episodes' queries together, one threshold for all, since one episode has too few for either. A
difference is taken within each resample, so what makes an episode hard for everybody cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from jaxtyping import Float

from model import metrics
from model.calibration import bin_edges, bin_sums
from model.errors import MetricError
from model.intervals import Interval
from model.reports.few_shot import Answers
from model.reports.figures import BINS, Figures

FALSE_ALARMS = 0.001
METRICS = ("accuracy", "auroc", "recall", "calibration_error", "log_loss")
_ROWS = 50
# Of recall, which costs more than all others together.
_RECALL_RESAMPLES = 250


def condition_figures(
    parts: Sequence[Answers], *, seed: int, against: str, resamples: int = 1000
) -> Figures:
    """Every method's figures, and paired differences to one of them.

    Args:
        parts: one for each look of a turning condition, else one; every method in all of them.
        against: the method that differences are to.

    Raises:
        MetricError: the methods differ between parts, or ``against`` is none of them.
    """
    names = list(parts[0].probabilities)
    if any(list(part.probabilities) != names for part in parts) or against not in names:
        raise MetricError(f"every part needs the same methods, {against!r} among them: {names}")
    counts = [len(part.subjects) for part in parts]
    weights = resampled(counts, resamples, np.random.default_rng(seed))
    episodes = sum(counts)
    drawn = {name: _metrics(parts, name, weights) for name in names}
    whole = {name: _metrics(parts, name, np.ones((1, episodes))) for name in names}
    found: Figures = {"episodes": episodes, "methods": {}, "against": against, "differences": {}}
    for name in names:
        found["methods"][name] = {
            key: _interval(float(whole[name][key][0]), drawn[name][key], episodes)
            for key in METRICS
        }
        if name != against:
            # Of the same resamples: a metric with fewer has fewer for both.
            found["differences"][name] = {
                key: _interval(
                    float(whole[name][key][0] - whole[against][key][0]),
                    drawn[name][key] - drawn[against][key],
                    episodes,
                )
                for key in METRICS
            }
    return found


def resampled(
    counts: Sequence[int], resamples: int, generator: np.random.Generator
) -> Float[np.ndarray, "resamples episodes"]:
    """How often each episode is in each resample; every part keeps its number of episodes."""
    parts = [
        generator.multinomial(count, np.full(count, 1 / count), size=resamples) for count in counts
    ]
    return np.concatenate(parts, axis=1).astype(np.float64)


def _interval(estimate: float, drawn: Float[np.ndarray, " r"], episodes: int) -> Figures:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return asdict(Interval(estimate, float(low), float(high), episodes))


def _metrics(
    parts: Sequence[Answers], name: str, weights: Float[np.ndarray, "r e"]
) -> dict[str, np.ndarray]:
    """Each metric under each row of weights, shape (r,)."""
    episodes = [
        (p[~np.isnan(p)], label[~np.isnan(p)])
        for part in parts
        for p, label in zip(part.probabilities[name], part.is_placeholder, strict=True)
    ]
    total = weights.sum(1)
    means = {
        "accuracy": [metrics.decide(p, label).accuracy for p, label in episodes],
        "auroc": [metrics.auroc(p, label) for p, label in episodes],
        "log_loss": [metrics.log_loss(p, label) for p, label in episodes],
    }
    edges = bin_edges(np.zeros(1), BINS, "width")
    sums = np.stack([bin_sums(p, label, edges) for p, label in episodes])
    binned = np.einsum("re,ebc->rbc", weights, sums)
    gaps = np.abs(binned[..., 1] - binned[..., 2]).sum(-1) / binned[..., 0].sum(-1)
    return {
        **{key: weights @ np.array(values) / total for key, values in means.items()},
        "calibration_error": gaps,
        "recall": _recall(episodes, weights[:_RECALL_RESAMPLES]),
    }


def _recall(
    episodes: Sequence[tuple[np.ndarray, np.ndarray]],
    weights: Float[np.ndarray, "r e"],
) -> Float[np.ndarray, " r"]:
    """Recall at one threshold for all queries."""
    scores = np.concatenate([p for p, _ in episodes])
    label = np.concatenate([label for _, label in episodes])
    owner = np.repeat(np.arange(len(episodes)), [len(p) for p, _ in episodes])
    order = np.argsort(-scores, kind="stable")
    scores, label, owner = scores[order], label[order], owner[order]
    starts = np.flatnonzero(np.append(True, scores[1:] != scores[:-1]))
    found = []
    # In blocks: resamples times queries whole would be hundreds of megabytes.
    for at in range(0, len(weights), _ROWS):
        counts = weights[at : at + _ROWS][:, owner]
        tally = metrics.Tally(
            scores[starts],
            np.add.reduceat(counts * label, starts, axis=1),
            np.add.reduceat(counts * ~label, starts, axis=1),
        )
        found.append(metrics.recall_at_false_alarms_of(tally, FALSE_ALARMS))
    return np.concatenate(found)
