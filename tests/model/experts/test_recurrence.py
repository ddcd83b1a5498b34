"""Recurrence against the model of shops that it states, summed and drawn."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import example, given
from hypothesis import strategies as st

from model.errors import SupportError
from model.experts.recurrence import RANGES, RAREST, VARIANTS, recurrence

catalogues = st.integers(2, 10_000_000)


def of(items: int, catalogue: int) -> float:
    return float(recurrence(np.array([items]), catalogue)[0][0])


@given(catalogues, st.data())
def test_more_items_that_share_never_say_less(catalogue: int, data: st.DataObject) -> None:
    items = data.draw(st.lists(st.integers(1, catalogue), min_size=2, max_size=30).map(sorted))
    odds, answered = recurrence(np.array(items), catalogue)
    assert np.isfinite(odds).all()
    assert (odds >= 0).all()
    assert (np.diff(odds) >= -1e-5).all()
    np.testing.assert_array_equal(answered, np.array(items) > 1)
    assert (odds[~answered] == 0).all()


@pytest.mark.parametrize("catalogue", [*range(1, 20), 60, 999, 20_000, 3_000_000])
def test_it_rises_over_every_count(catalogue: int) -> None:
    odds, _ = recurrence(np.arange(1, min(catalogue, 3000) + 1), catalogue)
    assert (np.diff(odds) >= -1e-5).all()


@given(st.integers(1, 5000), st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_same_count_says_less_in_a_larger_catalogue(items: int, a: int, b: int) -> None:
    small, large = sorted((items + a, items + b))
    assert of(items, large) <= of(items, small) + 1e-5


@given(st.integers(1, 400), catalogues)
@example(3, 3)
@example(16, 16)
def test_the_ratio_is_that_of_the_stated_distributions(items: int, catalogue: int) -> None:
    if items > catalogue:
        return
    # In the smallest catalogues what fewer say counts for more of them, too.
    counts = range(2, items + 1) if catalogue <= 16 else [items]
    expected = max((_stated(count, catalogue) for count in counts if count > 1), default=0.0)
    assert of(items, catalogue) == pytest.approx(max(0.0, expected), abs=1e-4)


def _stated(items: int, catalogue: int) -> float:
    """Log likelihood ratio, 0 where a stand-in is never on so few."""
    # A family of geometric size counts by its size; SciPy's geometric is that of trials.
    variants = items * scipy.stats.geom.pmf(items, 1 / VARIANTS) / VARIANTS
    ranges = scipy.stats.zipf.pmf(items, 2)
    real = (1 - RANGES) * variants + RANGES * ranges
    below = scipy.stats.poisson.cdf(items - 1, RAREST * catalogue)
    standin = below / items / np.log1p(min(catalogue, 1 / RAREST))
    return float(np.log(standin / real)) if standin > 0 else 0.0


def test_both_are_distributions() -> None:
    n = np.arange(1, 2_000_001)
    variants = n * scipy.stats.geom.pmf(n, 1 / VARIANTS) / VARIANTS
    assert variants.sum() == pytest.approx(1)
    assert scipy.stats.zipf.pmf(n, 2).sum() == pytest.approx(1, abs=1e-6)
    for catalogue in (30, 1000, 100_000):
        n = np.arange(1, catalogue + 1)
        below = scipy.stats.poisson.cdf(n - 1, RAREST * catalogue)
        total = (below / n).sum() / np.log1p(min(catalogue, 1 / RAREST))
        assert 0.75 < total < 1.25, catalogue  # a logarithm in place of the harmonic sum


def test_what_the_issue_says_of_shops() -> None:
    for catalogue in (1000, 50_000):
        assert of(3, catalogue) == 0  # a colour variant
        assert of(300, catalogue) > 7  # a stand-in
    assert of(12, 1_000_000) == 0
    odds, answered = recurrence(np.zeros(0, np.int64), 5)
    assert odds.shape == answered.shape == (0,)


@pytest.mark.parametrize("items", [0, 6])
def test_impossible_counts_are_refused(items: int) -> None:
    with pytest.raises(SupportError, match="all 5 items"):
        recurrence(np.array([1, items]), 5)
