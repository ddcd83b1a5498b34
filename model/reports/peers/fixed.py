"""A peer that learns nothing from a category: one model of what was read, for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from sklearn.linear_model import LogisticRegression

from model.errors import MetricError
from model.reports.baselines import Scaling


@dataclass(frozen=True)
class Fixed:
    """Logistic regression of what was read in the training split, both labels weighing the same."""

    weight: Float[np.ndarray, " f"]
    bias: float
    scaling: Scaling

    @classmethod
    def fit(cls, features: Float[np.ndarray, "n f"], is_standin: Bool[np.ndarray, " n"]) -> Fixed:
        """Fit to the training split; rows with NaN, which nobody has read, are left out.

        Raises:
            MetricError: a label is missing.
        """
        read = ~np.isnan(features).any(1)
        x, y = features[read], is_standin[read]
        if not 0 < y.sum() < len(y):
            raise MetricError(f"both labels are needed, got {y.sum()} stand-ins of {len(y)}")
        scaling = Scaling.of(x, True)
        fitted = LogisticRegression(class_weight="balanced", max_iter=5000)
        fitted.fit(scaling.apply(x), y)
        return cls(fitted.coef_[0], float(fitted.intercept_[0]), scaling)

    def adapt(
        self, support: Float[np.ndarray, "n f"], is_placeholder: Bool[np.ndarray, " n"]
    ) -> Any:
        """Nothing is learned."""
        del support, is_placeholder
        return ()

    def log_odds(self, state: Any, queries: Float[np.ndarray, "q f"]) -> Float[np.ndarray, " q"]:
        """Of the one model."""
        del state
        found: np.ndarray = self.scaling.apply(queries) @ self.weight + self.bias
        return found

    def size(self, state: Any) -> int:
        """Nothing is kept for a category."""
        del state
        return 0
