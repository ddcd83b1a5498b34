"""What all learners share whose head is one weight vector and a bias.

Such a head scores a picture with one product, so a batch of q pictures from q categories costs one
gathered product over (q, d + 1) numbers, whatever the number of categories.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from model.learners.base import MOST_LOG_ODDS, to_probability
from model.learners.meta import MetaLearner


class LinearLearner(MetaLearner):
    """Learner whose state is (w, b), with probability = sigmoid(w . x + b).

    A subclass gives ``fit`` or ``fit_batch``; the rest of the interface follows from it.

    Args:
        embedding_dim: d, the length of an embedding.
    """

    @property
    def state_size(self) -> int:
        return self._embedding_dim + 1

    def fit_batch(
        self,
        embeddings: Float[Tensor, "b n d"],
        is_placeholder: Bool[Tensor, "b n"],
        present: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b d_plus_1"]:
        """Heads of b support sets, one after the other."""
        if type(self).fit is MetaLearner.fit:
            raise NotImplementedError("a linear learner gives fit or fit_batch")
        sets = zip(embeddings, is_placeholder, present, strict=True)
        return torch.stack([self.fit(x[here], y[here]) for x, y, here in sets])

    def logits(
        self, states: Float[Tensor, "b d_plus_1"], queries: Float[Tensor, "b q d"]
    ) -> Float[Tensor, "b q"]:
        """w . x + b."""
        return torch.einsum("bqd,bd->bq", queries, states[:, :-1]) + states[:, -1:]

    @torch.no_grad()
    def score_many(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """Probabilities (q,): embeddings (q, d), each under its own state (q, d + 1)."""
        logits = (states[:, :-1] * embeddings).sum(dim=1) + states[:, -1]
        return to_probability(logits)

    def log_odds(
        self, states: NDArray[np.float32], embeddings: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """See ``Learner.log_odds``. No matrix product: what a row says depends on nothing else in
        the batch, to the last bit."""
        logits = (states[:, :-1] * embeddings).sum(axis=1) + states[:, -1]
        found: NDArray[np.float32] = logits.clip(-MOST_LOG_ODDS, MOST_LOG_ODDS)
        return found
