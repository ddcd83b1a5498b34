"""Decisions; the rest of scoring is tested through its route."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.scoring import decide

PROBABILITY = st.floats(1e-6, 1 - 1e-6)


@given(PROBABILITY, st.floats(0, 1))
def test_without_a_band_nothing_is_unsure(probability: float, threshold: float) -> None:
    decision = decide(probability, threshold, 0.0)
    assert decision == ("placeholder" if probability >= threshold else "real")


@given(PROBABILITY, PROBABILITY, st.floats(0, 1), st.floats(0, 0.5))
def test_a_higher_probability_never_decides_for_real(
    one: float, other: float, threshold: float, band: float
) -> None:
    order = ["real", "unsure", "placeholder"]
    low, high = sorted((one, other))
    decisions = [decide(value, threshold, band) for value in (low, high)]
    assert order.index(decisions[0]) <= order.index(decisions[1])


@given(PROBABILITY, st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_wider_band_is_never_surer(
    probability: float, threshold: float, one: float, other: float
) -> None:
    narrow, wide = sorted((one, other))
    if decide(probability, threshold, narrow) == "unsure":
        assert decide(probability, threshold, wide) == "unsure"
