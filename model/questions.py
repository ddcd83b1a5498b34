"""Questions about pictures and categories on their way through the experts: frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from model.experts.category import CategoryState
from model.experts.signals import Signals
from model.learners.base import to_probability


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
    seen: Mapping[str, tuple[Tensor, Tensor]]
    same: Tensor
    same_answered: Tensor

    def take(self, chosen: NDArray[np.int64]) -> Heard:
        """Some of the questions."""
        return replace(
            self,
            rows=self.rows[chosen],
            of=self.of[chosen],
            same=self.same[chosen],
            same_answered=self.same_answered[chosen],
        )


@dataclass(frozen=True, eq=False)
class Route:
    """How far q questions have come.

    Attributes:
        heard: what they were answered from.
        logits, answered, asked: shape (q, e): each expert's log odds, whether it had something to
            say, and whether it was asked.
        combined: shape (q,), log odds of the top level over those that answered.
        weights: shape (q, e), of the experts in it.
        wants: shape (q,), int8: the expert whose signal is missing, or -1 at the end of the route.
    """

    heard: Heard
    logits: Tensor
    answered: Tensor
    asked: Tensor
    combined: Tensor
    weights: Tensor
    wants: NDArray[np.int8]

    @property
    def probability(self) -> Tensor:
        """Shape (q,), strictly inside (0, 1)."""
        return to_probability(self.combined)
