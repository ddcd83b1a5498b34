"""An expert over a few dozen numbers of a picture, adapted by the few-shot learner of all of them.

What the encoder's embedding is for the visual head, these numbers are for the others: brought to
one scale, joined by random features of them (rectified projections: what a head that is linear can
then tell apart is not; Rahimi and Recht 2008, "Weighted sums of random kitchen sinks"), turned, of
unit length, and then the same closed-form learner with priors of its own
(``model.learners.blended_prior``). So a category can turn an expert around: "NO PHOTO" is a poster
shop's product, and flat tiles are a paint shop's.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from model.errors import SupportError
from model.learners.blended_prior import BlendedPrior

# Standard deviations beyond which a number says no more: one odd size must not hide all the rest.
_MOST = 4.0
_SEED = 20261123


class SignalExpert(nn.Module):
    """Signals to embeddings, and the learner over them.

    Args:
        signals: s, how many numbers a signal has.
        components: of the learner's prior.
        doubt: of the learner's prior; see ``BlendedPrior``.
        hidden: h, how many random features stand beside the numbers.

    Attributes:
        dim: d = s + h, width of the embedding.
        mean, deviation: shape (s,): what brings the signal's numbers to one scale.
        directions, offsets: shapes (s, h) and (h,): of the random features, drawn once for all.
        projection: after that; made by meta-training.
        learner: trained in place by ``model.training.learner_stage``.
    """

    mean: Tensor
    deviation: Tensor
    directions: Tensor
    offsets: Tensor

    def __init__(
        self, signals: int, components: int = 4, doubt: float = 0.0, hidden: int = 0
    ) -> None:
        super().__init__()
        self.signals = signals
        self.hidden = hidden
        self.dim = signals + hidden
        self.register_buffer("mean", torch.zeros(signals))
        self.register_buffer("deviation", torch.ones(signals))
        drawn = torch.Generator().manual_seed(_SEED)
        directions = torch.randn(signals, hidden, generator=drawn) / math.sqrt(signals)
        self.register_buffer("directions", directions)
        self.register_buffer("offsets", torch.randn(hidden, generator=drawn) / 2)
        self.projection: nn.Module = nn.Linear(self.dim, self.dim)
        self.learner = BlendedPrior(self.dim, components, doubt=doubt)

    def standardise(self, signals: Float[Tensor, "n s"]) -> None:
        """Take mean and deviation from these signals; what does not vary counts for nothing.

        Raises:
            SupportError: fewer than two signals.
        """
        if len(signals) < 2:
            raise SupportError(f"a scale needs at least two signals, got {len(signals)}")
        self.mean.copy_(signals.mean(0))
        spread = signals.std(0)
        self.deviation.copy_(torch.where(spread > 1e-6, spread, torch.inf))

    def scaled(self, signals: Float[Tensor, "n s"]) -> Float[Tensor, "n d"]:
        """One scale, bounded, with the random features, of unit length: what the projection is
        trained on."""
        bounded = ((signals - self.mean) / self.deviation).clamp(-_MOST, _MOST)
        plain = bounded / math.sqrt(self.signals)
        if self.hidden:
            features = functional.relu(bounded @ self.directions + self.offsets)
            plain = torch.cat([plain, features * math.sqrt(2 / self.hidden)], dim=1)
        return functional.normalize(plain, dim=1)

    def embed_pooled(self, pooled: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Scaled signals to embeddings of unit length."""
        projected: Tensor = self.projection(pooled)
        return functional.normalize(projected, dim=1)

    def embed(self, signals: Float32[np.ndarray, "n s"]) -> Float32[np.ndarray, "n d"]:
        """Signals to embeddings of unit length.

        In NumPy, as a service asks for one picture at a time: of what :meth:`scaled` and
        :meth:`embed_pooled` take there, most is torch getting ready for each step.

        Raises:
            SupportError: signals of another width.
        """
        if signals.ndim != 2 or signals.shape[1] != self.signals:
            raise SupportError(f"signals must have shape (n, {self.signals}), got {signals.shape}")
        bounded = (signals - self.mean.numpy()) / self.deviation.numpy()
        bounded = bounded.clip(-_MOST, _MOST, out=bounded)
        plain = bounded * np.float32(1 / math.sqrt(self.signals))
        if self.hidden:
            features = bounded @ self.directions.numpy() + self.offsets.numpy()
            features = features.clip(0, None, out=features)
            features *= np.float32(math.sqrt(2 / self.hidden))
            plain = np.concatenate([plain, features], axis=1)
        turn = cast(nn.Linear, self.projection)
        projected = _of_unit_length(plain) @ turn.weight.detach().numpy().T
        projected += turn.bias.detach().numpy()
        return _of_unit_length(projected)


def _of_unit_length(rows: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
    """As ``torch.nn.functional.normalize``."""
    length = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    found: np.ndarray = rows / np.maximum(length, np.float32(1e-12))
    return found
