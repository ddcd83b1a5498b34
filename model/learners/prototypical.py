"""Prototypical networks: a class is the mean of its examples.

``prototypes`` and ``prototype_logits`` are the method for any number of classes;
``Prototypical`` is the learner of this project, with two.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from model.errors import SupportError
from model.learners.example_rows import two_way
from model.learners.linear import LinearLearner
from model.learners.width import chosen_width


def prototypes(
    embeddings: Float[Tensor, "b n d"],
    one_hot: Shaped[Tensor, "b n c"],
    present: Bool[Tensor, "b n"],
    prior: Float[Tensor, "c d"] | None = None,
    pseudo_count: Float[Tensor, " c"] | None = None,
) -> Float[Tensor, "b c d"]:
    """Mean embedding of each class (Snell et al. 2017, equation 1).

    With a prior, class k's prototype is (kappa_k p_k + sum of its examples) / (kappa_k + n_k): the
    prior counts as kappa_k examples, and answers alone for a class that has none.

    Args:
        one_hot: 1 where example n belongs to class c; any dtype.
        present: False where a row is padding.
        prior: p, given together with ``pseudo_count``.
        pseudo_count: kappa, above 0, in examples.
    Raises:
        SupportError: without a prior, a class of some task has no example; or only one of prior
            and pseudo-count came.
    """
    if (prior is None) != (pseudo_count is None):
        raise SupportError("prior and pseudo_count belong together; give both or neither")
    member = one_hot.to(embeddings.dtype) * present[..., None]
    total = member.mT @ embeddings
    count = member.sum(1)
    if prior is not None and pseudo_count is not None:
        total = total + pseudo_count[:, None] * prior
        count = count + pseudo_count
    elif bool((count == 0).any()):
        task, label = (count == 0).nonzero()[0].tolist()
        raise SupportError(f"class {label} of task {task} has no example, and no prior was given")
    return total / count[..., None]


def prototype_logits(
    queries: Float[Tensor, "b q d"],
    centres: Float[Tensor, "b c d"],
    scale: float | Tensor = 1.0,
) -> Float[Tensor, "b q c"]:
    """- scale |x - c_k|^2: their softmax is the paper's equation 2 at scale 1."""
    product = queries @ centres.mT
    squared = queries.square().sum(-1)[..., None] - 2 * product + centres.square().sum(-1)[:, None]
    return -scale * squared


class Prototypical(LinearLearner):
    """Prototypical network with meta-learned prior prototypes.

    Jake Snell, Kevin Swersky and Richard Zemel, "Prototypical Networks for Few-shot Learning",
    NeurIPS 2017, https://arxiv.org/abs/1703.05175. Inductive.

    An embedding x is projected to z = A x, where A starts as the identity. Each of the two labels
    has a prior prototype worth kappa examples (all meta-learned), so that a label without examples
    answers with its prior prototype, and an empty support with both: at first both are the origin,
    and an empty support answers 0.5. With squared distances the log odds are linear in x,

        t (|A x - c_0|^2 - |A x - c_1|^2) = 2 t (A^T (c_1 - c_0)) . x + t (|c_0|^2 - |c_1|^2),

    so a head is one vector and a bias, whatever the number of examples.

    Args:
        embedding_dim: d.
        width: rows of A, at most d; 0 means d.

    Example:
        >>> learner = Prototypical(embedding_dim=4)
        >>> head = learner.adapt(torch.eye(4)[:2], torch.tensor([True, False]))
        >>> bool(learner.score(head, torch.eye(4)[:1]) > 0.5)
        True
    """

    name: ClassVar[str] = "prototypical"

    def __init__(self, embedding_dim: int, width: int = 0) -> None:
        super().__init__(embedding_dim)
        width = chosen_width(width, embedding_dim)
        self.projection = nn.Parameter(torch.eye(width, embedding_dim))
        self.prior = nn.Parameter(torch.zeros(2, width))
        self.log_pseudo_count = nn.Parameter(torch.zeros(2))
        self.log_scale = nn.Parameter(torch.tensor(math.log(4.0)))

    def fit_batch(
        self,
        embeddings: Float[Tensor, "b n d"],
        is_placeholder: Bool[Tensor, "b n"],
        present: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b d_plus_1"]:
        """Heads (A^T (c_1 - c_0), bias) of b support sets; differentiable."""
        projected = embeddings @ self.projection.T
        count = self.log_pseudo_count.exp()
        centres = prototypes(projected, two_way(is_placeholder), present, self.prior, count)
        real, placeholder = centres.unbind(1)
        scale = self.log_scale.exp()
        weight = 2 * scale * (placeholder - real) @ self.projection
        bias = scale * (real.square().sum(1) - placeholder.square().sum(1))
        return torch.cat([weight, bias[:, None]], dim=1)
