"""The top-level meta-learner: several experts' log odds become one calibrated probability.

Stacking (Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1) with weights that depend on the category,
as a mixture of experts gates its own (Jacobs et al. 1991, doi:10.1162/neco.1991.3.1.79), pooled
in the log odds (Genest and Zidek 1986, doi:10.1214/ss/1177013825): for a picture of which the
experts A have spoken,

    z = b(c, A) + sum over e in A of w_e(c, A) z_e,     w_e >= 0

c is the category's context (``model.metalearner.context``): how many examples, and each expert's
record on them. w and b come from one small network, held down hard: the experts of a strange shop
are surer than they should be, and what the network learns of that in the categories at hand goes
only so far. (A further term that saw how the experts agree made that worse: docs/benchmarks.md.)
It is meta-trained over many categories, with experts left out at
random, so that the answer is calibrated whoever has spoken: the policy may stop at any time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor, nn
from torch.nn import functional

from model.errors import SupportError

# Beyond it an expert is as sure as it can get: one number must not outvote all the others.
MOST = 12.0
_HIDDEN = 32


@dataclass(frozen=True, eq=False)
class Weighing:
    """The weights of one category or of several: for every subset of the experts, since that is all
    they depend on. A service that asks often looks them up.

    Attributes:
        weights: shape (..., 2**e, e), by the number of the subset, bit j for expert j.
        offsets: shape (..., 2**e).
    """

    weights: Float32[np.ndarray, "*k s e"]
    offsets: Float32[np.ndarray, "*k s"]

    def of(
        self, category: Int[np.ndarray, " n"], answered: Bool[np.ndarray, "n e"]
    ) -> tuple[Float32[np.ndarray, "n e"], Float32[np.ndarray, " n"]]:
        """What :meth:`Combination.weights` gives, where these are of several categories."""
        subset = answered @ (1 << np.arange(answered.shape[1]))
        return self.weights[category, subset], self.offsets[category, subset]

    def combined(
        self,
        category: Int[np.ndarray, " n"],
        logits: Float32[np.ndarray, "n e"],
        answered: Bool[np.ndarray, "n e"],
    ) -> Float32[np.ndarray, " n"]:
        """What :class:`Combination` gives, where these are of several categories."""
        weights, offsets = self.of(category, answered)
        # The weight of an expert that did not speak is 0.
        found: np.ndarray = (weights * logits.clip(-MOST, MOST)).sum(1) + offsets
        return found


class Combination(nn.Module):
    """Weighs the experts that spoke into one logit.

    Args:
        experts: E, how many there are.
        context: C, length of a category's context.
    """

    def __init__(self, experts: int, context: int) -> None:
        super().__init__()
        self.experts = experts
        self.context = context
        last = nn.Linear(_HIDDEN, experts + 1)
        self.weigh = nn.Sequential(nn.Linear(context + experts, _HIDDEN), nn.Tanh(), last)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def weights(
        self, answered: Bool[Tensor, "n e"], context: Float[Tensor, "n c"]
    ) -> tuple[Float[Tensor, "n e"], Float[Tensor, " n"]]:
        """Weight of each expert, 0 of those that did not speak, and the offset b."""
        spoke = answered.to(context.dtype)
        raw = self.weigh(torch.cat([context, spoke], dim=1))
        # softplus(raw + log(e - 1)) is 1 at raw = 0; shared, the experts begin as an average.
        weight = functional.softplus(raw[:, :-1] + math.log(math.e - 1)) * spoke
        return weight / spoke.sum(1, keepdim=True).clamp_min(1), raw[:, -1]

    @torch.no_grad()
    def weighing(self, contexts: Float[np.ndarray, "k c"]) -> Weighing:
        """What :meth:`weights` says of k categories, whoever speaks."""
        number = np.arange(1 << self.experts)
        spoke = torch.from_numpy((number[:, None] >> np.arange(self.experts)) % 2 == 1)
        k = len(contexts)
        each = torch.from_numpy(contexts).float().repeat_interleave(len(number), 0)
        weights, offsets = self.weights(spoke.repeat(k, 1), each)
        shape = k, len(number)
        return Weighing(weights.reshape(*shape, -1).numpy(), offsets.reshape(shape).numpy())

    def forward(
        self,
        logits: Float[Tensor, "n e"],
        answered: Bool[Tensor, "n e"],
        context: Float[Tensor, "n c"],
    ) -> Float[Tensor, " n"]:
        """Log odds of being a placeholder.

        Args:
            logits: each expert's; ignored where it did not speak.
            answered: False where it abstained or was not asked.
            context: of each row's category.
        Raises:
            SupportError: the shapes do not belong together.
        """
        n = len(context)
        wanted = ((n, self.experts), (n, self.experts), (n, self.context))
        came = (tuple(logits.shape), tuple(answered.shape), tuple(context.shape))
        if came != wanted:
            raise SupportError(
                f"logits, answered and context must have shapes {wanted}, got {came}"
            )
        z = torch.where(answered, logits.clamp(-MOST, MOST), 0.0)
        weight, offset = self.weights(answered, context)
        pooled: Tensor = (weight * z).sum(1) + offset
        return pooled
