"""Power laws: found again where they were put in, and honest where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import MetricError
from model.metrics import auroc
from model.reports.learning_curve_fit import PowerLaw, fit, of_ranking, of_tasks

AMOUNTS = np.array([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0])


@given(scale=st.floats(0.01, 0.5), exponent=st.floats(0.05, 1.5))
def test_a_law_is_found_again(scale: float, exponent: float) -> None:
    law = PowerLaw.fit(AMOUNTS, scale * AMOUNTS**-exponent)
    assert law.scale == pytest.approx(scale, rel=1e-6)
    assert law.exponent == pytest.approx(exponent, rel=1e-6)
    assert law.error(law.amount(scale / 3)) == pytest.approx(scale / 3, rel=1e-6)


@given(seed=st.integers(0, 10**6))
def test_least_squares_are_those_of_numpy(seed: int) -> None:
    errors = np.random.default_rng(seed).uniform(0.01, 0.4, len(AMOUNTS))
    slope, offset = np.polyfit(np.log(AMOUNTS), np.log(errors), 1)
    law = PowerLaw.fit(AMOUNTS, errors)
    assert law.exponent == pytest.approx(-slope, abs=1e-9)
    assert law.scale == pytest.approx(math.exp(offset))


def test_where_more_does_not_help_no_amount_is_enough() -> None:
    law = PowerLaw.fit(AMOUNTS, np.array([0.1, 0.1, 0.11, 0.11, 0.12]))
    assert law.exponent < 0
    assert law.amount(0.05) == math.inf
    assert law.amount(0.2) == 0
    # So flat that the number has no name.
    assert PowerLaw(0.1, 1e-3).amount(0.01) == math.inf


@pytest.mark.parametrize("amounts", [[1.0], [1.0, 1.0], [0.0, 1.0]])
def test_too_few_amounts_are_refused(amounts: list[float]) -> None:
    with pytest.raises(MetricError, match="two different amounts"):
        PowerLaw.fit(np.array(amounts), np.full(len(amounts), 0.1))


def test_intervals_hold_what_was_put_in() -> None:
    """Tasks scatter around a law; in 40 worlds the 95 % interval misses it a few times at most."""
    scale, exponent = 0.06, 0.4
    missed = 0
    for world in range(40):
        rng = np.random.default_rng(world)
        hard = rng.exponential(1.0, 300)  # a task is hard at every point
        values = [[1 - scale * a**-exponent * hard * rng.uniform(0.5, 1.5, 300)] for a in AMOUNTS]
        found = fit(AMOUNTS, of_tasks(values), 0.03, seed=world, resamples=200)
        missed += not found.exponent.low <= exponent <= found.exponent.high
        assert found.needed.low <= found.needed.estimate <= found.needed.high
    assert missed <= 6


def test_a_law_that_may_be_flat_has_no_end() -> None:
    rng = np.random.default_rng(0)
    values = [[1 - 0.1 * rng.uniform(0, 2, 50)] for _ in AMOUNTS]
    found = fit(AMOUNTS, of_tasks(values), 0.01, seed=0, resamples=200)
    assert found.exponent.low < 0 < found.exponent.high
    assert found.needed.high == math.inf
    again = fit(AMOUNTS, of_tasks(values), 0.01, seed=0, resamples=200)
    assert again == found


def test_repeats_of_an_amount_are_averaged_and_widen_the_interval() -> None:
    same, apart = ([[np.full(20, v)] for v in (0.7, 0.9)] for _ in range(2))
    apart[0] = [np.full(20, 0.6), np.full(20, 0.8)]
    rng = np.random.default_rng(0)
    assert of_tasks(apart)(None).tolist() == pytest.approx(of_tasks(same)(None).tolist())
    narrow = [of_tasks(same)(rng)[0] for _ in range(50)]
    wide = [of_tasks(apart)(rng)[0] for _ in range(50)]
    assert np.std(narrow) < 1e-12 < np.std(wide)


def test_a_ranking_is_resampled_within_its_sides() -> None:
    rng = np.random.default_rng(0)
    is_standin = np.arange(60) < 5
    scores = is_standin + rng.normal(0, 1, 60)
    errors = of_ranking([[scores], [scores + is_standin]], is_standin)
    measured = errors(None)
    assert measured[0] == pytest.approx(1 - auroc(scores, is_standin))
    assert measured[1] < measured[0]
    # Five stand-ins stay five: else a resample would sometimes have none and raise.
    assert np.std([errors(rng)[0] for _ in range(200)]) > 0
