"""What is known of a category before its next picture is looked at.

How far an expert is to be believed in a category shows in how it does on that category's own
examples: each is answered by the head of all the others (leave-one-out) and by the head of no
examples at all. An expert whose base head fails on the examples and whose adapted head does not is
in a category that turns the looks around.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ADAPTED = ("statistics", "words", "visual")
"""The experts with a head of their own; sameness reads the examples themselves."""
CONTEXT = (
    "log_placeholder",
    "log_real",
    "both",
    "one_sided",
    *(f"{name}_left_out" for name in ADAPTED),
    *(f"{name}_base" for name in ADAPTED),
)
"""Names of a context's numbers."""
# A skill of -3 says "wrong and sure"; how much more wrong tells nothing more.
_WORST = -3.0


@dataclass(frozen=True, eq=False)
class Record:
    """How one expert does on the n examples of a category that it could see.

    Attributes:
        left_out: shape (n,), each example's probability under the head of all the others.
        base: shape (n,), under the head of no examples.
        truth: shape (n,), whether each is a placeholder.
    """

    left_out: NDArray[np.float32]
    base: NDArray[np.float32]
    truth: NDArray[np.bool_]


def skill(probability: NDArray[np.float32], is_placeholder: NDArray[np.bool_]) -> float:
    """How much better than a coin: 1 - (mean log loss) / log 2, in [-3, 1]; 0 for no examples.

    Args:
        probability: shape (n,), of being a placeholder, inside (0, 1).
        is_placeholder: shape (n,).
    """
    if not len(is_placeholder):
        return 0.0
    right = np.where(is_placeholder, probability, 1 - probability)
    return max(_WORST, 1 + float(np.log(right).mean()) / math.log(2))


def describe(told: Mapping[str, Record], is_placeholder: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Context (C,) of one category, float32.

    Args:
        told: how each of ``ADAPTED`` does on the examples that it could see.
        is_placeholder: labels (n,) of all examples.
    """
    positive = int(is_placeholder.sum())
    negative = len(is_placeholder) - positive
    found = [
        math.log1p(positive),
        math.log1p(negative),
        float(positive > 0 and negative > 0),
        float((positive > 0) != (negative > 0)),
    ]
    left_out, base = [], []
    for name in ADAPTED:
        one = told[name]
        truth = one.truth
        base.append(skill(one.base, truth))
        # With one label only, the others of a label say little about it but its name.
        known = len(truth) > 2 and truth.any() and not truth.all()
        left_out.append(skill(one.left_out, truth) if known else 0.0)
    return np.array([*found, *left_out, *base], dtype=np.float32)


def record(context: NDArray[np.float32]) -> NDArray[np.float32]:
    """From contexts (n, C), how much worse the adapted visual head is than the base on the
    category's examples: (n,), mean log loss in nats; 0 where it is not known."""
    left_out, base = (context[:, CONTEXT.index(f"visual_{what}")] for what in ("left_out", "base"))
    worse: NDArray[np.float32] = np.where(left_out == 0, 0, (base - left_out) * math.log(2))
    return worse.astype(np.float32)
