"""Examples packed into states of one size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.errors import SupportError
from model.learners import example_rows
from model.learners.matching import Matching
from model.learners.nearest_neighbour import NearestNeighbour
from model.learners.siamese import Siamese


@given(
    present=st.lists(st.booleans(), max_size=12),
    capacity=st.integers(1, 12),
    seed=st.integers(0, 9999),
)
def test_what_was_packed_comes_back_without_padding(
    present: list[bool], capacity: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    n = len(present)
    x = torch.randn(1, n, 3, generator=generator)
    y = torch.rand(1, n, generator=generator) < 0.5
    here = torch.tensor([present], dtype=torch.bool).view(1, n)
    if sum(present) > capacity:
        with pytest.raises(SupportError, match=f"of {sum(present)} .* capacity of {capacity};"):
            example_rows.pack(x, y, here, capacity)
        return
    states = example_rows.pack(x, y, here, capacity)
    assert states.shape == (1, example_rows.state_size(3, capacity))
    rows, label, used = example_rows.unpack(states, 3)
    assert int(used.sum()) == sum(present)
    assert torch.equal(rows[used], x[here])
    assert torch.equal(label[used], y[here])
    assert not bool(rows[~used].any() | label[~used].any())


@pytest.mark.parametrize("learner", [Matching, NearestNeighbour, Siamese])
def test_a_support_beyond_the_capacity_is_refused_with_both_numbers(
    learner: type[Matching | NearestNeighbour | Siamese],
) -> None:
    made = learner(3, capacity=4)
    made.adapt(torch.ones(4, 3), torch.ones(4, dtype=torch.bool))
    with pytest.raises(SupportError, match="5 examples is larger than the capacity of 4"):
        made.adapt(torch.ones(5, 3), torch.ones(5, dtype=torch.bool))
    with pytest.raises(SupportError, match="at least 1 example, got 0"):
        learner(3, capacity=0)
