"""Modified Hausdorff distance (Dubuisson and Jain 1994, ICPR): no learning at all.

Lake et al. publish it with the runs, as the check that somebody's copy of them is right: 38.75 %
of the 400 trials go wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

from model.errors import SupportError
from model.yardsticks.omniglot.drawings import Run

PUBLISHED_ERRORS = 155
PUBLISHED_TRIALS = 400


def ink_points(ink: Bool[np.ndarray, "height width"]) -> Float[np.ndarray, "n 2"]:
    """Coordinates of the inked pixels around their mean, in pixels.

    Raises:
        SupportError: there is no ink.
    """
    points = np.argwhere(ink).astype(np.float64)
    if not len(points):
        raise SupportError("a drawing without ink is at no distance from any other")
    centred: np.ndarray = points - points.mean(axis=0)
    return centred


def modified_hausdorff(a: Float[np.ndarray, "n 2"], b: Float[np.ndarray, "m 2"]) -> float:
    """The larger of the two mean distances from a point of one set to the nearest of the other."""
    return max(_mean_nearest(a, cKDTree(b)), _mean_nearest(b, cKDTree(a)))


def _mean_nearest(points: np.ndarray, tree: cKDTree) -> float:
    return float(tree.query(points)[0].mean())


def classify(run: Run) -> Int[np.ndarray, " trials"]:
    """The class whose only example is nearest to each test drawing; the first where two are."""
    training, test = ([ink_points(d) for d in drawings] for drawings in (run.training, run.test))
    trees = [cKDTree(points) for points in training]
    answers = []
    for points in test:
        tree = cKDTree(points)
        distances = [
            max(_mean_nearest(points, other), _mean_nearest(example, tree))
            for example, other in zip(training, trees, strict=True)
        ]
        answers.append(int(np.argmin(distances)))
    return np.array(answers)


def count_errors(runs: Sequence[Run]) -> tuple[int, int]:
    """Wrong answers and trials."""
    wrong = sum(int((classify(run) != run.answer).sum()) for run in runs)
    return wrong, sum(len(run.answer) for run in runs)
