"""How good a set of probabilities is: ranking, decisions at a threshold, proper scores.

Everything here is pure numpy on two arrays: ``scores`` (higher means "more likely a stand-in")
and ``is_standin`` (the truth). The positive class is always the stand-in, so a *false alarm* is a
real picture called a stand-in, and *recall* is the share of stand-ins that were found.

Intervals are in :mod:`model.intervals`, binned calibration in :mod:`model.calibration`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Num

from model.errors import MetricError


@dataclass(frozen=True)
class Tally:
    """Pictures counted by distinct score, best score first: all that ranking metrics need.

    Ties are thereby settled once, for every metric: pictures of equal score stand or fall
    together, since no threshold can part them. The counts may carry leading axes, one row for
    each bootstrap resample; the metrics below then answer with those axes.
    """

    scores: Float[np.ndarray, " u"]
    standins: Num[np.ndarray, "*rows u"]
    real: Num[np.ndarray, "*rows u"]


def check_pair(scores: np.ndarray, is_standin: np.ndarray) -> None:
    """Refuse what no metric can answer for.

    Raises:
        MetricError: the two are not one-dimensional, differ in length, are empty, or a score
            is not a number.
    """
    if scores.ndim != 1 or scores.shape != is_standin.shape:
        raise MetricError(
            f"scores and labels must be two rows of one length, got shapes {scores.shape} "
            f"and {is_standin.shape}"
        )
    if len(scores) == 0:
        raise MetricError("no pictures to measure on")
    if np.isnan(scores).any():
        raise MetricError(f"{int(np.isnan(scores).sum())} of {len(scores)} scores are NaN")


def check_probabilities(probabilities: np.ndarray, is_standin: np.ndarray) -> None:
    """As :func:`check_pair`, and every value lies in [0, 1].

    Raises:
        MetricError: see above.
    """
    check_pair(probabilities, is_standin)
    low, high = float(probabilities.min()), float(probabilities.max())
    if low < 0 or high > 1:
        raise MetricError(f"probabilities must lie in [0, 1], got values from {low} to {high}")


def _check_both(is_standin: np.ndarray) -> None:
    found = int(is_standin.sum())
    if found in (0, len(is_standin)):
        raise MetricError(
            f"both labels are needed, got {found} stand-ins and {len(is_standin) - found} real"
        )


def tally(scores: Float[np.ndarray, " n"], is_standin: Bool[np.ndarray, " n"]) -> Tally:
    """Count stand-ins and real pictures at each distinct score, highest first.

    Raises:
        MetricError: wrong shapes, no pictures, NaN, or one of the labels is missing.
    """
    check_pair(scores, is_standin)
    _check_both(is_standin)
    values, place = np.unique(-scores, return_inverse=True)
    return Tally(
        -values,
        np.bincount(place[is_standin], minlength=len(values)),
        np.bincount(place[~is_standin], minlength=len(values)),
    )


def auroc_of(counted: Tally) -> np.ndarray:
    """Area under the ROC curve from counts: shape ``rows``, NaN where a label has no picture."""
    standins, real = counted.standins.astype(float), counted.real.astype(float)
    # Real pictures ranked below each distinct score, ties counting one half.
    below = real.sum(-1, keepdims=True) - np.cumsum(real, -1) + real / 2
    pairs = standins.sum(-1) * real.sum(-1)
    with np.errstate(invalid="ignore"):
        return np.asarray((standins * below).sum(-1) / pairs)


def auroc(scores: Float[np.ndarray, " n"], is_standin: Bool[np.ndarray, " n"]) -> float:
    """Chance that a random stand-in outscores a random real picture, a tie counting one half.

    The Mann-Whitney statistic divided by the number of pairs (Hanley & McNeil 1982).

    Raises:
        MetricError: wrong shapes, no pictures, NaN, or one of the labels is missing.
    """
    return float(auroc_of(tally(scores, is_standin)))


def average_precision_of(counted: Tally) -> np.ndarray:
    """Average precision from counts: shape ``rows``."""
    standins = np.cumsum(counted.standins.astype(float), -1)
    called = standins + np.cumsum(counted.real, -1)
    with np.errstate(invalid="ignore"):
        precision = np.where(called > 0, standins / np.maximum(called, 1), 1.0)
        return np.asarray((precision * counted.standins).sum(-1) / standins[..., -1])


def average_precision(scores: Float[np.ndarray, " n"], is_standin: Bool[np.ndarray, " n"]) -> float:
    """Sum over thresholds of precision times the recall gained there, without interpolation.

    Pictures of equal score are called together, so the answer does not depend on their order.

    Raises:
        MetricError: wrong shapes, no pictures, NaN, or one of the labels is missing.
    """
    return float(average_precision_of(tally(scores, is_standin)))


def recall_at_false_alarms_of(counted: Tally, target: float) -> np.ndarray:
    """Recall at a false-alarm rate from counts: shape ``rows``."""
    standins = np.cumsum(counted.standins.astype(float), -1)
    real = np.cumsum(counted.real.astype(float), -1)
    # A whole number of false alarms is compared, so that 0.01 * 300 (2.9999...) means 3.
    allowed = np.floor(target * real[..., -1:] + 1e-9)
    best = np.where(real <= allowed, standins, 0.0).max(-1)
    return np.asarray(best / standins[..., -1])


def recall_at_false_alarms(
    scores: Float[np.ndarray, " n"], is_standin: Bool[np.ndarray, " n"], target: float
) -> float:
    """Largest recall among thresholds whose false-alarm rate is at most ``target``.

    A threshold t calls every picture with score >= t a stand-in, and may be infinite (nothing is
    called), so the answer always exists. With fewer than 1/target real pictures a single false
    alarm is already too many, and the answer is the recall at *no* false alarm: the truth at the
    target rate may then be better, and chance plays a large part. Reports mark such figures, see
    :func:`resolves`.

    Args:
        target: share of real pictures that may be called stand-ins, in [0, 1].

    Raises:
        MetricError: wrong shapes, a label is missing, or target is outside [0, 1].
    """
    _check_rate(target)
    return float(recall_at_false_alarms_of(tally(scores, is_standin), target))


def threshold_at_false_alarms(
    scores: Float[np.ndarray, " n"], is_standin: Bool[np.ndarray, " n"], target: float
) -> float:
    """The smallest observed score that, as a threshold, keeps false alarms at ``target`` or below.

    ``(scores >= t)`` then has the recall that :func:`recall_at_false_alarms` states. Infinite
    where even the highest score belongs to too many real pictures.

    Raises:
        MetricError: wrong shapes, a label is missing, or target is outside [0, 1].
    """
    _check_rate(target)
    counted = tally(scores, is_standin)
    real = np.cumsum(counted.real)
    fitting = np.flatnonzero(real <= np.floor(target * real[-1] + 1e-9))
    return float(counted.scores[fitting[-1]]) if len(fitting) else float("inf")


def resolves(real: int, target: float) -> bool:
    """Whether ``real`` pictures are enough for a false-alarm rate of ``target`` to allow one."""
    return bool(target * real + 1e-9 >= 1)


def _check_rate(target: float) -> None:
    if not 0 <= target <= 1:
        raise MetricError(f"a false-alarm rate lies in [0, 1], got {target}")


def roc_curve(
    scores: Float[np.ndarray, " n"], is_standin: Bool[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " u1"], Float[np.ndarray, " u1"]]:
    """False-alarm rates and recalls at every distinct threshold, from (0, 0) to (1, 1).

    Raises:
        MetricError: wrong shapes, no pictures, NaN, or one of the labels is missing.
    """
    counted = tally(scores, is_standin)
    real = np.append(0.0, np.cumsum(counted.real)) / counted.real.sum()
    found = np.append(0.0, np.cumsum(counted.standins)) / counted.standins.sum()
    return real, found


@dataclass(frozen=True)
class Decisions:
    """What a threshold did: whole numbers, so that intervals can be put on any of its rates."""

    standins_called: int
    standins: int
    real_called: int
    real: int

    @property
    def accuracy(self) -> float:
        """Share of all pictures decided rightly."""
        right = self.standins_called + self.real - self.real_called
        return right / (self.standins + self.real)

    @property
    def recall(self) -> float:
        """Share of stand-ins called so; NaN where there are none."""
        return self.standins_called / self.standins if self.standins else float("nan")

    @property
    def false_alarm_rate(self) -> float:
        """Share of real pictures called stand-ins; NaN where there are none."""
        return self.real_called / self.real if self.real else float("nan")

    @property
    def balanced_accuracy(self) -> float:
        """Mean of recall and of the share of real pictures left alone."""
        return (self.recall + 1 - self.false_alarm_rate) / 2


def decide(
    scores: Float[np.ndarray, " n"], is_standin: Bool[np.ndarray, " n"], threshold: float = 0.5
) -> Decisions:
    """Call every picture with score >= threshold a stand-in, and count.

    Raises:
        MetricError: wrong shapes, no pictures or NaN. One label may be missing.
    """
    check_pair(scores, is_standin)
    called = scores >= threshold
    return Decisions(
        standins_called=int((called & is_standin).sum()),
        standins=int(is_standin.sum()),
        real_called=int((called & ~is_standin).sum()),
        real=int((~is_standin).sum()),
    )


def brier_score(
    probabilities: Float[np.ndarray, " n"], is_standin: Bool[np.ndarray, " n"]
) -> float:
    """Mean squared difference of probability and truth (Brier 1950); 0 is best, 1 worst.

    Raises:
        MetricError: wrong shapes, no pictures, or a value outside [0, 1].
    """
    check_probabilities(probabilities, is_standin)
    return float(np.mean((probabilities.astype(np.float64) - is_standin) ** 2))


def log_loss(
    probabilities: Float[np.ndarray, " n"],
    is_standin: Bool[np.ndarray, " n"],
    floor: float = 1e-7,
) -> float:
    """Mean negative log-likelihood in nats; log 2 for a model that always says one half.

    Args:
        floor: probabilities are kept this far from 0 and 1, so that one sure mistake costs
            at most -log(floor), 16.1 nats by default, and a mean of many stays finite.

    Raises:
        MetricError: wrong shapes, no pictures, or a value outside [0, 1].
    """
    check_probabilities(probabilities, is_standin)
    kept = np.clip(probabilities.astype(np.float64), floor, 1 - floor)
    return float(-np.mean(np.log(np.where(is_standin, kept, 1 - kept))))
