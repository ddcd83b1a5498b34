"""Choices drawn from a NumPy generator: the only source of randomness in this package."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
# Said outright, since beartype (which the tests run under) takes ``float`` at its word.
Real = float | int


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of ``options``, all alike likely."""
    return options[int(rng.integers(len(options)))]


def weighted(rng: np.random.Generator, table: Mapping[T, Real]) -> T:
    """One key of ``table``, as likely as its weight; weights need not sum to 1."""
    mark = float(rng.random()) * sum(table.values())
    for option, weight in table.items():
        mark -= weight
        if mark < 0:
            return option
    return option  # rounding left a hair over


def chance(rng: np.random.Generator, probability: Real) -> bool:
    """True with this probability."""
    return bool(rng.random() < probability)


def between(rng: np.random.Generator, low: Real, high: Real) -> float:
    """Uniform in [low, high)."""
    return low + (high - low) * float(rng.random())


def log_between(rng: np.random.Generator, low: Real, high: Real) -> float:
    """Uniform in the logarithm, in [low, high): sizes and contrasts are felt as ratios."""
    return float(low * (high / low) ** rng.random())


def whole(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number in [low, high], both included."""
    return int(rng.integers(low, high + 1))
