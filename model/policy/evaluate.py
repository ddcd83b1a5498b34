"""What a policy costs and what its answers are worth, on a log.

Recall is taken at one threshold for all rows of the log: the one at which the policy's own answers
have the false-alarm rate asked for. Intervals are percentiles of a bootstrap over whole episodes,
since pictures of one episode share their category and its examples; differences are paired, both
policies on the same drawn episodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from model.calibration import sigmoid
from model.intervals import Interval
from model.metrics import Tally, auroc_of, log_loss, recall_at_false_alarms_of
from model.policy.errors import PolicyError
from model.policy.mdp import Reward, Unfolded
from model.policy.policy import Chooser

RATES = (0.01, 0.001)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a policy did with every row of a log.

    Attributes:
        subset: number of the set of experts asked.
        logit: the answer.
        cost: milliseconds.
    """

    subset: Int[np.ndarray, " n"]
    logit: Float[np.ndarray, " n"]
    cost: Float[np.ndarray, " n"]


def run(chooser: Chooser, unfolded: Unfolded, costs: tuple[float, ...], start: int = 0) -> Outcome:
    """Let a policy ask, row by row, until it stops.

    Args:
        start: number of the subset that was asked before the policy is.
    Raises:
        PolicyError: it asked an expert twice, or one that there is not.
    """
    n, experts = unfolded.log.logits.shape
    if len(costs) != experts:
        raise PolicyError(f"{experts} experts need as many costs, got {len(costs)}")
    subset = np.full(n, start, dtype=np.int64)
    going = np.arange(n)
    while len(going):
        here = subset[going]
        asked = (here[:, None] >> np.arange(experts)) & 1 == 1
        action = chooser.next_expert(
            asked, unfolded.logits[going, here], unfolded.context[going]
        ).astype(np.int64)
        asks = action != experts
        going, action = going[asks], action[asks]
        if not ((action >= 0) & (action < experts)).all() or (subset[going] >> action & 1).any():
            raise PolicyError("the policy asked an expert twice, or one that there is not")
        subset[going] |= 1 << action
    prices = ((np.arange(1 << experts)[:, None] >> np.arange(experts)) & 1) @ np.array(costs)
    return Outcome(subset, unfolded.logits[np.arange(n), subset], prices[subset])


def mean_cost(outcome: Outcome, unfolded: Unfolded, reward: Reward) -> float:
    """Milliseconds a picture, at the frequency of placeholders that the reward names."""
    return float(np.mean(outcome.cost * reward.weights(unfolded.log.label)))


class _Counts:
    """Rows in order of their score, sorted once for all drawings."""

    def __init__(self, scores: Float[np.ndarray, " n"], label: Bool[np.ndarray, " n"]) -> None:
        self._order = np.argsort(-scores, kind="stable")
        ordered = scores[self._order]
        self._starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        self._scores = ordered[self._starts]
        self._label = label[self._order]

    def tally(self, drawn: Float[np.ndarray, "r n"]) -> Tally:
        """Counts where row i occurs ``drawn[r, i]`` times."""
        ordered = drawn[:, self._order]
        standins = np.add.reduceat(ordered * self._label, self._starts, axis=1)
        real = np.add.reduceat(ordered * ~self._label, self._starts, axis=1)
        return Tally(self._scores, standins, real)


@dataclass(frozen=True)
class Measured:
    """Figures of one policy on one log.

    Attributes:
        cost: mean, ms, at the reward's frequency.
        cost_of: mean, ms, of (real pictures, placeholders).
        asked: share of rows that each expert was asked about.
        log_loss: in nats, as logged.
        auroc: of the answers.
        recall: at each of ``RATES``.
    """

    cost: float
    cost_of: tuple[float, float]
    asked: tuple[float, ...]
    log_loss: float
    auroc: float
    recall: tuple[float, ...]


def measure(outcome: Outcome, unfolded: Unfolded, reward: Reward) -> Measured:
    """Figures without intervals.

    Raises:
        MetricError: a label is missing.
    """
    label = unfolded.log.label
    counted = _Counts(outcome.logit, label).tally(np.ones((1, len(label))))
    bits = (outcome.subset[:, None] >> np.arange(len(reward.costs))) & 1
    return Measured(
        cost=mean_cost(outcome, unfolded, reward),
        cost_of=(float(outcome.cost[~label].mean()), float(outcome.cost[label].mean())),
        asked=tuple(bits.mean(0).tolist()),
        log_loss=log_loss(sigmoid(outcome.logit), label),
        auroc=float(auroc_of(counted).item()),
        recall=tuple(float(recall_at_false_alarms_of(counted, r).item()) for r in RATES),
    )


Metric = Callable[[Tally], np.ndarray]
METRICS: dict[str, Metric] = {
    "auroc": auroc_of,
    "recall_0.01": lambda counted: recall_at_false_alarms_of(counted, 0.01),
    "recall_0.001": lambda counted: recall_at_false_alarms_of(counted, 0.001),
}


def intervals(
    outcomes: Mapping[str, Outcome],
    unfolded: Unfolded,
    reward: Reward,
    *,
    against: str,
    generator: np.random.Generator,
    resamples: int = 500,
    level: float = 0.95,
) -> dict[str, dict[str, Interval]]:
    """Bootstrap over episodes, the same draws for every policy.

    Args:
        against: the policy that differences are taken to.
        generator: the only source of chance.
    Returns:
        By policy: "cost" (ms), "log_loss", each of ``METRICS``, and for each of these
        "... difference" to ``against``; n is the number of episodes.
    Raises:
        PolicyError: ``against`` is not among the outcomes, or there are no resamples.
    """
    if against not in outcomes or resamples < 1:
        raise PolicyError(f"no outcome {against!r} to compare with, or {resamples} resamples")
    label = unfolded.log.label
    _, place = np.unique(unfolded.log.episode, return_inverse=True)
    episodes = int(place.max()) + 1
    rows: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in outcomes}
    counts = {name: _Counts(outcome.logit, label) for name, outcome in outcomes.items()}
    even = np.full(episodes, 1 / episodes)
    weights = reward.weights(label)
    block = max(1, 2_000_000 // len(label))
    for start in range(-1, resamples, block):
        # The first row of all is the log itself: the estimate.
        size = min(block, resamples - start)
        times = generator.multinomial(episodes, even, size=size)
        if start < 0:
            times[0] = 1
        drawn = times[:, place].astype(np.float64)
        for name, outcome in outcomes.items():
            rows[name].append(_row_figures(outcome, counts[name], label, weights, drawn))
    whole = {
        name: {metric: np.concatenate([part[metric] for part in parts]) for metric in parts[0]}
        for name, parts in rows.items()
    }
    tails = [50 * (1 - level), 50 * (1 + level)]

    def spread(values: np.ndarray) -> Interval:
        low, high = np.nanpercentile(values[1:], tails)
        return Interval(float(values[0]), float(low), float(high), episodes)

    answer: dict[str, dict[str, Interval]] = {}
    for name, found in whole.items():
        answer[name] = {metric: spread(values) for metric, values in found.items()}
        for metric, values in found.items():
            answer[name][f"{metric} difference"] = spread(values - whole[against][metric])
    return answer


def _row_figures(
    outcome: Outcome,
    counts: _Counts,
    label: Bool[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
    drawn: Float[np.ndarray, "r n"],
) -> dict[str, np.ndarray]:
    """Every figure for each of r drawings."""
    probability = np.clip(sigmoid(outcome.logit), 1e-7, 1 - 1e-7)
    lost = -np.log(np.where(label, probability, 1 - probability))
    counted = counts.tally(drawn)
    found = {
        "cost": drawn @ (outcome.cost * weights) / (drawn @ weights),
        "log_loss": drawn @ lost / drawn.sum(1),
    }
    return found | {name: np.atleast_1d(metric(counted)) for name, metric in METRICS.items()}
