"""Whether a probability means what it says, and the two smallest ways to repair it.

Measuring: :func:`reliability` bins predictions and compares each bin's mean probability with the
share of stand-ins in it; :func:`expected_calibration_error` is the mean gap (Naeini et al. 2015).
Repairing, offline only: :func:`fit_temperature` (Guo et al. 2017, arXiv:1706.04599) and
:func:`fit_platt` (Platt 1999, with the Newton iteration of Lin, Lin & Weng 2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from model.errors import MetricError
from model.intervals import Interval
from model.metrics import check_pair, check_probabilities

Binning = Literal["width", "mass"]


@dataclass(frozen=True)
class Reliability:
    """Predictions by bin; bins without a prediction are left out.

    ``edges`` bound all bins, so there is one more of them than bins asked for (fewer with
    "mass" binning where many predictions are equal).
    """

    edges: Float[np.ndarray, " e"]
    count: Float[np.ndarray, " b"]
    predicted: Float[np.ndarray, " b"]
    observed: Float[np.ndarray, " b"]

    @property
    def error(self) -> float:
        """Expected calibration error: |predicted - observed| weighted by the bins' counts."""
        return float((self.count * np.abs(self.predicted - self.observed)).sum() / self.count.sum())

    @property
    def worst(self) -> float:
        """Largest gap of any bin (maximum calibration error)."""
        return float(np.abs(self.predicted - self.observed).max())


def bin_edges(
    probabilities: Float[np.ndarray, " n"], bins: int, binning: Binning
) -> Float[np.ndarray, " e"]:
    """Edges of the bins: equal widths of [0, 1], or equal shares of the predictions.

    A bin holds lower edge <= p < upper edge, the last one its upper edge too. Equal predictions
    always share a bin, so no answer depends on the order of the pictures.

    Raises:
        MetricError: fewer than one bin, or an unknown binning.
    """
    if bins < 1:
        raise MetricError(f"at least one bin is needed, got {bins}")
    if binning == "width":
        return np.linspace(0.0, 1.0, bins + 1)
    if binning != "mass":
        raise MetricError(f"binning is 'width' or 'mass', got {binning!r}")
    inner = np.quantile(probabilities, np.arange(1, bins) / bins, method="inverted_cdf")
    return np.unique(np.concatenate([[0.0], inner.astype(np.float64), [1.0]]))


def bin_sums(
    probabilities: Float[np.ndarray, " n"],
    is_standin: Bool[np.ndarray, " n"],
    edges: Float[np.ndarray, " e"],
) -> Float[np.ndarray, "b 3"]:
    """For each bin: predictions, their sum, and the stand-ins among them.

    Sums of several sets of pictures add up, which is what pooling over episodes uses.

    Raises:
        MetricError: wrong shapes or a value outside [0, 1].
    """
    check_probabilities(probabilities, is_standin)
    bins = len(edges) - 1
    place = np.clip(np.searchsorted(edges, probabilities, side="right") - 1, 0, bins - 1)
    columns = [None, probabilities.astype(np.float64), is_standin.astype(np.float64)]
    return np.stack(
        [np.bincount(place, weights=w, minlength=bins).astype(np.float64) for w in columns], 1
    )


def reliability_of(sums: Float[np.ndarray, "b 3"], edges: Float[np.ndarray, " e"]) -> Reliability:
    """The curve from :func:`bin_sums`, of one set of pictures or of several added up."""
    used = sums[:, 0] > 0
    count = sums[used, 0]
    return Reliability(edges, count, sums[used, 1] / count, sums[used, 2] / count)


def reliability(
    probabilities: Float[np.ndarray, " n"],
    is_standin: Bool[np.ndarray, " n"],
    bins: int = 15,
    binning: Binning = "width",
) -> Reliability:
    """Mean probability against the share of stand-ins, by bin.

    Raises:
        MetricError: wrong shapes, no pictures, a value outside [0, 1], or fewer than one bin.
    """
    check_probabilities(probabilities, is_standin)
    edges = bin_edges(probabilities, bins, binning)
    return reliability_of(bin_sums(probabilities, is_standin, edges), edges)


def expected_calibration_error(
    probabilities: Float[np.ndarray, " n"],
    is_standin: Bool[np.ndarray, " n"],
    bins: int = 15,
    binning: Binning = "width",
) -> float:
    """Mean gap between probability and frequency, weighted by how many pictures each bin holds.

    "width" is the usual form; "mass" (adaptive, Nixon et al. 2019, arXiv:1904.01685) puts as many
    pictures into each bin and so sees detail where the predictions are. Both are biased upwards
    on few pictures: 30 perfectly calibrated predictions have an error well above 0.

    Raises:
        MetricError: as :func:`reliability`.
    """
    return reliability(probabilities, is_standin, bins, binning).error


def pooled_calibration_error(
    sums: Float[np.ndarray, "episodes b 3"],
    *,
    generator: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Calibration error of all episodes' queries together, its interval by resampling episodes.

    A single episode has too few queries for a calibration error of its own (see above), so the
    bins are filled over all of them.

    Raises:
        MetricError: no episodes, or a level outside (0, 1).
    """
    if sums.ndim != 3 or len(sums) == 0:
        raise MetricError(f"need sums of shape (episodes, bins, 3), got {sums.shape}")
    if not 0 < level < 1:
        raise MetricError(f"a confidence level lies strictly between 0 and 1, got {level}")
    episodes = len(sums)
    weights = generator.multinomial(episodes, np.full(episodes, 1 / episodes), size=resamples)
    drawn = np.einsum("re,ebc->rbc", weights.astype(np.float64), sums)
    gaps = np.abs(drawn[..., 1] - drawn[..., 2]).sum(-1) / drawn[..., 0].sum(-1)
    whole = sums.sum(0)
    low, high = np.percentile(gaps, [50 * (1 - level), 50 * (1 + level)])
    estimate = float(np.abs(whole[:, 1] - whole[:, 2]).sum() / whole[:, 0].sum())
    return Interval(estimate, float(low), float(high), episodes)


def sigmoid(logits: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """1 / (1 + exp(-x)) without overflow at either end."""
    small = np.exp(-np.abs(logits))
    value: np.ndarray = np.where(logits >= 0, 1.0, small) / (1 + small)
    return value


def logit(probabilities: Float[np.ndarray, " n"], floor: float = 1e-7) -> Float[np.ndarray, " n"]:
    """log(p / (1 - p)), p kept ``floor`` away from 0 and 1."""
    kept = np.clip(probabilities.astype(np.float64), floor, 1 - floor)
    value: np.ndarray = np.log(kept) - np.log1p(-kept)
    return value


@dataclass(frozen=True)
class Platt:
    """p = sigmoid(slope * logit + offset)."""

    slope: float
    offset: float

    def apply(self, logits: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Probabilities of the repaired logits, shape (n,)."""
        return sigmoid(self.slope * logits.astype(np.float64) + self.offset)


def fit_platt(
    logits: Float[np.ndarray, " n"], is_standin: Bool[np.ndarray, " n"], *, smooth: bool = True
) -> Platt:
    """Slope and offset of least log loss.

    Args:
        smooth: Platt's targets, (n+ + 1)/(n+ + 2) and 1/(n- + 2) in place of 1 and 0, without
            which separable logits have no finite minimum.

    Raises:
        MetricError: wrong shapes, a label is missing, or (not smoothed) the logits separate.
    """
    target = _targets(logits, is_standin, smooth)
    high, low = logits[is_standin], logits[~is_standin]
    parted = low.max() <= high.min() or high.max() <= low.min()
    if not smooth and parted and logits.min() < logits.max():
        raise MetricError("no finite minimum: the logits separate the labels, smooth the targets")
    basis = np.stack([logits.astype(np.float64), np.ones(len(logits))], 1)
    slope, offset = _newton(basis, target)
    return Platt(float(slope), float(offset))


def fit_temperature(
    logits: Float[np.ndarray, " n"], is_standin: Bool[np.ndarray, " n"], *, smooth: bool = True
) -> float:
    """The temperature t > 0 of least log loss for p = sigmoid(logit / t).

    Raises:
        MetricError: wrong shapes, a label is missing, (not smoothed) the logits separate, or
            the best slope is not positive: the logits then point the wrong way, which no
            temperature repairs.
    """
    target = _targets(logits, is_standin, smooth)
    signed = np.where(is_standin, logits, -logits)
    if not smooth and (signed.min() >= 0 or signed.max() <= 0) and signed.any():
        raise MetricError("no finite minimum: the logits separate the labels, smooth the targets")
    slope = float(_newton(logits.astype(np.float64)[:, None], target)[0])
    if slope <= 0:
        raise MetricError(f"logits point the wrong way (best slope {slope:.3g}); no temperature")
    return 1 / slope


def _targets(logits: np.ndarray, is_standin: np.ndarray, smooth: bool) -> np.ndarray:
    check_pair(logits, is_standin)
    found = int(is_standin.sum())
    real = len(is_standin) - found
    if not found or not real:
        raise MetricError(f"both labels are needed, got {found} stand-ins and {real} real")
    if not smooth:
        return is_standin.astype(np.float64)
    return np.where(is_standin, (found + 1) / (found + 2), 1 / (real + 2))


def _newton(basis: np.ndarray, target: np.ndarray, steps: int = 100) -> np.ndarray:
    """Least log loss of sigmoid(basis @ w) against targets in [0, 1]; convex, so one minimum."""

    def loss(w: np.ndarray) -> float:
        z = basis @ w
        return float((np.logaddexp(0, z) - target * z).sum())

    # Columns of one size: logits of +-500 beside ones would make the Hessian ill-conditioned.
    size = np.sqrt((basis**2).mean(0))
    size[size == 0] = 1.0
    basis = basis / size
    w = np.zeros(basis.shape[1])
    for _ in range(steps):
        p = sigmoid(basis @ w)
        gradient = basis.T @ (p - target)
        hessian = (basis * (p * (1 - p))[:, None]).T @ basis + 1e-12 * np.eye(len(w))
        step = np.linalg.solve(hessian, gradient)
        # Twice the gain that is left, by the quadratic model: below rounding, it is done.
        if gradient @ step <= 1e-15 * len(target):
            break
        before, length = loss(w), 1.0
        # Newton overshoots where the sigmoid is flat: halve until the loss goes down.
        while length > 1e-10 and loss(w - length * step) > before:
            length /= 2
        w = w - length * step
    answer: np.ndarray = w / size
    return answer
