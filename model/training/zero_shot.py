"""The head for a category that has no examples: one logistic regression over all pictures.

Fitted as if both were equally frequent, then moved to how frequent stand-ins are in catalogues: a
head that expects every other picture to be one raises an alarm for one product in twenty. Drawn
stand-ins count a fifth: they are many, and none of them is real. Products that are known to look
like stand-ins count three times: they are few, and the head errs on them first. Drawn goods and
clip art are left out: only a support set can tell what they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from model.errors import EpisodeError
from model.training.sources import ViewLabel

_DRAWN_WEIGHT = 0.2
_HARD_WEIGHT = 3.0


def fit_zero_shot(
    embeddings: Tensor,
    labels: Sequence[ViewLabel],
    fixed_dim: int,
    inverse_penalty: float,
    frequency: float,
) -> Tensor:
    """Weight and bias (d + 1,), zero beyond the first ``fixed_dim`` numbers.

    Minimises sum_i u_i log(1 + exp(-y_i (w . x_i + b))) + |w|^2 / (2 C), with u the weights
    above, scaled so that both labels weigh the same and all together as many as there are.

    Args:
        embeddings: shape (n, d); labels: of the same views, all of them for training.
        fixed_dim: numbers that no task has trained; what tasks taught the others is true of tasks.
        inverse_penalty: C, above 0.
        frequency: of stand-ins among a catalogue's pictures, between 0 and 1; b moves by its
            log odds.
    Raises:
        EpisodeError: there are no stand-ins or no products.
    """
    asked = [v.is_decided for v in labels]
    kept = torch.tensor(asked)
    x = embeddings[kept, :fixed_dim].double()
    y = torch.tensor([v.is_standin for v, ask in zip(labels, asked, strict=True) if ask])
    if bool(y.all()) or not bool(y.any()):
        raise EpisodeError(
            f"a zero-shot head needs both sorts of pictures, got {int(y.sum())} stand-ins and "
            f"{int((~y).sum())} products"
        )
    weight = torch.tensor(
        [_weight(v) for v, ask in zip(labels, asked, strict=True) if ask],
        dtype=torch.double,
    )
    for side in (y, ~y):
        weight[side] *= 0.5 * len(y) / weight[side].sum()
    theta = torch.zeros(fixed_dim + 1, dtype=torch.double, requires_grad=True)
    solver = torch.optim.LBFGS(
        [theta], max_iter=500, tolerance_grad=1e-8, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        solver.zero_grad()
        fit = functional.binary_cross_entropy_with_logits(
            x @ theta[:-1] + theta[-1], y.double(), weight, reduction="sum"
        )
        value: Tensor = (fit + theta[:-1].square().sum() / (2 * inverse_penalty)) / len(y)
        torch.autograd.backward(value)
        return value

    solver.step(loss)  # type: ignore[no-untyped-call]
    head = torch.zeros(embeddings.shape[1] + 1)
    head[:fixed_dim] = theta[:-1].detach()
    head[-1] = theta[-1].detach() + math.log(frequency / (1 - frequency))
    return head


def _weight(label: ViewLabel) -> float:
    if label.drawn:
        return _DRAWN_WEIGHT
    return _HARD_WEIGHT if label.hardtag and not label.is_standin else 1.0
