"""The honest baseline: a linear head, fine-tuned by a fixed number of gradient steps.

What everybody does first: take the head that was fitted to all training pictures, and run gradient
descent on the new examples (``Baseline`` of Chen et al. 2019, ICLR, arXiv:1904.04232). Nothing is
meta-learned; the number of steps and the rate are chosen by hand, and between them say how far to
trust the starting point. The inner loop is MAML's own (``inner_loop``), so the two differ in where
they begin and in nothing else.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from model.errors import SupportError
from model.learners.base import check_support, to_probability
from model.learners.inner_loop import Parameters, adapt_parameters
from model.learners.linear import LinearLearner
from model.learners.maml import balanced_weights


class FineTuning(LinearLearner):
    """Gradient descent on cross-entropy with both labels of equal weight, from a set head.

    Empty support: the head it starts from, which answers 0.5 unless ``set_zero_shot`` gave another.
    One label only: the steps go towards that label, and stop when they are used up.

    Args:
        embedding_dim: d.
        steps: of gradient descent, 0 or more.
        rate: step size, above 0. The loss curves by at most 1/2 where rows have unit length, so
            descent is stable below 4.
    """

    name: ClassVar[str] = "fine-tuning"
    zero_shot: Tensor

    def __init__(self, embedding_dim: int, steps: int = 20, rate: float = 3.0) -> None:
        super().__init__(embedding_dim)
        if steps < 0 or not rate > 0:
            raise SupportError(f"steps must be 0 or more and rate above 0, got {steps} and {rate}")
        self.steps = steps
        self.rate = rate
        self.register_buffer("zero_shot", torch.zeros(embedding_dim + 1))

    def set_zero_shot(self, head: Float[Tensor, " d_plus_1"]) -> None:
        """Start from this head, fitted to all training pictures at once, instead of zero."""
        self.zero_shot.copy_(head)

    def fit_batch(
        self,
        embeddings: Float[Tensor, "b n d"],
        is_placeholder: Bool[Tensor, "b n"],
        present: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b d_plus_1"]:
        """Heads of b support sets at once; differentiable."""
        label = is_placeholder.to(embeddings.dtype)
        weight = balanced_weights(is_placeholder, present).to(embeddings.dtype)
        start = self.zero_shot.to(embeddings.dtype).expand(len(embeddings), -1)
        # A sum of losses that share no parameter: each head moves by its own task's gradient.
        loss = partial(self._loss, embeddings, label, weight)
        params = adapt_parameters(loss, {"head": start}, steps=self.steps, rate=self.rate)
        return params["head"]

    @torch.no_grad()
    def leave_one_out(self, embeddings: Tensor, is_placeholder: Tensor) -> Tensor:
        """Probability (n,) of each example under the head tuned on the others, all at once."""
        check_support(embeddings, is_placeholder, self.embedding_dim)
        n = len(embeddings)
        x = embeddings.float()
        others = ~torch.eye(n, dtype=torch.bool, device=x.device)
        states = self.fit_batch(x.expand(n, n, -1), is_placeholder.expand(n, n), others)
        return to_probability(self.logits(states, x[:, None])[:, 0])

    def _loss(self, x: Tensor, label: Tensor, weight: Tensor, params: Parameters) -> Tensor:
        logits = self.logits(params["head"], x)
        return functional.binary_cross_entropy_with_logits(logits, label, weight, reduction="sum")
