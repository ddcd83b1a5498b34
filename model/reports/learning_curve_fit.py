"""Power laws of the error against the amount of something, with bootstrap intervals.

Errors of learners fall as a power of the data over a wide range (Hestness et al. 2017,
arXiv:1712.00409): error = scale * amount ** -exponent. What such a law says beyond the range that
was measured holds only as far as the law does: an error that cannot be learned away bends it up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from model.errors import MetricError
from model.intervals import Interval
from model.metrics import auroc

# An error of nothing has no logarithm; half a mistake in ten thousand answers stands for it.
_LEAST = 5e-5

Errors = Callable[[np.random.Generator | None], Float[np.ndarray, " p"]]
"""Errors of all points: as measured, or of a resample where a generator is given."""


@dataclass(frozen=True)
class PowerLaw:
    """error = scale * amount ** -exponent.

    Attributes:
        scale: the error at an amount of 1. exponent: above 0 where more is better.
    """

    scale: float
    exponent: float

    @classmethod
    def fit(cls, amounts: Float[np.ndarray, " p"], errors: Float[np.ndarray, " p"]) -> PowerLaw:
        """Least squares of the logarithms.

        Raises:
            MetricError: fewer than two different amounts, or one that is not above 0.
        """
        if amounts.shape != errors.shape or len(np.unique(amounts)) < 2 or (amounts <= 0).any():
            raise MetricError(
                f"a power law needs two different amounts above 0, and an error for each; got "
                f"{amounts.tolist()} and {len(errors)} errors"
            )
        x, y = np.log(amounts), np.log(np.maximum(errors, _LEAST))
        slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
        return cls(float(np.exp(y.mean() - slope * x.mean())), -slope)

    def error(self, amount: float) -> float:
        """The error that the law expects."""
        return float(self.scale * amount**-self.exponent)

    def amount(self, error: float) -> float:
        """What amount gives this error; infinity where none does, or none that has a name."""
        if self.exponent <= 0:
            return 0.0 if self.scale <= error else math.inf
        power = math.log(self.scale / error) / self.exponent
        return math.exp(power) if power < 50 else math.inf


@dataclass(frozen=True)
class Fitted:
    """A law with 95 % intervals.

    Attributes:
        exponent: of the law.
        needed: amount at which it meets the bar; the upper end may be infinite.
        gain: by how much the error falls from the second largest amount to the largest, measured.
    """

    law: PowerLaw
    exponent: Interval
    needed: Interval
    gain: Interval


def fit(
    amounts: Float[np.ndarray, " p"],
    errors: Errors,
    bar: float,
    *,
    seed: int,
    resamples: int = 1000,
) -> Fitted:
    """Fit, and fit again to every resample: the percentile bootstrap.

    Args:
        amounts: in rising order.
        bar: the error that is wanted.

    Raises:
        MetricError: as :meth:`PowerLaw.fit`, or fewer than one resample.
    """
    if resamples < 1:
        raise MetricError(f"at least one resample is needed, got {resamples}")
    rng = np.random.default_rng(seed)
    measured = errors(None)
    law = PowerLaw.fit(amounts, measured)
    drawn = [errors(rng) for _ in range(resamples)]
    laws = [PowerLaw.fit(amounts, each) for each in drawn]
    return Fitted(
        law,
        _interval(law.exponent, [each.exponent for each in laws]),
        _interval(law.amount(bar), [each.amount(bar) for each in laws]),
        _interval(float(measured[-2] - measured[-1]), [float(e[-2] - e[-1]) for e in drawn]),
    )


def _interval(estimate: float, drawn: Sequence[float]) -> Interval:
    # Without interpolation: between a number and infinity there is nothing.
    low, high = np.percentile(np.array(drawn), [2.5, 97.5], method="nearest")
    return Interval(estimate, float(low), float(high), len(drawn))


def of_tasks(values: Sequence[Sequence[Float[np.ndarray, " t"]]]) -> Errors:
    """Errors of means over tasks; the same tasks are resampled at every point.

    Args:
        values: of each amount its repeats, of each repeat one value a task; the repeats of an
            amount are resampled too.
    """

    def errors(rng: np.random.Generator | None) -> Float[np.ndarray, " p"]:
        count = len(values[0][0])
        at = np.arange(count) if rng is None else rng.integers(count, size=count)
        return np.array(
            [np.mean([1 - repeat[at].mean() for repeat in _drawn(each, rng)]) for each in values]
        )

    return errors


def of_ranking(
    scores: Sequence[Sequence[Float[np.ndarray, " m"]]], is_standin: Bool[np.ndarray, " m"]
) -> Errors:
    """Errors of an AUROC over pictures; stand-ins and real ones are resampled apart.

    Args:
        scores: of each amount its repeats, of each repeat one score a picture.
    """
    sides = np.flatnonzero(is_standin), np.flatnonzero(~is_standin)

    def errors(rng: np.random.Generator | None) -> Float[np.ndarray, " p"]:
        at = np.concatenate(
            [side if rng is None else rng.choice(side, len(side)) for side in sides]
        )
        return np.array(
            [
                np.mean([1 - auroc(repeat[at], is_standin[at]) for repeat in _drawn(each, rng)])
                for each in scores
            ]
        )

    return errors


def _drawn(
    repeats: Sequence[Float[np.ndarray, " n"]], rng: np.random.Generator | None
) -> list[Float[np.ndarray, " n"]]:
    if rng is None:
        return list(repeats)
    return [repeats[i] for i in rng.integers(len(repeats), size=len(repeats))]
