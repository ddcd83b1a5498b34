"""The rule that keeps names out of training."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.holdout import FRACTIONS, held_out, position, role

names = st.text(min_size=1, max_size=20)


@given(name=names)
def test_a_name_stays_where_it_is_as_the_share_grows(name: str) -> None:
    found = [held_out(name, "group", share / 20) for share in range(21)]
    assert found == sorted(found)
    assert found[0] is False
    assert found[-1] is True


def test_about_the_share_that_was_asked_for_is_held_out() -> None:
    count = sum(held_out(f"shop-{i}", "category", 0.3) for i in range(10_000))
    assert 2_850 < count < 3_150  # more than three standard deviations either way


def test_axes_are_independent() -> None:
    both = sum(position(f"n{i}", "group") < 0.5 < position(f"n{i}", "family") for i in range(4_000))
    assert 850 < both < 1_150


def test_the_rule_itself_never_changes() -> None:
    """Another hash would move groups between training and validation of the released weights."""
    assert position("clothing-dataset", "group") == pytest.approx(0.895744860785166)


@given(group=names, category=names)
def test_validation_wins_over_the_learner_and_that_over_the_encoder(
    group: str, category: str
) -> None:
    found = role({"group": group, "category": category})
    assert (found == "validation") == (held_out(group, "group") or held_out(category, "category"))
    if found == "encoder":
        assert position(group, "group") >= FRACTIONS["group"]


def test_an_unknown_name_is_for_training() -> None:
    assert role({"group": "", "category": "", "family": ""}) == "encoder"


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_beyond_all_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        held_out("a", "group", share)
