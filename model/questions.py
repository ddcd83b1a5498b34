"""Questions about pictures and categories on their way through the experts: frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.calibration import sigmoid
from model.experts import EXPERTS, ExpertName
from model.experts.category import CategoryState
from model.experts.signals import Signals
from model.learners.base import MIN_PROBABILITY


@dataclass(frozen=True, eq=False)
class Known:
    """A category as it is now: what it taught, and its examples.

    Attributes:
        state: of its experts.
        signals: of its m examples.
        is_placeholder: shape (m,), bool.
    """

    state: CategoryState
    signals: Signals
    is_placeholder: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Question:
    """One picture for one category.

    Attributes:
        row: of the picture among those that were looked at.
        category: position of the category.
        shared: how many items, this one included, carry the same picture.
    """

    row: int
    category: int
    shared: int = 1


@dataclass(frozen=True, eq=False)
class Heard:
    """What q questions can be answered from, whatever their categories have learned.

    Attributes:
        rows, of: shape (q,): each question's picture and category.
        seen: by adapted expert the embeddings (n, d_e) of all n pictures, and which of them it has
            seen.
        same, same_answered: shape (q,): what sameness says.
    """

    rows: NDArray[np.int64]
    of: NDArray[np.int64]
    seen: Mapping[str, tuple[NDArray[np.float32], NDArray[np.bool_]]]
    same: NDArray[np.float32]
    same_answered: NDArray[np.bool_]

    def take(self, chosen: NDArray[np.int64]) -> Heard:
        """Some of the questions."""
        return replace(
            self,
            rows=self.rows[chosen],
            of=self.of[chosen],
            same=self.same[chosen],
            same_answered=self.same_answered[chosen],
        )


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one expert says alone, and its share of the answer."""

    probability: float
    weight: float


@dataclass(frozen=True, eq=False)
class Route:
    """How far q questions have come.

    Attributes:
        heard: what they were answered from.
        logits, answered: shape (q, e): each expert's log odds, and whether it had something to say.
        asked: shape (q, a): what was asked, of all that the policy can ask for (``ASKS``); the
            visual expert may have spoken at a glance alone.
        combined: shape (q,), log odds of the top level over those that answered.
        weights: shape (q, e), of the experts in it.
        wants: shape (q,), int8: whose signal is missing (in ``ASKS``), or -1 at the end of the
            route.
    """

    heard: Heard
    logits: NDArray[np.float32]
    answered: NDArray[np.bool_]
    asked: NDArray[np.bool_]
    combined: NDArray[np.float32]
    weights: NDArray[np.float32]
    wants: NDArray[np.int8]

    @property
    def probability(self) -> NDArray[np.float32]:
        """Shape (q,), strictly inside (0, 1)."""
        found: NDArray[np.float32] = sigmoid(self.combined).astype(np.float32)
        return found.clip(MIN_PROBABILITY, 1 - MIN_PROBABILITY)

    def opinions(self) -> list[dict[ExpertName, Opinion]]:
        """Of each question what those experts say that answered."""
        weights = (self.weights / self.weights.sum(1, keepdims=True).clip(1e-9)).tolist()
        alone, answered = sigmoid(self.logits).tolist(), self.answered.tolist()
        return [
            {
                name: Opinion(said, weight)
                for name, said, weight, spoke in zip(EXPERTS, *row, strict=True)
                if spoke
            }
            for row in zip(alone, weights, answered, strict=True)
        ]
