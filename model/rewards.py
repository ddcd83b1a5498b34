"""What an answer was worth, once the teacher has said what the picture was.

A scoring rule is *proper* where nobody expects more from another probability than the one they
believe in, so that an answer is rewarded for honesty and not for boldness (Gneiting & Raftery
2007, "Strictly Proper Scoring Rules, Prediction, and Estimation", J. Am. Stat. Assoc. 102:359).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from model.metrics import check_probabilities


def quadratic_reward(
    probability: Float[np.ndarray, " n"], is_placeholder: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """1 - 2 (1 - p)^2, p what was given to what the picture was (Brier 1950).

    Strictly proper, and bounded, which the logarithmic score is not: no clipping is needed, which
    would make that one improper, and no single word outweighs all others. 1 for certainty that
    was right, -1 for certainty that was wrong, 0.5 for a coin, 0 at p = 1 - sqrt(1/2), 0.29.

    Args:
        probability: of ``placeholder``, in [0, 1].
        is_placeholder: what the pictures were.
    Returns:
        Rewards in [-1, 1], dimensionless. Their mean is 1 - 2 times the mean Brier score.
    Raises:
        MetricError: no pictures, or a value outside [0, 1].
    """
    check_probabilities(probability, is_placeholder)
    missed = np.where(is_placeholder, 1 - probability, probability)
    return 1 - 2 * missed**2
