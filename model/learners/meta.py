"""What all learners share: a differentiable inner loop over batches of tasks, and what follows.

A subclass says how a support set becomes a state and how a state answers, both for many tasks at
once and both differentiable, so that one outer loop (``model.training.objective.task_losses``)
meta-trains every learner there is. Adapting, scoring and leave-one-out follow from the two.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor, nn

from model.learners.base import Head, Studied, check_head, check_support, to_probability


class MetaLearner(nn.Module):
    """Learner given by ``fit_batch`` and ``logits``.

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
        """s, the length of a head's state."""
        raise NotImplementedError

    def fit_batch(
        self,
        embeddings: Float[Tensor, "b n d"],
        is_placeholder: Bool[Tensor, "b n"],
        present: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b s"]:
        """States of b support sets, padded to the same n (0 allowed); differentiable.

        Args:
            present: False where a row is padding.
        Raises:
            SupportError: a support set that this learner cannot hold.
        """
        raise NotImplementedError

    def logits(
        self, states: Float[Tensor, "b s"], queries: Float[Tensor, "b q d"]
    ) -> Float[Tensor, "b q"]:
        """Log odds of being a placeholder, each task's queries under its own state."""
        raise NotImplementedError

    def fit(self, embeddings: Float[Tensor, "n d"], is_placeholder: Tensor) -> Float[Tensor, " s"]:
        """State of one checked support set."""
        present = torch.ones(1, len(embeddings), dtype=torch.bool, device=embeddings.device)
        return self.fit_batch(embeddings[None], is_placeholder[None], present)[0]

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
        """Probabilities (q,): embeddings (q, d), each under its own state (q, s)."""
        return to_probability(self.logits(states, embeddings[:, None])[:, 0])

    def log_odds(
        self, states: NDArray[np.float32], embeddings: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Log odds (q,) of the probabilities of :meth:`score_many`; see ``Learner.log_odds``."""
        rows = torch.from_numpy(embeddings)
        each = torch.from_numpy(states).expand(len(rows), -1)
        found: NDArray[np.float32] = torch.logit(self.score_many(each, rows)).numpy()
        return found

    def leave_one_out(self, embeddings: Tensor, is_placeholder: Tensor) -> Tensor:
        """Probability (n,) of each example under the head fitted to the others, by refitting."""
        check_support(embeddings, is_placeholder, self.embedding_dim)
        found = torch.empty(len(embeddings))
        for i in range(len(embeddings)):
            others = torch.arange(len(embeddings)) != i
            head = self.adapt(embeddings[others], is_placeholder[others])
            found[i] = self.score(head, embeddings[i : i + 1])[0]
        return found

    def study(self, embeddings: Tensor, is_placeholder: Tensor) -> Studied:
        """The head and each example's probability without it; see ``Learner.study``."""
        return Studied(
            self.adapt(embeddings, is_placeholder), self.leave_one_out(embeddings, is_placeholder)
        )
