"""Ridge regression heads with a learned prior: the inner loop in closed form.

``ridge_weights`` is the method for any number of outputs; ``Ridge`` is the learner of this project.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn
from torch.nn import functional

from model.learners.linear import LinearLearner
from model.learners.width import chosen_width

# The least penalty: keeps the Gram matrix well conditioned in float32 even where two examples are
# the same picture.
MIN_PENALTY = 1e-4


def ridge_weights(
    features: Float[Tensor, "b n d"],
    targets: Shaped[Tensor, "b n c"],
    present: Bool[Tensor, "b n"],
    penalty: float | Tensor,
    prior: Float[Tensor, "d c"] | None = None,
) -> Float[Tensor, "b d c"]:
    """argmin_W |X W - Y|^2 + penalty |W - W_0|^2 (Bertinetto et al. 2019, equations 4 to 7).

    By the Woodbury identity W = W_0 + X^T (X X^T + penalty I)^-1 (Y - X W_0): an (n, n) system
    instead of a (d, d) one, n being tens where d is hundreds. The paper has W_0 = 0.

    Args:
        targets: Y, one column for each output, such as one-hot labels; any dtype.
        present: False where a row is padding.
        penalty: above 0; dimensionless where rows have unit length.
        prior: W_0, which is returned where there are no examples; None is 0.
    """
    x = features * present[..., None]
    residual = targets.to(x.dtype) * present[..., None]
    if prior is not None:
        residual = residual - x @ prior
    eye = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    # A row of padding is 0, and so is its residual: it adds nothing to X^T times the solution.
    lower = torch.linalg.cholesky(x @ x.mT + penalty * eye)
    update = x.mT @ torch.cholesky_solve(residual, lower)
    return update if prior is None else prior + update


class Ridge(LinearLearner):
    """Ridge regression with meta-learned penalty, prior head, scale and bias (R2-D2).

    Luca Bertinetto, Joao Henriques, Philip Torr and Andrea Vedaldi, "Meta-learning with
    differentiable closed-form solvers", ICLR 2019, https://arxiv.org/abs/1805.08136. Inductive.

    Targets are +1 for a placeholder and -1 for a real picture, x has a 1 appended, and the
    regression's answer becomes log odds as the paper has it, alpha (w . x) + beta. One thing is
    added: w is drawn towards a meta-learned w_0 instead of 0, so an empty support answers with
    alpha (w_0 . x) + beta, at first 0.5, and one label alone with w_0 moved as far as it can tell.

    The paper meta-learns the features together with the head; here that is a projection A x that
    starts as the identity. It collapses into the head, A^T w, so a head is one vector and a bias.

    Args:
        embedding_dim: d.
        width: rows of A, at most d; 0 means d.
    """

    name: ClassVar[str] = "ridge"

    def __init__(self, embedding_dim: int, width: int = 0) -> None:
        super().__init__(embedding_dim)
        width = chosen_width(width, embedding_dim)
        self.projection = nn.Parameter(torch.eye(width, embedding_dim))
        self.prior = nn.Parameter(torch.zeros(width + 1))
        self.log_penalty = nn.Parameter(torch.zeros(()))
        self.log_scale = nn.Parameter(torch.tensor(math.log(4.0)))
        self.shift = nn.Parameter(torch.zeros(()))

    def fit_batch(
        self,
        embeddings: Float[Tensor, "b n d"],
        is_placeholder: Bool[Tensor, "b n"],
        present: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b d_plus_1"]:
        """Heads alpha A^T w, with beta added to the bias; differentiable."""
        x = functional.pad(embeddings @ self.projection.T, (0, 1), value=1.0)
        y = is_placeholder.to(x.dtype)[..., None] * 2 - 1
        penalty = self.log_penalty.exp() + MIN_PENALTY
        found = ridge_weights(x, y, present, penalty, self.prior[:, None])[..., 0]
        head = self.log_scale.exp() * found
        return torch.cat([head[:, :-1] @ self.projection, head[:, -1:] + self.shift], dim=1)
