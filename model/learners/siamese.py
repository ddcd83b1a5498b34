"""Siamese network: are these two pictures of one class? Asked of the query and every example.

``pair_logits`` and ``most_similar`` are the method for any number of classes; ``Siamese`` is the
learner of this project, with two.
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

# The similarity of a class without examples: below every other, and finite for gradients.
_NEVER = -1e9


def pair_logits(
    queries: Float[Tensor, "b q d"],
    support: Float[Tensor, "b n d"],
    weight: Float[Tensor, " d"],
    bias: float | Tensor = 0.0,
) -> Float[Tensor, "b q n"]:
    """Log odds that two twin embeddings are of one class (Koch et al. 2015, section 3.1).

    The paper's p = sigmoid(sum_j alpha_j |h_1j - h_2j|); here weight_j = -alpha_j, so that a
    positive weight makes a distance count against sameness, and a bias.
    """
    return bias - ((queries[:, :, None] - support[:, None]).abs() * weight).sum(-1)


def most_similar(
    similarity: Float[Tensor, "b q n"],
    one_hot: Shaped[Tensor, "b n c"],
    present: Bool[Tensor, "b n"],
) -> Float[Tensor, "b q c"]:
    """Each class's similarity is that of its most similar example.

    Its argmax is the paper's one-shot decision, C* = argmax_c p^(c) (section 4.3), whatever the
    number of shots. A class without examples has -1e9.
    """
    member = one_hot.bool() & present[..., None]
    # One absent row more: there is no maximum over no row at all.
    similarity = functional.pad(similarity, (0, 1))
    member = functional.pad(member, (0, 0, 0, 1))
    return similarity[..., None].masked_fill(~member[:, None], _NEVER).amax(2)


class Siamese(MetaLearner):
    """Siamese network with meta-learned prior twins.

    Gregory Koch, Richard Zemel and Ruslan Salakhutdinov, "Siamese Neural Networks for One-shot
    Image Recognition", ICML deep learning workshop 2015,
    https://www.cs.cmu.edu/~rsalakhu/papers/oneshot1.pdf. Inductive.

    Twins: x becomes h = sigmoid(B x + c), and two pictures are alike by the weighted L1 distance
    of their h. The paper's decision is the class of the most similar example; its log odds here are

        g (max over placeholders s(x, x_i) - max over real pictures s(x, x_i)) + a,

    s being the log odds of sameness, g > 0 and a meta-learned: 0 is where the paper's decision
    changes over, if a is 0, and g makes the margin a calibrated one. Trained by the loss of whole
    tasks like every learner here, not by pairs: the pairs that matter are those of one task.

    A few prior twins of each label, meta-learned with a handicap, compete with the examples: they
    answer alone for an empty support, and for the label that a one-sided support lacks.

    The state holds the twins h, so a support set larger than ``capacity`` is refused.

    Args:
        embedding_dim: d.
        width: numbers in h, at most d; 0 means d.
        priors: prior twins of each label, at least 1.
        capacity: examples that a state has room for.
    """

    name: ClassVar[str] = "siamese"

    def __init__(
        self,
        embedding_dim: int,
        width: int = 128,
        priors: int = 4,
        capacity: int = example_rows.DEFAULT_CAPACITY,
    ) -> None:
        super().__init__(embedding_dim)
        if priors < 1:
            raise SupportError(f"each label needs at least 1 prior twin, got {priors}")
        self._width = chosen_width(width, embedding_dim)
        self._capacity = example_rows.check_capacity(capacity)
        self.twin = nn.Linear(embedding_dim, self._width)
        with torch.no_grad():
            # A row of unit length has small numbers: out to where the sigmoid bends.
            self.twin.weight.copy_(math.sqrt(self._width) * torch.eye(self._width, embedding_dim))
            self.twin.bias.zero_()
        self.weight = nn.Parameter(torch.full((self._width,), 16.0 / self._width))
        self.bias = nn.Parameter(torch.tensor(2.0))
        # Before the sigmoid; apart from each other, or they would learn the same.
        self.prior = nn.Parameter(torch.randn(2 * priors, self._width))
        self.prior_offset = nn.Parameter(torch.zeros(2 * priors))
        self.log_gain = nn.Parameter(torch.zeros(()))
        self.shift = nn.Parameter(torch.zeros(()))

    @property
    def state_size(self) -> int:
        return example_rows.state_size(self._width, self._capacity)

    def fit_batch(
        self,
        embeddings: Float[Tensor, "b n d"],
        is_placeholder: Bool[Tensor, "b n"],
        present: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b s"]:
        """The twins of the examples; differentiable.

        Raises:
            SupportError: a support set is larger than the capacity.
        """
        rows = torch.sigmoid(self.twin(embeddings))
        return example_rows.pack(rows, is_placeholder, present, self._capacity)

    def logits(
        self, states: Float[Tensor, "b s"], queries: Float[Tensor, "b q d"]
    ) -> Float[Tensor, "b q"]:
        """g (most similar placeholder - most similar real picture) + a."""
        rows, label, present = example_rows.unpack(states, self._width)
        b, priors = len(states), len(self.prior)
        own = torch.arange(priors, device=label.device) % 2 == 1
        twins = torch.cat([rows, torch.sigmoid(self.prior).expand(b, -1, -1)], dim=1)
        similarity = pair_logits(torch.sigmoid(self.twin(queries)), twins, self.weight, self.bias)
        similarity = similarity + functional.pad(self.prior_offset, (rows.shape[1], 0))
        by_class = most_similar(
            similarity,
            example_rows.two_way(torch.cat([label, own.expand(b, -1)], dim=1)),
            functional.pad(present, (0, priors), value=True),
        )
        return self.log_gain.exp() * (by_class[..., 1] - by_class[..., 0]) + self.shift
