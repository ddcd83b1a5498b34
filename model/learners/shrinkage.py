"""Hierarchical Bayes with one Gaussian prior, whose trust is a learned function of the support.

``gaussian_posterior`` is the conjugate arithmetic; ``Shrinkage`` is the learner. The question it
answers is the one of the default learner (``model.learners.prior_mixture``), asked of one prior:
not *which* prior, but *how far* to trust it.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from model.learners.linear import LinearLearner

# Added to the noise variance: keeps the Gram matrix well conditioned in float32 even where two
# examples are the same picture.
MIN_NOISE = 1e-3
_KNOWN = 7
_HIDDEN = 16


def gaussian_posterior(
    features: Float[Tensor, "b n p"],
    targets: Float[Tensor, "b n"],
    present: Bool[Tensor, "b n"],
    mean: Float[Tensor, "b p"],
    variance: Float[Tensor, "b p"],
    noise: Float[Tensor, " b"],
) -> tuple[Float[Tensor, "b p"], Float[Tensor, " b"]]:
    """E[w | y] and log p(y) of y = X w + e, w ~ N(m, diag(v)), e ~ N(0, s I); differentiable.

    Rasmussen and Williams 2006, section 2.1, through the (n, n) system A = X diag(v) X^T + s I,
    n being tens where p is hundreds: E[w | y] = m + diag(v) X^T A^-1 (y - X m).

    Args:
        targets: y; any number where a row is padding.
        present: False where a row is padding.
        mean: m, which is returned where there are no examples.
        variance: v, above 0. noise: s, above 0, a variance too.
    Returns:
        the posterior mean, and the log evidence, 0 where there are no examples.
    """
    x = features * present[..., None]
    residual = (targets - torch.einsum("bnp,bp->bn", x, mean)) * present
    spread = x * variance[:, None]
    # Padding gets a 1 on the diagonal: it adds nothing to the determinant or the solution.
    diagonal = torch.where(present, noise[:, None], torch.ones_like(noise)[:, None])
    lower = torch.linalg.cholesky(spread @ x.mT + torch.diag_embed(diagonal))
    solved = torch.cholesky_solve(residual[..., None], lower)[..., 0]
    log_det = 2 * lower.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    count = present.sum(1)
    log_evidence = -0.5 * ((residual * solved).sum(-1) + log_det + count * math.log(2 * math.pi))
    return mean + torch.einsum("bn,bnp->bp", solved, spread), log_evidence


class Shrinkage(LinearLearner):
    """Bayesian linear regression whose shrinkage is learned by counts and evidence.

    Hierarchical Bayes as in Grant, Finn, Levine, Darrell and Griffiths, "Recasting gradient-based
    meta-learning as hierarchical Bayes", ICLR 2018, https://arxiv.org/abs/1801.08930: the prior's
    parameters are fitted over tasks (empirical Bayes), and the posterior of each task is closed
    form (Harrison, Sharma and Pavone, "Meta-learning priors for efficient online Bayesian
    regression", WAFR 2018, https://arxiv.org/abs/1807.08912). Inductive. With x = (embedding, 1),

        w   ~ N(a m, c^2 diag(s^2))      a: how much of the prior's opinion, c: how firmly
        y_i = x_i . w + e_i,  e_i ~ N(0, v),  y = +1 for a placeholder, -1 for a real picture
        head = g E[w | y], plus h on the bias

    m and s are meta-learned vectors. The trust (a, c, v) and the calibration (g, h) are the
    meta-learned function of seven numbers: how many pictures of each label, whether one is missing,
    how uneven they are, how badly the untouched prior (a = c = 1) predicts the pictures of each
    label, and its log evidence per picture. So few examples can be shrunk hard towards the prior,
    many loosely, and examples that contradict it more loosely still.

    At n = 0 the head is the prior mean as far as its trust at no examples goes: meta-learned, 0.5
    at first. With one label alone it is the posterior of what that label can tell.

    Args:
        embedding_dim: d.
    """

    name: ClassVar[str] = "shrinkage"

    def __init__(self, embedding_dim: int) -> None:
        super().__init__(embedding_dim)
        self.mean = nn.Parameter(torch.zeros(embedding_dim + 1))
        self.log_scale = nn.Parameter(torch.zeros(embedding_dim + 1))
        self.log_noise = nn.Parameter(torch.tensor(math.log(0.1)))
        last = nn.Linear(_HIDDEN, 5)
        self.trust = nn.Sequential(nn.Linear(_KNOWN, _HIDDEN), nn.Tanh(), last)
        # The same trust for every support set to begin with: the base prior as it is.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def fit_batch(
        self,
        embeddings: Float[Tensor, "b n d"],
        is_placeholder: Bool[Tensor, "b n"],
        present: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b d_plus_1"]:
        """Heads of b support sets; differentiable."""
        x = functional.pad(embeddings, (0, 1), value=1.0)
        y = is_placeholder.to(x.dtype) * 2 - 1
        b = len(x)
        mean, variance = self.mean.expand(b, -1), (2 * self.log_scale).exp().expand(b, -1)
        noise = self.log_noise.exp().expand(b) + MIN_NOISE
        _, log_evidence = gaussian_posterior(x, y, present, mean, variance, noise)
        known = self._known(y - x @ self.mean, is_placeholder, present, log_evidence)
        scale, width, noisier, gain, shift = self.trust(known).unbind(-1)
        posterior, _ = gaussian_posterior(
            x,
            y,
            present,
            (1 + scale)[:, None] * mean,
            (2 * width).exp()[:, None] * variance,
            (self.log_noise + noisier).exp() + MIN_NOISE,
        )
        # softplus, scaled to 4 where the network says 0: the regression answers within [-1, 1].
        head = 4 * functional.softplus(gain + math.log(math.e - 1))[:, None] * posterior
        return torch.cat([head[:, :-1], head[:, -1:] + shift[:, None]], dim=1)

    @staticmethod
    def _known(
        residual: Tensor, is_placeholder: Tensor, present: Tensor, log_evidence: Tensor
    ) -> Tensor:
        """The seven numbers (b, 7) that decide the trust; finite for every support set."""
        sides = torch.stack([is_placeholder & present, ~is_placeholder & present], dim=1)
        count = sides.sum(-1).to(residual.dtype)  # (b, 2)
        error = (residual.square()[:, None] * sides).sum(-1) / count.clamp_min(1)
        log_count = count.log1p()
        one_sided = (count > 0).sum(1) == 1
        return torch.cat(
            [
                log_count,
                one_sided[:, None],
                (log_count[:, 0] - log_count[:, 1])[:, None],
                # A prior that is sure and wrong has no bound; the network's input needs one.
                error.log1p(),
                (-log_evidence / count.sum(1).clamp_min(1)).arctan()[:, None],
            ],
            dim=1,
        )
