"""``unsure`` from a guarantee: conformal risk control across categories.

The ten examples of one category bound an error rate only to 26 % (Clopper and Pearson at 95 %), so
the guarantee is over categories, as few-shot conformal prediction has it (Fisch et al. 2021,
arXiv:2102.08898), by conformal risk control (Angelopoulos et al. 2022, arXiv:2208.02814). An answer
is the set of labels whose probability is at least t; a set of both is ``unsure``. The loss of a
task i at t is the share of its queries whose label is not in the set, L_i(t), which grows with t.
Over m calibration tasks that are exchangeable with the next one, the largest t <= 1/2 with

    (m mean_i L_i(t) + 1) / (m + 1) <= alpha

gives the next task an expected share of at most alpha. Where even t = 1/2 keeps that, no picture
needs to be unsure; where the smallest t does not, nothing can be promised and t is 0.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.errors import SupportError

SHOTS = (0, 1, 2, 4, 7, 15)
"""Buckets of support sets: the fewest examples of the rarer label; the last is open."""
ONE_SIDED = len(SHOTS)
"""The bucket of support sets of one label only."""


def bucket_of(placeholder: int, real: int) -> int:
    """Which calibration tasks a category is like.

    Returns:
        0 without examples, ``ONE_SIDED`` with one label only, else by the rarer label.
    """
    rarer = min(placeholder, real)
    if placeholder + real == 0:
        return 0
    if rarer == 0:
        return ONE_SIDED
    return bisect_right(SHOTS, rarer) - 1


def control(losses: Sequence[NDArray[np.float32]], alpha: float) -> float:
    """The largest t in [0, 1/2] that keeps the risk at ``alpha``.

    Args:
        losses: of each task the probabilities (q_i,) of its queries' true labels.
        alpha: expected share of queries whose label may be outside the set, in (0, 1).
    Raises:
        SupportError: alpha is out of range, or a task has no queries.
    """
    if not 0 < alpha < 1:
        raise SupportError(f"alpha must be inside (0, 1), got {alpha}")
    if any(len(task) == 0 for task in losses):
        raise SupportError("a calibration task needs at least one query")
    m = len(losses)
    if not m or 1 / (m + 1) > alpha:
        return 0.0
    # L_i(t) = share of p < t: a step function that rises just after each p. The sum of steps is
    # followed in order until one more would be too much; t may be that very p.
    p = np.concatenate(losses).astype(np.float64)
    weight = np.concatenate([np.full(len(task), 1 / len(task)) for task in losses])
    order = np.argsort(p, kind="stable")
    risk = (np.cumsum(weight[order]) + 1) / (m + 1)
    beyond = np.searchsorted(risk, alpha * (1 + 1e-12), side="right")
    return min(0.5, float(p[order[beyond]])) if beyond < len(p) else 0.5


def risk(losses: Sequence[NDArray[np.float32]], t: float) -> float:
    """Mean over tasks of the share of queries whose true label's probability is under t."""
    return float(np.mean([(task < t).mean() for task in losses])) if losses else 0.0
