"""What all learners share whose head is one weight vector and a bias.

Such a head scores a picture with one product, so a batch of q pictures from q categories costs one
gathered product over (q, d + 1) numbers, whatever the number of categories.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from model.learners.base import Head, check_head, check_support, to_probability


class LinearLearner(nn.Module):
    """Learner whose state is (w, b), with probability = sigmoid(w . x + b).

    A subclass gives ``fit``; the rest of the interface follows from it.

    Args:
        embedding_dim: d, the length of an embedding.
    """

    name: ClassVar[str]

    def __init__(self, embedding_dim: int) -> None:
        super().__init__()
        self._embedding_dim = embedding_dim

    @property
    def embedding_dim(self) -> int:
        return self._embedding_dim

    @property
    def state_size(self) -> int:
        return self._embedding_dim + 1

    def fit(
        self, embeddings: Float[Tensor, "n d"], is_placeholder: Tensor
    ) -> Float[Tensor, " d_plus_1"]:
        """Weight and bias for a checked support set."""
        raise NotImplementedError

    def adapt(self, embeddings: Tensor, is_placeholder: Tensor) -> Head:
        """Fit a head to one support set; see ``Learner.adapt``."""
        check_support(embeddings, is_placeholder, self.embedding_dim)
        with torch.no_grad():
            state = self.fit(embeddings.float(), is_placeholder)
        return Head(self.name, state.detach().float().clone())

    def score(self, head: Head, embeddings: Tensor) -> Tensor:
        """Probabilities (q,) of embeddings (q, d) under one head."""
        check_head(head, self.name, self.state_size)
        return self.score_many(head.state.expand(len(embeddings), -1), embeddings)

    @torch.no_grad()
    def score_many(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """Probabilities (q,): embeddings (q, d), each under its own state (q, d + 1)."""
        logits = (states[:, :-1] * embeddings).sum(dim=1) + states[:, -1]
        return to_probability(logits)

    def leave_one_out(self, embeddings: Tensor, is_placeholder: Tensor) -> Tensor:
        """Probability (n,) of each example under the head fitted to the others, by refitting."""
        check_support(embeddings, is_placeholder, self.embedding_dim)
        found = torch.empty(len(embeddings))
        for i in range(len(embeddings)):
            others = torch.arange(len(embeddings)) != i
            head = self.adapt(embeddings[others], is_placeholder[others])
            found[i] = self.score(head, embeddings[i : i + 1])[0]
        return found
