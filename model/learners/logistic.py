"""The honest baseline: logistic regression on the support set alone, no prior but shrinkage to 0.

Minimises sum log(1 + exp(-y_i (w . x_i + b))) + |w|^2 / (2 C) by Newton's method (iteratively
reweighted least squares), the problem that scikit-learn's LogisticRegression solves for the same C,
which is what the tests compare it with. It forgets what all stand-ins have in common, and knows
nothing before both labels are there.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from model.errors import SupportError
from model.learners.linear import LinearLearner

_STEPS = 50
_TOLERANCE = 1e-10


class Logistic(LinearLearner):
    """Logistic regression of the support set.

    Without examples, or with one label only, the answer is 0.5: nothing can be told.

    Args:
        embedding_dim: d.
        inverse_penalty: C, above 0; dimensionless, as embeddings have unit length.
    """

    name: ClassVar[str] = "logistic"

    def __init__(self, embedding_dim: int, inverse_penalty: float = 10.0) -> None:
        super().__init__(embedding_dim)
        if not inverse_penalty > 0:
            raise SupportError(f"inverse_penalty must be above 0, got {inverse_penalty}")
        self.inverse_penalty = inverse_penalty

    def fit(self, embeddings: Float[Tensor, "n d"], is_placeholder: Tensor) -> Tensor:
        """Weight and bias (d + 1,); zeros where a label is missing."""
        n, k = len(is_placeholder), int(is_placeholder.sum())
        if k in (0, n):
            return torch.zeros(self.state_size)
        # w lies in the span of the examples, so Newton steps solve for n + 1 numbers, not d + 1:
        # w = X^T a turns the penalty into a^T G a / (2 C) with G = X X^T.
        x = embeddings.double()
        gram = x @ x.T
        target = is_placeholder.double()
        design = torch.cat([gram, torch.ones(n, 1, dtype=torch.double)], dim=1)
        penalty = torch.zeros(n + 1, n + 1, dtype=torch.double)
        penalty[:n, :n] = gram / self.inverse_penalty
        # The same picture twice makes G singular; the jitter picks one of the equal solutions.
        jitter = 1e-10 * torch.eye(n + 1, dtype=torch.double)
        theta = torch.zeros(n + 1, dtype=torch.double)
        loss = self._loss(theta, design, penalty, target)
        for _ in range(_STEPS):
            probability = torch.sigmoid(design @ theta)
            gradient = design.T @ (probability - target) + penalty @ theta
            curvature = (design * (probability * (1 - probability))[:, None]).T @ design
            step = torch.linalg.solve(curvature + penalty + jitter, gradient)
            size = 1.0
            # Halve the step until the loss falls: a full Newton step may overshoot.
            while size > 1e-6:
                tried = self._loss(theta - size * step, design, penalty, target)
                if tried <= loss:
                    break
                size /= 2
            theta = theta - size * step
            improved, loss = loss - tried, tried
            if improved.abs() < _TOLERANCE:
                break
        return torch.cat([x.T @ theta[:n], theta[n:]]).float()

    @staticmethod
    def _loss(theta: Tensor, design: Tensor, penalty: Tensor, target: Tensor) -> Tensor:
        margin = design @ theta
        fit = torch.nn.functional.binary_cross_entropy_with_logits(margin, target, reduction="sum")
        return fit + 0.5 * theta @ penalty @ theta
