"""A policy as a value: what it may answer, and that it survives being written down."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.policy.errors import PolicyError
from model.policy.fixed import Cascade, Chance, Plan
from model.policy.mdp import Grid, Reward, subset_of
from model.policy.policy import Chooser, Policy, greedy


def drawn(seed: int, experts: int, bins: int, contexts: int, met: float) -> Policy:
    """The greedy policy of values without meaning, some of them unknown."""
    rng = np.random.default_rng(seed)
    grid = Grid(np.sort(rng.standard_normal(bins - 1)), experts, contexts)
    q = np.where(grid.legal(), rng.standard_normal((grid.states, experts + 1)), -np.inf)
    q[rng.random(grid.states) > met] = -np.inf
    return greedy(q, grid, Reward((1.0,) * experts, 0.1))


sizes = st.tuples(
    st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 9), st.integers(1, 6), st.floats(0, 1)
)


@given(sizes, st.integers(0, 60))
def test_nobody_is_asked_twice(size: tuple[int, int, int, int, float], n: int) -> None:
    policy, rng = drawn(*size), np.random.default_rng(size[0])
    asked = rng.random((n, policy.stop)) < 0.5
    logit, context = rng.standard_normal(n) * 3, rng.integers(0, size[3], n).astype(np.int8)
    order = tuple(rng.permutation(policy.stop).tolist())
    choosers: list[Chooser] = [
        policy, Plan(order), Cascade(order, -1.0, 1.0), Chance(0.7, rng),
    ]  # fmt: skip
    for chooser in choosers:
        action = chooser.next_expert(asked, logit, context)
        assert action.shape == (n,)
        assert action.dtype == np.int8
        asks = action < policy.stop
        assert (action[~asks] == policy.stop).all()
        assert not asked[asks, action[asks]].any()


@given(sizes)
def test_a_batch_is_one_by_one_and_the_tables_entry(
    size: tuple[int, int, int, int, float],
) -> None:
    policy, rng = drawn(*size), np.random.default_rng(size[0])
    asked, logit = rng.random((20, policy.stop)) < 0.5, rng.standard_normal(20)
    # On an edge the upper bin counts.
    logit[: len(policy.edges)] = policy.edges[:20]
    context = rng.integers(0, size[3], 20).astype(np.int8)
    whole = policy.next_expert(asked, logit, context)
    for i in range(20):
        one = policy.next_expert(asked[i : i + 1], logit[i : i + 1], context[i : i + 1])
        place = sum(edge <= logit[i] for edge in policy.edges)
        subset = sum(2**j for j in range(policy.stop) if asked[i, j])
        assert one[0] == whole[i] == policy.table[subset, place, context[i]]


@given(sizes)
def test_written_and_read_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, size: tuple[int, int, int, int, float]
) -> None:
    policy = drawn(*size)
    path = tmp_path_factory.mktemp("policy") / "deep" / "p.safetensors"
    policy.save(path)
    assert [each.name for each in path.parent.iterdir()] == ["p.safetensors"]
    for got in (Policy.load(path), Policy.from_tensors(*policy.to_tensors())):
        np.testing.assert_array_equal(got.table, policy.table)
        np.testing.assert_array_equal(got.edges, policy.edges)
        assert (got.costs, got.price, got.focus) == (policy.costs, policy.price, policy.focus)


def test_a_state_never_met_does_as_the_nearest_bin_and_else_stops() -> None:
    grid = Grid(np.array([0.0, 1.0, 2.0]), 2, 2)
    q = np.full((grid.states, 3), -np.inf)
    for bin_, best in ((0, 0), (3, 1)):
        state = int(grid.state(np.array(0), np.array(bin_), np.array(0)))
        q[state, :2] = -1.0
        q[state, best] = 0.0
    policy = greedy(q, grid, Reward((1.0, 1.0), 0.1))
    assert policy.table[0, :, 0].tolist() == [0, 0, 1, 1]
    assert policy.table[0, :, 1].tolist() == [2] * 4
    assert (policy.table[1:] == 2).all()


def test_subsets_and_states_are_numbered_without_gap() -> None:
    grid = Grid(np.array([-1.0, 1.0]), 3, 2)
    subset, bins, context = np.mgrid[0:8, 0:3, 0:2]
    assert sorted(grid.state(subset, bins, context).ravel()) == list(range(grid.states))
    asked = np.array([[False, False, False], [True, False, False], [False, True, True]])
    assert subset_of(asked).tolist() == [0, 1, 6]
    legal = grid.legal().reshape(8, 3, 2, 4)
    assert legal[6, 1, 1].tolist() == [True, False, False, True]
    assert legal[7].sum() == 6  # to stop, in each


def test_what_cannot_be_a_policy_is_refused(tmp_path: Path) -> None:
    good = drawn(0, 2, 3, 1, 1.0)
    table = good.table.copy()
    table[3] = 0  # asks an expert that was asked
    with pytest.raises(PolicyError, match="does not allow"):
        Policy(table, good.edges, good.costs, good.price, good.focus)
    with pytest.raises(PolicyError, match="int8 of shape"):
        Policy(good.table[:2], good.edges, good.costs, good.price, good.focus)
    with pytest.raises(PolicyError, match="ascending"):
        Policy(good.table, good.edges[::-1].copy(), good.costs, good.price, good.focus)
    with pytest.raises(PolicyError, match="contexts are 0 to 0"):
        good.next_expert(np.zeros((1, 2), bool), np.zeros(1), np.ones(1, np.int8))
    tensors, _ = good.to_tensors()
    with pytest.raises(PolicyError, match="no policy"):
        Policy.from_tensors(tensors, "{}")
    with pytest.raises(PolicyError, match="cannot be read"):
        Policy.load(tmp_path / "nowhere")
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(PolicyError, match="cannot be read"):
        Policy.load(tmp_path / "text")
    with pytest.raises(PolicyError, match="low <= high"):
        Cascade((0,), 1.0, -1.0)
    with pytest.raises(PolicyError, match="chance"):
        Chance(1.5, np.random.default_rng(0))


@given(st.integers(0, 10**6))
def test_joined_each_context_has_its_own_policy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    costs = (1.0, 2.0, 5.0)

    def any_policy() -> Policy:
        edges = np.sort(rng.normal(size=rng.integers(0, 6)))
        table = np.full((8, len(edges) + 1, 4), 3, np.int8)
        for subset in range(8):
            allowed = [j for j in range(3) if not subset >> j & 1] + [3]
            table[subset] = rng.choice(allowed, table.shape[1:])
        return Policy(table, edges, costs, 0.1, (0.0,))

    one, other = any_policy(), any_policy()
    joined = one.joined(other, (0, 2))
    asked, logit = rng.random((50, 3)) < 0.4, rng.normal(size=50) * 2
    logit[:5] = rng.choice(np.concatenate([one.edges, other.edges, [0.0]]), 5)  # on an edge
    for context in range(4):
        where = np.full(50, context)
        expected = (other if context in (0, 2) else one).next_expert(asked, logit, where)
        np.testing.assert_array_equal(joined.next_expert(asked, logit, where), expected)


def test_policies_of_other_costs_cannot_be_joined() -> None:
    table = np.full((2, 1, 1), 1, np.int8)
    one, other = (Policy(table, np.zeros(0), (cost,), 0.1, (0.0,)) for cost in (1.0, 2.0))
    with pytest.raises(PolicyError, match="cannot be joined"):
        one.joined(other, (0,))
