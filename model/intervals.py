"""How sure a figure is: intervals over episodes, pictures and proportions.

Three kinds, since there are three kinds of figure:

- a mean over *episodes* (tasks drawn independently): the normal approximation,
  :func:`mean_interval`, and :func:`difference_interval` for two methods on the same episodes;
- a *proportion* of pictures (recall of one kind, false alarms of one hard tag): Wilson's score
  interval, :func:`proportion_interval`, which stays inside [0, 1] and is honest at 0 of 20;
- a *ranking* figure over pictures (AUROC, recall at a false-alarm rate): the bootstrap,
  :func:`bootstrap_ranking`, paired where several methods scored the same pictures.

The bootstrap and Wilson take pictures as independent. Pictures of one shop share a studio and a
designer, so these intervals say how the figure moves with the pictures drawn from *these* shops;
for other shops it moves more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float

from model.errors import MetricError
from model.metrics import Tally, check_pair

Ranking = Callable[[Tally], np.ndarray]
"""A metric that answers for every row of counts at once, such as ``metrics.auroc_of``."""


@dataclass(frozen=True)
class Interval:
    """An estimate, the interval around it, and how many things it was measured on."""

    estimate: float
    low: float
    high: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        """For a difference: whether chance alone explains it badly."""
        return self.low > 0 or self.high < 0


def _quantile(level: float) -> float:
    if not 0 < level < 1:
        raise MetricError(f"a confidence level lies strictly between 0 and 1, got {level}")
    return NormalDist().inv_cdf((1 + level) / 2)


def mean_interval(values: Float[np.ndarray, " n"], level: float = 0.95) -> Interval:
    """Mean over independent episodes and its normal-approximation interval.

    mean +- z s / sqrt(n), s with n - 1 in the denominator: the form that few-shot papers report.

    Raises:
        MetricError: fewer than two values, or a NaN among them.
    """
    z = _quantile(level)
    if values.ndim != 1 or len(values) < 2:
        raise MetricError(f"an interval needs at least two values, got shape {values.shape}")
    if np.isnan(values).any():
        raise MetricError(f"{int(np.isnan(values).sum())} of {len(values)} values are NaN")
    kept = values.astype(np.float64)
    mean, half = float(kept.mean()), float(z * kept.std(ddof=1) / np.sqrt(len(kept)))
    return Interval(mean, mean - half, mean + half, len(kept))


def difference_interval(
    ours: Float[np.ndarray, " n"], theirs: Float[np.ndarray, " n"], level: float = 0.95
) -> Interval:
    """Mean of ``ours - theirs`` where both were measured on the same n episodes.

    Raises:
        MetricError: the lengths differ, fewer than two episodes, or a NaN.
    """
    if ours.shape != theirs.shape:
        raise MetricError(f"paired values need one shape, got {ours.shape} and {theirs.shape}")
    return mean_interval(ours.astype(np.float64) - theirs.astype(np.float64), level)


def proportion_interval(hits: int, n: int, level: float = 0.95) -> Interval:
    """Wilson's score interval for a proportion (Wilson 1927).

    Raises:
        MetricError: no trials, or hits outside 0..n.
    """
    z = _quantile(level)
    if n < 1 or not 0 <= hits <= n:
        raise MetricError(f"a proportion needs 0 <= hits <= n and n >= 1, got {hits} of {n}")
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At 0 of n and n of n the formula's end is exact, but floating point may miss it by 1e-17.
    low = 0.0 if hits == 0 else max(0.0, float(middle - half))
    high = 1.0 if hits == n else min(1.0, float(middle + half))
    return Interval(share, low, high, n)


def bootstrap_ranking(
    scores: Mapping[str, Float[np.ndarray, " n"]],
    is_standin: Bool[np.ndarray, " n"],
    metric: Ranking,
    *,
    generator: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
    against: str | None = None,
) -> dict[str, Interval]:
    """Percentile bootstrap of a ranking metric, the same resampled pictures for every method.

    Stand-ins and real pictures are resampled apart (each keeps its number), since their shares
    were chosen by whoever collected them.

    Args:
        scores: method name to its scores of the same n pictures.
        metric: of counts, such as ``metrics.auroc_of``.
        generator: the only source of chance.
        against: if given, a method; the answers are then the paired differences of every other
            method to it.

    Raises:
        MetricError: wrong shapes, a missing label, fewer than one resample, or ``against`` is
            not among the methods.
    """
    _quantile(level)  # refuses a wrong level before any work
    if resamples < 1:
        raise MetricError(f"at least one resample is needed, got {resamples}")
    if against is not None and against not in scores:
        raise MetricError(f"no scores of {against!r} to compare with, only {sorted(scores)}")
    for values in scores.values():
        check_pair(values, is_standin)
    places = np.flatnonzero(is_standin), np.flatnonzero(~is_standin)
    if not len(places[0]) or not len(places[1]):
        raise MetricError(
            f"both labels are needed, got {len(places[0])} stand-ins and {len(places[1])} real"
        )
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in scores}
    # In blocks: resamples x pictures whole would be 200 MB at 5,000 pictures.
    for start in range(0, resamples, 200):
        rows = min(200, resamples - start)
        counts = np.zeros((rows, len(is_standin)), dtype=np.int64)
        for place in places:
            even = np.full(len(place), 1 / len(place))
            counts[:, place] = generator.multinomial(len(place), even, size=rows)
        for name, values in scores.items():
            drawn[name].append(np.atleast_1d(metric(_tally_rows(values, is_standin, counts))))
    one = np.ones((1, len(is_standin)), dtype=np.int64)
    whole = {name: metric(_tally_rows(v, is_standin, one)) for name, v in scores.items()}
    tails = [100 * (1 - level) / 2, 100 * (1 + level) / 2]
    answer: dict[str, Interval] = {}
    for name in scores:
        if name == against:
            continue
        estimate, rows_of = float(whole[name].item()), np.concatenate(drawn[name])
        if against is not None:
            estimate -= float(whole[against].item())
            rows_of = rows_of - np.concatenate(drawn[against])
        low, high = np.percentile(rows_of, tails)
        answer[name] = Interval(estimate, float(low), float(high), len(is_standin))
    return answer


def _tally_rows(scores: np.ndarray, is_standin: np.ndarray, counts: np.ndarray) -> Tally:
    """Counts by distinct score where picture i occurs ``counts[row, i]`` times in a row."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    standins = np.where(is_standin, counts, 0)[:, order]
    real = np.where(is_standin, 0, counts)[:, order]
    return Tally(
        ordered[starts],
        np.add.reduceat(standins, starts, axis=1),
        np.add.reduceat(real, starts, axis=1),
    )
