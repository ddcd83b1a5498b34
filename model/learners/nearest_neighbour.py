"""The honest baseline without any training: the label of the most similar example."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from model.errors import SupportError
from model.learners import example_rows
from model.learners.meta import MetaLearner


class NearestNeighbour(MetaLearner):
    """One nearest neighbour by cosine; nothing is meta-learned.

    Thomas Cover and Peter Hart, "Nearest Neighbor Pattern Classification", IEEE Transactions on
    Information Theory 13(1), 1967, https://doi.org/10.1109/TIT.1967.1053964. Inductive.

    The log odds are scale times (cosine with the nearest placeholder - cosine with the nearest
    real picture): above 0 exactly where the nearest example is a placeholder. The scale is fixed,
    a guess, so the probabilities rank well and are calibrated by nobody. An empty support answers
    0.5. A label without examples counts as a neighbour at cosine 0: with one label only, a picture
    has that label unless it points away from every example, and is the surer the more alike.

    The state holds the examples, so a support set larger than ``capacity`` is refused.

    Args:
        embedding_dim: d.
        scale: log odds for a difference of 1 between the cosines; above 0.
        capacity: examples that a state has room for.
    """

    name: ClassVar[str] = "nearest-neighbour"

    def __init__(
        self,
        embedding_dim: int,
        scale: float = 10.0,
        capacity: int = example_rows.DEFAULT_CAPACITY,
    ) -> None:
        super().__init__(embedding_dim)
        if not scale > 0:
            raise SupportError(f"scale must be above 0, got {scale}")
        self._scale = scale
        self._capacity = example_rows.check_capacity(capacity)

    @property
    def state_size(self) -> int:
        return example_rows.state_size(self.embedding_dim, self._capacity)

    def fit_batch(
        self,
        embeddings: Float[Tensor, "b n d"],
        is_placeholder: Bool[Tensor, "b n"],
        present: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b s"]:
        """The examples, their rows made unit length.

        Raises:
            SupportError: a support set is larger than the capacity.
        """
        rows = functional.normalize(embeddings, dim=-1)
        return example_rows.pack(rows, is_placeholder, present, self._capacity)

    def logits(
        self, states: Float[Tensor, "b s"], queries: Float[Tensor, "b q d"]
    ) -> Float[Tensor, "b q"]:
        """scale (cosine with the nearest placeholder - cosine with the nearest real picture)."""
        rows, label, present = example_rows.unpack(states, self.embedding_dim)
        cosine = functional.normalize(queries, dim=-1) @ rows.mT
        nearest = []
        for member in (label & present, ~label & present):
            best = cosine.masked_fill(~member[:, None], -2.0).amax(-1)
            nearest.append(torch.where(member.any(1)[:, None], best, 0.0))
        return self._scale * (nearest[0] - nearest[1])
