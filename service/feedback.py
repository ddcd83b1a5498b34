"""The teacher's words, judged: what each earlier answer was worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.rewards import quadratic_reward
from service.guessing import tell_undone
from service.metrics import Metrics
from service.store import NotTaught, Taught


@dataclass(frozen=True)
class Judged:
    """A word that was taken, and the reward in [-1, 1] of the answer that it is about."""

    taught: Taught
    reward: float


def judge(outcomes: Sequence[Taught | NotTaught]) -> list[Judged | NotTaught]:
    """Reward each answer by the probability that was given then, whatever is in force now."""
    taught = [one for one in outcomes if isinstance(one, Taught)]
    if not taught:
        return [one for one in outcomes if isinstance(one, NotTaught)]
    rewards = quadratic_reward(
        np.array([one.score.probability for one in taught], np.float64),
        np.array([one.word.label == "placeholder" for one in taught], np.bool_),
    )
    found = iter(rewards.tolist())
    return [
        Judged(one, round(next(found), 6)) if isinstance(one, Taught) else one for one in outcomes
    ]


def count(judged: Sequence[Judged | NotTaught], metrics: Metrics) -> None:
    """Tell the operator how the answers fare."""
    for one in judged:
        if isinstance(one, Judged):
            metrics.feedback.labels(one.taught.status).inc()
            metrics.reward.observe(one.reward)
        else:
            metrics.feedback.labels("refused").inc()
    taught = (one.taught for one in judged if isinstance(one, Judged))
    for category, undone in {one.score.category: one.undone for one in taught}.items():
        tell_undone(category, undone, metrics)
