"""ANIL, almost no inner loop: only the last layer adapts, the hidden one is meta-learned.

Raghu, Raghu, Bengio and Vinyals 2020 (ICLR, arXiv:1909.09157) found that what MAML learns is mostly
features, and that adapting the head alone loses nothing. The state is hidden + 1 numbers instead of
a whole network, and the inner loop never goes through the hidden layer.
"""

from __future__ import annotations

from typing import ClassVar

from model.learners.maml import Maml


class Anil(Maml):
    """MAML that adapts the head alone, with second-order meta-gradients.

    Args:
        embedding_dim: d.
        hidden: width of the hidden layer, which no support set moves.
        steps: of gradient descent, 0 or more.
        rate: inner rate to begin with, above 0.
        learned_rates: 1: the rates are meta-learned, one for weight and one for bias; 0: they stay.
    """

    name: ClassVar[str] = "anil"
    adapted: ClassVar[tuple[str, ...]] = ("2.weight", "2.bias")

    def __init__(
        self,
        embedding_dim: int,
        hidden: int = 128,
        steps: int = 5,
        rate: float = 0.1,
        learned_rates: int = 1,
    ) -> None:
        super().__init__(embedding_dim, hidden, steps, rate, learned_rates)
