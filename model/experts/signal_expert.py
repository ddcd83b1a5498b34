"""An expert over a few dozen numbers of a picture, adapted by the few-shot learner of all of them.

What the encoder's embedding is for the visual head, these numbers are for the others: brought to
one scale, turned, of unit length, and then the same closed-form learner with priors of its own
(``model.learners.blended_prior``). So a category can turn an expert around: "NO PHOTO" is a poster
shop's product, and flat tiles are a paint shop's.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from model.errors import SupportError
from model.learners.blended_prior import BlendedPrior

# Standard deviations beyond which a number says no more: one odd size must not hide all the rest.
_MOST = 4.0


class SignalExpert(nn.Module):
    """Signals to embeddings, and the learner over them.

    Args:
        dim: d, how many numbers a signal has; the embedding has as many.
        components: of the learner's prior.
        doubt: of the learner's prior; see ``BlendedPrior``.

    Attributes:
        mean, deviation: shape (d,): what brings the signal's numbers to one scale.
        projection: after that; made by meta-training.
        learner: trained in place by ``model.training.learner_stage``.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, dim: int, components: int = 4, doubt: float = 0.0) -> None:
        super().__init__()
        self.dim = dim
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(dim))
        self.projection: nn.Module = nn.Linear(dim, dim)
        self.learner = BlendedPrior(dim, components, doubt=doubt)

    def standardise(self, signals: Float[Tensor, "n d"]) -> None:
        """Take mean and deviation from these signals; what does not vary counts for nothing.

        Raises:
            SupportError: fewer than two signals.
        """
        if len(signals) < 2:
            raise SupportError(f"a scale needs at least two signals, got {len(signals)}")
        self.mean.copy_(signals.mean(0))
        spread = signals.std(0)
        self.deviation.copy_(torch.where(spread > 1e-6, spread, torch.inf))

    def scaled(self, signals: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """One scale, bounded, unit length: what the projection is trained on."""
        bounded = ((signals - self.mean) / self.deviation).clamp(-_MOST, _MOST)
        return functional.normalize(bounded, dim=1)

    def embed_pooled(self, pooled: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Scaled signals to embeddings of unit length."""
        projected: Tensor = self.projection(pooled)
        return functional.normalize(projected, dim=1)

    @torch.no_grad()
    def embed(self, signals: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Signals to embeddings of unit length.

        Raises:
            SupportError: signals of another width.
        """
        if signals.ndim != 2 or signals.shape[1] != self.dim:
            raise SupportError(
                f"signals must have shape (n, {self.dim}), got {tuple(signals.shape)}"
            )
        return self.embed_pooled(self.scaled(signals.float()))
