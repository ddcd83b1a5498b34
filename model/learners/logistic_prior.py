"""Logistic regression under a learned prior: the inner loop in a few Newton steps.

``logistic_weights`` is the arithmetic; ``LogisticPrior`` is the learner.
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
from model.learners.width import chosen_width


def logistic_weights(
    features: Float[Tensor, "b n d"],
    is_placeholder: Bool[Tensor, "b n"],
    present: Bool[Tensor, "b n"],
    prior: Float[Tensor, " d"],
    variance: Float[Tensor, " d"],
    steps: int,
) -> Float[Tensor, "b d"]:
    """argmin_w sum_i log(1 + exp(-y_i w . x_i)) + 1/2 sum_j (w_j - m_j)^2 / v_j.

    The minimum lies in m + V X^T a, so Newton's method (iteratively reweighted least squares)
    solves for n numbers, with K = X V X^T, margins f = X m + K a, p = sigmoid(f), R = p (1 - p):

        a <- a + t (R^1/2 (I + R^1/2 K R^1/2)^-1 R^1/2 (X m + R^-1 (y - p) + K a - X m) - a),

    written without R^-1 (Rasmussen and Williams 2006, algorithm 3.1): no eigenvalue of the matrix
    to factor is below 1, in float32 too. A full step may overshoot and go round in circles where
    the prior is sure and wrong; with t = log(1 + s) / s, s being the largest change of a margin,
    every step lowers the loss, and t is 1 in the end (Sun and Tran-Dinh 2019, arXiv:1703.04599,
    on generalised self-concordance: the logistic loss has constant 1).

    Args:
        present: False where a row is padding.
        prior: m, returned as it is where there are no examples.
        variance: v, above 0.
        steps: Newton steps, at least 0; differentiated through.
    """
    x = features * present[..., None]
    target = is_placeholder.to(x.dtype)
    kernel = (x * variance) @ x.mT
    start = x @ prior
    eye = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    dual = torch.zeros_like(start)
    for _ in range(steps):
        change = (kernel @ dual[..., None])[..., 0]
        margin = start + change
        # The root of p (1 - p) by logarithms: its gradient stays finite where p is 0 or 1.
        root = (0.5 * (functional.logsigmoid(margin) + functional.logsigmoid(-margin))).exp()
        root = root * present
        pull = root.square() * change + (target - torch.sigmoid(margin)) * present
        lower = torch.linalg.cholesky(eye + root[..., None] * kernel * root[:, None])
        pulled = root * (kernel @ pull[..., None])[..., 0]
        solved = torch.cholesky_solve(pulled[..., None], lower)[..., 0]
        step = pull - root * solved - dual
        dual = dual + _damping((kernel @ step[..., None])[..., 0])[:, None] * step
    return prior + variance * (dual[:, None] @ x)[:, 0]


def _damping(change: Float[Tensor, "b n"]) -> Float[Tensor, " b"]:
    """t = log(1 + s) / s of a step that changes the margins so, s being the largest change."""
    if change.shape[1] == 0:
        return change.new_ones(len(change))
    largest = change.abs().amax(1)
    # At s = 0 both are 0: the limit is 1, and so that no gradient becomes NaN, s is kept above.
    largest = largest.clamp_min(torch.finfo(change.dtype).eps)
    return largest.log1p() / largest


class LogisticPrior(LinearLearner):
    """Logistic regression with a meta-learned Gaussian prior (LR-D2 with a prior).

    Luca Bertinetto, Joao Henriques, Philip Torr and Andrea Vedaldi, "Meta-learning with
    differentiable closed-form solvers", ICLR 2019, https://arxiv.org/abs/1805.08136. Inductive.

    The paper's LR-D2 solves logistic regression by a fixed number of Newton steps and meta-learns
    one penalty towards 0. Here the mean m and the variance v of every coordinate of the head are
    meta-learned: which directions tell stand-ins apart, and which of them may turn around. An
    empty support answers with m, at first 0.5; one label alone moves m as far as it can tell.

    The paper meta-learns the features together with the head; here that is a projection A x that
    starts as the identity, so that the prior on the head A^T w may have any covariance.

    Args:
        embedding_dim: d.
        width: rows of A, at most d; 0 means d.
        steps: Newton steps, at least 1.
    """

    name: ClassVar[str] = "logistic-prior"

    def __init__(self, embedding_dim: int, width: int = 0, steps: int = 10) -> None:
        super().__init__(embedding_dim)
        if steps < 1:
            raise SupportError(f"the head takes at least 1 Newton step, got {steps}")
        self._steps = steps
        width = chosen_width(width, embedding_dim)
        self.projection = nn.Parameter(torch.eye(width, embedding_dim))
        self.prior = nn.Parameter(torch.zeros(width + 1))
        self.log_variance = nn.Parameter(torch.full((width + 1,), math.log(10.0)))

    def fit_batch(
        self,
        embeddings: Float[Tensor, "b n d"],
        is_placeholder: Bool[Tensor, "b n"],
        present: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b d_plus_1"]:
        """Heads of b support sets; differentiable."""
        x = functional.pad(embeddings @ self.projection.T, (0, 1), value=1.0)
        variance = self.log_variance.exp()
        head = logistic_weights(x, is_placeholder, present, self.prior, variance, self._steps)
        return torch.cat([head[:, :-1] @ self.projection, head[:, -1:]], dim=1)
