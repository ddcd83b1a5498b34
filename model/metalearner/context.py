"""What is known of a category before its next picture is looked at.

How far an expert is to be believed in a category shows in how it does on that category's own
examples: each is answered by the head of all the others (leave-one-out) and by the head of no
examples at all. An expert whose base head fails on the examples and whose adapted head does not is
in a category that turns the looks around.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from model.learners.base import Learner

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


def describe(
    learners: Mapping[str, Learner],
    support: Mapping[str, tuple[Tensor, Tensor]],
    is_placeholder: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Context (C,) of one category, float32.

    Args:
        learners: of each of ``ADAPTED``.
        support: what each of them could see of the examples: embeddings (n_e, d_e) and their
            labels (n_e,), bool; n_e may be 0.
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
        learner, (x, y) = learners[name], support[name]
        truth = y.numpy()
        nothing = learner.adapt(x[:0], y[:0])
        base.append(skill(learner.score(nothing, x).numpy(), truth))
        # With one label only, the others of a label say little about it but its name.
        known = len(truth) > 2 and truth.any() and not truth.all()
        left_out.append(skill(learner.leave_one_out(x, y).numpy(), truth) if known else 0.0)
    return np.array([*found, *left_out, *base], dtype=np.float32)


def record(context: NDArray[np.float32]) -> NDArray[np.float32]:
    """From contexts (n, C), how much worse the adapted visual head is than the base on the
    category's examples: (n,), mean log loss in nats; 0 where it is not known."""
    left_out, base = (context[:, CONTEXT.index(f"visual_{what}")] for what in ("left_out", "base"))
    worse: NDArray[np.float32] = np.where(left_out == 0, 0, (base - left_out) * math.log(2))
    return worse.astype(np.float32)
