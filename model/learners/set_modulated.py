"""Feature-wise modulation of the embedding from a set encoder, then a ridge head.

The support set itself says which features count in its category: an encoder of the set scales and
shifts the embedding's features, and the closed-form head is fitted to what they have become.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from model.errors import SupportError
from model.learners.linear import LinearLearner
from model.learners.ridge import MIN_PENALTY, ridge_weights


class SetEncoder(nn.Module):
    """What a labelled set is like, whatever its order: rho(pooled phi(x) of each label, counts).

    Manzil Zaheer, Satwik Kottur, Siamak Ravanbakhsh, Barnabas Poczos, Ruslan Salakhutdinov and
    Alexander Smola, "Deep Sets", NIPS 2017, https://arxiv.org/abs/1703.06114 (theorem 2). phi is
    pooled by its mean within each label, so that the same pictures twice are the same set but for
    the counts, which are given apart.

    Args:
        embedding_dim: d. width: of phi and of the code.
    """

    def __init__(self, embedding_dim: int, width: int) -> None:
        super().__init__()
        self.phi = nn.Sequential(nn.Linear(embedding_dim, width), nn.Tanh())
        self.rho = nn.Sequential(nn.Linear(2 * width + 4, width), nn.Tanh())

    def forward(
        self,
        embeddings: Float[Tensor, "b n d"],
        is_placeholder: Bool[Tensor, "b n"],
        present: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b w"]:
        """Codes of b sets, padded to the same n (0 allowed); a missing label pools to 0."""
        sides = torch.stack([is_placeholder & present, ~is_placeholder & present], dim=1)
        sides = sides.to(embeddings.dtype)  # (b, 2, n)
        count = sides.sum(-1)
        pooled = sides @ self.phi(embeddings) / count.clamp_min(1)[..., None]
        seen = (count > 0).to(embeddings.dtype)
        code: Tensor = self.rho(torch.cat([pooled.flatten(1), count.log1p(), seen], dim=1))
        return code


class SetModulated(LinearLearner):
    """FiLM of the embedding by a deep-set code of the support, then ridge with a learned prior.

    Ethan Perez, Florian Strub, Harm de Vries, Vincent Dumoulin and Aaron Courville, "FiLM: Visual
    reasoning with a general conditioning layer", AAAI 2018, https://arxiv.org/abs/1709.07871, as
    James Requeima, Jonathan Gordon, John Bronskill, Sebastian Nowozin and Richard Turner adapt a
    network to a support set in CNAPs, NeurIPS 2019, https://arxiv.org/abs/1906.07697; a closed-form
    head upon it as Peyman Bateni, Raghav Goyal, Vaden Masrani, Frank Wood and Leonid Sigal have it
    in Simple CNAPs, CVPR 2020, https://arxiv.org/abs/1912.03432. Inductive. Where they modulate
    every block of the encoder, this modulates the embedding alone, so that one encoder pass serves
    all categories:

        z = code(S);  gamma = 1 + G z,  beta = B z                     feature by feature
        u(x) = gamma * x + beta;  v = ridge of y on (u, 1), drawn to (m, penalty from z)
        logit = g (v . u(x) + v_0) + h                                 g, h from z

    which is linear in x: the state is w = g gamma * v and b = g (v . beta + v_0) + h. A scale below
    0 turns a feature's meaning around for the prior m.

    An empty support has a code too, of no examples: its head is meta-learned, 0.5 at first. With
    one label alone the code knows which is missing, and v moves from m as far as one label can
    tell.

    Args:
        embedding_dim: d.
        width: of the set encoder, at least 1.
    """

    name: ClassVar[str] = "set-modulated"

    def __init__(self, embedding_dim: int, width: int = 64) -> None:
        super().__init__(embedding_dim)
        if width < 1:
            raise SupportError(f"the set encoder must be at least 1 wide, got {width}")
        self.encode = SetEncoder(embedding_dim, width)
        self.film = nn.Linear(width, 2 * embedding_dim)
        self.calibrate = nn.Linear(width, 3)
        # To begin with nothing is modulated: ridge with one prior for all.
        for layer in (self.film, self.calibrate):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.prior = nn.Parameter(torch.zeros(embedding_dim + 1))
        self.log_penalty = nn.Parameter(torch.zeros(()))

    def fit_batch(
        self,
        embeddings: Float[Tensor, "b n d"],
        is_placeholder: Bool[Tensor, "b n"],
        present: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b d_plus_1"]:
        """Heads of b support sets; differentiable."""
        code = self.encode(embeddings, is_placeholder, present)
        scale, beta = self.film(code).chunk(2, dim=-1)
        gamma = 1 + scale
        looser, raw_gain, shift = self.calibrate(code).unbind(-1)
        u = functional.pad(gamma[:, None] * embeddings + beta[:, None], (0, 1), value=1.0)
        y = is_placeholder.to(u.dtype)[..., None] * 2 - 1
        penalty = (self.log_penalty + looser).exp() + MIN_PENALTY
        v = ridge_weights(u, y, present, penalty[:, None, None], self.prior[:, None])[..., 0]
        # softplus, scaled to 4 where the code says 0: the regression answers within [-1, 1].
        v = 4 * functional.softplus(raw_gain + math.log(math.e - 1))[:, None] * v
        bias = v[:, -1] + (v[:, :-1] * beta).sum(1) + shift
        return torch.cat([gamma * v[:, :-1], bias[:, None]], dim=1)
