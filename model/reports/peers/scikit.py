"""Peers of scikit-learn on our embeddings, fitted to the support set alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

from model.reports.baselines import Scaling, ZeroShot
from model.reports.peers.answering import both


@dataclass(frozen=True)
class ScikitLogistic:
    """Logistic regression, constants chosen on tasks of the training split.

    The only peer on embeddings with a zero-shot answer: logistic regression of the training split,
    which answers where a label is missing, too.
    """

    prior: ZeroShot
    scaling: Scaling
    penalty: float

    def adapt(
        self, support: Float[np.ndarray, "n f"], is_placeholder: Bool[np.ndarray, " n"]
    ) -> tuple[np.ndarray, float, Scaling]:
        """Weights, bias and what features are scaled by."""
        if not both(is_placeholder):
            return self.prior.weight, self.prior.bias, self.prior.scaling
        fitted = LogisticRegression(C=self.penalty, max_iter=5000).fit(
            self.scaling.apply(support), is_placeholder
        )
        return fitted.coef_[0], float(fitted.intercept_[0]), self.scaling

    def log_odds(
        self, state: tuple[np.ndarray, float, Scaling], queries: Float[np.ndarray, "q f"]
    ) -> Float[np.ndarray, " q"]:
        """w . x + b."""
        weight, bias, scaling = state
        found: np.ndarray = scaling.apply(queries) @ weight + bias
        return found

    def size(self, state: tuple[np.ndarray, float, Scaling]) -> int:
        """Weights and bias."""
        return int(state[0].nbytes) + 8


@dataclass(frozen=True)
class ScikitClassifier:
    """A classifier with scikit-learn's defaults; nothing where a label is missing.

    Attributes:
        kind: "svc" (linear support vectors) or "bayes" (Gaussian naive Bayes).
    """

    kind: str

    def adapt(
        self, support: Float[np.ndarray, "n f"], is_placeholder: Bool[np.ndarray, " n"]
    ) -> Any:
        """The fitted classifier."""
        if not both(is_placeholder):
            return None
        classifier = LinearSVC() if self.kind == "svc" else GaussianNB()
        return classifier.fit(support.astype(np.float64), is_placeholder)

    def log_odds(self, state: Any, queries: Float[np.ndarray, "q f"]) -> Float[np.ndarray, " q"]:
        """Margin, or logarithm of the difference of log likelihoods."""
        rows = queries.astype(np.float64)
        if self.kind == "svc":
            margin: np.ndarray = state.decision_function(rows)
            return margin
        joint = state.predict_joint_log_proba(rows)
        odds = joint[:, 1] - joint[:, 0]
        # Hundreds of numbers taken as independent make odds of e to the thousands, at K = 1 to the
        # millions: no two numbers turn those into probabilities. Their logarithm ranks alike.
        found: np.ndarray = np.sign(odds) * np.log1p(np.abs(odds))
        return found

    def size(self, state: Any) -> int:
        """Of its arrays."""
        held = (state.coef_, state.intercept_) if self.kind == "svc" else (state.theta_, state.var_)
        return int(sum(array.nbytes for array in held))
