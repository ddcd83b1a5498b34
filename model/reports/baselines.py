"""What a learner has to beat: logistic regression on frozen features, plain and pulled.

Three baselines on the same embeddings:

- :func:`fit_zero_shot`: one model for all categories, fitted to the training split;
- :class:`PlainLogistic`: scikit-learn's logistic regression of the support set alone;
- :class:`PulledLogistic`: the same problem with the penalty around the zero-shot model in place
  of around zero, so that few examples change it little.

Their constants are chosen on the training split alone (:func:`fit_zero_shot` by groups,
``model.reports.few_shot.choose_penalty`` by tasks), so that they are as good as they can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from model.calibration import sigmoid
from model.errors import MetricError, SupportError
from model.metrics import log_loss

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Tried for unit rows: scikit-learn's C, the inverse penalty."""
STANDARDISED_PENALTIES = (1e-3, 1e-2, 1e-1)
"""Tried for standardised rows, whose squared length is d in place of 1."""


@dataclass(frozen=True)
class Scaling:
    """Standardising of features; the identity is mean 0, scale 1."""

    mean: Float[np.ndarray, " d"]
    scale: Float[np.ndarray, " d"]

    @classmethod
    def of(cls, features: Float[np.ndarray, "n d"], standardise: bool) -> Scaling:
        """From the training split, or the identity."""
        if not standardise:
            return cls(np.zeros(features.shape[1]), np.ones(features.shape[1]))
        return cls(features.mean(0).astype(np.float64), features.std(0).astype(np.float64) + 1e-8)

    def apply(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Scaled rows, float64."""
        scaled: np.ndarray = (features.astype(np.float64) - self.mean) / self.scale
        return scaled


@dataclass(frozen=True)
class ZeroShot:
    """One linear model for every category, and how it was chosen.

    Attributes:
        penalty: scikit-learn's C. standardised: whether features were.
        tried: mean log loss over held-out groups of the training split, by choice.
    """

    weight: Float[np.ndarray, " d"]
    bias: float
    scaling: Scaling
    penalty: float
    standardised: bool
    tried: dict[str, float]

    def logits(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """Shape (n,), float64."""
        found: np.ndarray = self.scaling.apply(features) @ self.weight + self.bias
        return found

    def probabilities(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """Shape (n,), float64."""
        return sigmoid(self.logits(features))


def fit_zero_shot(
    features: Float[np.ndarray, "n d"],
    is_standin: Bool[np.ndarray, " n"],
    groups: Sequence[str],
    folds: int = 5,
) -> ZeroShot:
    """Fit to the training split; penalty and scaling chosen by whole groups left out in turn.

    Raises:
        MetricError: a label is missing, or there are fewer groups than folds.
    """
    if len(set(groups)) < folds:
        raise MetricError(f"{folds} folds need as many groups, got {len(set(groups))}")
    choices = [(c, False) for c in PENALTIES] + [(c, True) for c in STANDARDISED_PENALTIES]
    tried: dict[str, float] = {}
    best: tuple[float, float, bool] | None = None
    parts = list(GroupKFold(folds).split(features, is_standin, np.array(groups)))
    for penalty, standardised in choices:
        outside = np.full(len(is_standin), np.nan)
        for kept, left in parts:
            if 0 < is_standin[kept].sum() < len(kept):
                fold = _fit(features[kept], is_standin[kept], penalty, standardised)
                outside[left] = fold.probabilities(features[left])
        seen = ~np.isnan(outside)
        loss = log_loss(outside[seen], is_standin[seen]) if seen.any() else np.inf
        tried[f"C={penalty:g}{', standardised' if standardised else ''}"] = float(loss)
        if best is None or loss < best[0]:
            best = float(loss), penalty, standardised
    if best is None:
        raise MetricError("no penalty to choose from")
    found = _fit(features, is_standin, best[1], best[2])
    return ZeroShot(found.weight, found.bias, found.scaling, best[1], best[2], tried)


def _fit(
    features: np.ndarray, is_standin: np.ndarray, penalty: float, standardised: bool
) -> ZeroShot:
    if not 0 < is_standin.sum() < len(is_standin):
        raise MetricError(f"both labels are needed, got {is_standin.sum()} of {len(is_standin)}")
    scaling = Scaling.of(features, standardised)
    fitted = LogisticRegression(C=penalty, max_iter=5000).fit(scaling.apply(features), is_standin)
    return ZeroShot(
        fitted.coef_[0], float(fitted.intercept_[0]), scaling, penalty, standardised, {}
    )


@dataclass(frozen=True)
class PlainLogistic:
    """scikit-learn's LogisticRegression of the support set alone.

    Where a label is missing nothing can be fitted, and the zero-shot model answers: the most
    favourable choice for this baseline.
    """

    prior: ZeroShot
    scaling: Scaling
    penalty: float

    def answer(
        self,
        support: Float[np.ndarray, "n d"],
        is_placeholder: Bool[np.ndarray, " n"],
        queries: Float[np.ndarray, "q d"],
    ) -> Float[np.ndarray, " q"]:
        """Probabilities of the queries, shape (q,)."""
        if not 0 < is_placeholder.sum() < len(is_placeholder):
            return self.prior.probabilities(queries)
        fitted = LogisticRegression(C=self.penalty, max_iter=5000).fit(
            self.scaling.apply(support), is_placeholder
        )
        found: np.ndarray = fitted.predict_proba(self.scaling.apply(queries))[:, 1]
        return found


@dataclass(frozen=True)
class PulledLogistic:
    """Logistic regression pulled to the zero-shot model.

    Minimises sum log(1 + exp(-y_i f(x_i))) + |w - w0|^2 / (2 C), f(x) = w.x + b, with w0 of the
    zero-shot model; the bias is pulled to its own too, which keeps one-sided support sets finite.
    """

    prior: ZeroShot
    scaling: Scaling
    penalty: float

    def answer(
        self,
        support: Float[np.ndarray, "n d"],
        is_placeholder: Bool[np.ndarray, " n"],
        queries: Float[np.ndarray, "q d"],
    ) -> Float[np.ndarray, " q"]:
        """Probabilities of the queries, shape (q,)."""
        logits = self.prior.logits(queries)
        if len(support) == 0:
            return sigmoid(logits)
        x = with_bias(self.scaling.apply(support))
        change = fit_around(self.prior.logits(support), x, is_placeholder, self.penalty)
        return sigmoid(logits + with_bias(self.scaling.apply(queries)) @ change)


def with_bias(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d1"]:
    """Rows with a 1 appended."""
    return np.concatenate([rows, np.ones((len(rows), 1))], axis=1)


def fit_around(
    offset: Float[np.ndarray, " n"],
    x: Float[np.ndarray, "n d"],
    is_placeholder: Bool[np.ndarray, " n"],
    penalty: float,
    steps: int = 100,
) -> Float[np.ndarray, " d"]:
    """The change v of least sum log(1 + exp(-y (offset + x v))) + |v|^2 / (2 C).

    v lies in the span of the examples, v = x^T a, so Newton's method solves for n numbers, and
    the halved steps make it safe from any start.

    Raises:
        SupportError: the penalty is not above 0.
    """
    if not penalty > 0:
        raise SupportError(f"penalty must be above 0, got {penalty}")
    gram = x @ x.T
    target = is_placeholder.astype(np.float64)

    def loss(a: np.ndarray) -> float:
        z = offset + gram @ a
        return float((np.logaddexp(0, z) - target * z).sum() + a @ gram @ a / (2 * penalty))

    a = np.zeros(len(x))
    for _ in range(steps):
        p = sigmoid(offset + gram @ a)
        # With the gram matrix divided out of gradient and Hessian: both would hold it as a factor.
        residual = p - target + a / penalty
        step = np.linalg.solve((p * (1 - p))[:, None] * gram + np.eye(len(x)) / penalty, residual)
        before, length = loss(a), 1.0
        while length > 1e-10 and loss(a - length * step) > before:
            length /= 2
        a = a - length * step
        if np.abs(residual).max() < 1e-9:
            break
    change: np.ndarray = x.T @ a
    return change
