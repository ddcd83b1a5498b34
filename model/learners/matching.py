"""Matching networks: a query's label is the attention-weighted vote of the examples.

``attention_log_probability`` and ``AttentionRead`` are the method for any number of classes;
``Matching`` is the learner of this project, with two.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn
from torch.nn import functional

from model.errors import SupportError
from model.learners import example_rows
from model.learners.meta import MetaLearner
from model.learners.width import chosen_width

# In place of log 0: finite, so that no gradient becomes NaN.
_NEVER = -1e9


def attention_log_probability(
    queries: Float[Tensor, "b q d"],
    support: Float[Tensor, "b n d"],
    one_hot: Shaped[Tensor, "b n c"],
    present: Bool[Tensor, "b n"],
    scale: float | Tensor = 1.0,
    offset: Float[Tensor, "b n"] | None = None,
) -> Float[Tensor, "b q c"]:
    """log P(class | query, S) of Vinyals et al. 2016, equation 1.

    P = sum_i a(x, x_i) y_i, where a is the softmax over the examples of scale times the cosine.
    Written with logarithms throughout: log P(c) is a difference of two log-sum-exps, exact
    where the probability itself would round to 0.

    Args:
        one_hot: 1 where example n belongs to class c; any dtype.
        present: False where a row is padding.
        scale: of the cosine; the paper has 1.
        offset: added to the scaled cosines, such as what an example is worth.
    Returns:
        Normalised over c. A class without examples has -1e9 instead of log 0; where no class has
        any, all are equally probable.
    """
    cosine = functional.normalize(queries, dim=-1) @ functional.normalize(support, dim=-1).mT
    energy = scale * cosine
    if offset is not None:
        energy = energy + offset[:, None]
    return class_log_sum(energy, one_hot, present).log_softmax(-1)


def class_log_sum(
    energy: Float[Tensor, "b q n"],
    one_hot: Shaped[Tensor, "b n c"],
    present: Bool[Tensor, "b n"],
) -> Float[Tensor, "b q c"]:
    """Log-sum-exp of each class's energies; -1e9 for a class without examples."""
    member = one_hot.bool() & present[..., None]
    # One absent row more: a log-sum-exp over no row at all would be -infinity.
    energy, member = functional.pad(energy, (0, 1)), functional.pad(member, (0, 0, 0, 1))
    masked = energy[..., None].masked_fill(~member[:, None], _NEVER)
    return masked.logsumexp(2)


class AttentionRead(nn.Module):
    """f of the full context embeddings: the query reads the support before it is compared.

    Vinyals et al. 2016, equations 3 to 6 (appendix A.1): K steps of an LSTM whose input is the
    query f'(x) and what attention (plain softmax of products) reads from the support, with h_0 =
    f'(x) and a skip connection from f'(x) to each h_k. Every step is a sum over the support, so
    its order is irrelevant.

    Args:
        width: of queries and support rows.
        steps: K, at least 1.
    """

    def __init__(self, width: int, steps: int) -> None:
        super().__init__()
        if steps < 1:
            raise SupportError(f"reading takes at least 1 step, got {steps}")
        self.steps = steps
        self.cell = nn.LSTMCell(2 * width, width)

    def forward(
        self,
        queries: Float[Tensor, "b q d"],
        support: Float[Tensor, "b n d"],
        present: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b q d"]:
        """f(x, S); a task without any example reads zeros."""
        b, q, d = queries.shape
        hidden, memory = queries, torch.zeros_like(queries).flatten(0, 1)
        weighed = present[:, None] & present.any(1)[:, None, None]
        for _ in range(self.steps):
            energy = (hidden @ support.mT).masked_fill(~weighed, _NEVER)
            read = (energy.softmax(-1) * weighed) @ support
            step, memory = self.cell(
                torch.cat([queries, read], dim=-1).flatten(0, 1), (hidden.flatten(0, 1), memory)
            )
            hidden = step.view(b, q, d) + queries
        return hidden


class Matching(MetaLearner):
    """Matching network with meta-learned prior examples.

    Oriol Vinyals, Charles Blundell, Timothy Lillicrap, Koray Kavukcuoglu and Daan Wierstra,
    "Matching Networks for One Shot Learning", NeurIPS 2016, https://arxiv.org/abs/1606.04080.
    Inductive.

    An embedding x is projected to z = A x, where A starts as the first rows of the identity, and a
    query attends to all examples by cosine, with a meta-learned sharpness. A few prior examples of
    each label, meta-learned with what they are worth, stand beside those of every support set: they
    answer alone for an empty support, and for the label that a one-sided support lacks.

    Of the full context embeddings, f is here (``reads`` steps, see ``AttentionRead``). g is left
    out: a bidirectional LSTM over the support makes the answer depend on the order of a set that
    has none; on Omniglot the paper found that context did not help much.

    The state holds the projected examples, so a support set larger than ``capacity`` is refused.

    Args:
        embedding_dim: d.
        width: rows of A, at most d; 0 means d.
        reads: steps of f; 0 compares the projected query itself.
        priors: prior examples of each label, at least 1.
        capacity: examples that a state has room for.
    """

    name: ClassVar[str] = "matching"

    def __init__(
        self,
        embedding_dim: int,
        width: int = 128,
        reads: int = 0,
        priors: int = 4,
        capacity: int = example_rows.DEFAULT_CAPACITY,
    ) -> None:
        super().__init__(embedding_dim)
        if priors < 1:
            raise SupportError(f"each label needs at least 1 prior example, got {priors}")
        self._width = chosen_width(width, embedding_dim)
        self._capacity = example_rows.check_capacity(capacity)
        self.projection = nn.Parameter(torch.eye(self._width, embedding_dim))
        self.read = AttentionRead(self._width, reads) if reads else None
        # Apart from each other, or they would learn the same.
        self.prior = nn.Parameter(torch.randn(2 * priors, self._width) / math.sqrt(self._width))
        self.prior_offset = nn.Parameter(torch.zeros(2 * priors))
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    @property
    def state_size(self) -> int:
        return example_rows.state_size(self._width, self._capacity)

    def fit_batch(
        self,
        embeddings: Float[Tensor, "b n d"],
        is_placeholder: Bool[Tensor, "b n"],
        present: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b s"]:
        """The projected examples; differentiable.

        Raises:
            SupportError: a support set is larger than the capacity.
        """
        rows = embeddings @ self.projection.T
        return example_rows.pack(rows, is_placeholder, present, self._capacity)

    def logits(
        self, states: Float[Tensor, "b s"], queries: Float[Tensor, "b q d"]
    ) -> Float[Tensor, "b q"]:
        """log P(placeholder) - log P(real picture)."""
        rows, label, present = example_rows.unpack(states, self._width)
        projected = queries @ self.projection.T
        if self.read is not None:
            projected = self.read(projected, rows, present)
        b, priors = len(states), len(self.prior)
        own = torch.arange(priors, device=label.device) % 2 == 1
        log_probability = attention_log_probability(
            projected,
            torch.cat([rows, self.prior.expand(b, -1, -1)], dim=1),
            example_rows.two_way(torch.cat([label, own.expand(b, -1)], dim=1)),
            functional.pad(present, (0, priors), value=True),
            self.log_scale.exp(),
            functional.pad(self.prior_offset, (rows.shape[1], 0)).expand(b, -1),
        )
        return log_probability[..., 1] - log_probability[..., 0]
