"""Transduction: an empty batch says nothing, order is irrelevant, and it is what it claims."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from torch import Tensor

from model.errors import SupportError
from model.learners.transduction import Transduction, refine, transduce

DIM = 5
seeds = st.integers(0, 10_000)
trusts = st.builds(
    Transduction,
    weight=st.floats(0, 8),
    doubt=st.floats(0.5, 50),
    base_rate=st.floats(0, 1),
    steps=st.integers(1, 6),
)


def task(n: int, q: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """state, queries, support and its labels."""
    g = torch.Generator().manual_seed(seed)
    rows = torch.nn.functional.normalize(torch.randn(n + q, DIM, generator=g), dim=1)
    label = torch.rand(n, generator=g) < 0.5
    return torch.randn(DIM + 1, generator=g), rows[:q], rows[q:], label


@given(n=st.integers(0, 8), seed=seeds, trust=trusts)
def test_an_empty_batch_changes_nothing(n: int, seed: int, trust: Transduction) -> None:
    state, queries, support, label = task(n, 0, seed)
    assert torch.equal(refine(state, queries, support, label, trust), state)
    assert transduce(state, queries, support, label, trust).shape == (0,)


@given(n=st.integers(0, 8), q=st.integers(1, 12), seed=seeds)
def test_no_trust_is_the_inductive_answer(n: int, q: int, seed: int) -> None:
    state, queries, support, label = task(n, q, seed)
    trust = Transduction(weight=0.0, base_rate=0.0)
    assert torch.equal(refine(state, queries, support, label, trust), state)
    expected = torch.sigmoid(queries @ state[:-1] + state[-1])
    torch.testing.assert_close(transduce(state, queries, support, label, trust), expected)


@given(n=st.integers(0, 8), q=st.integers(1, 12), seed=seeds, trust=trusts)
def test_the_order_of_batch_and_support_is_irrelevant(
    n: int, q: int, seed: int, trust: Transduction
) -> None:
    state, queries, support, label = task(n, q, seed)
    g = torch.Generator().manual_seed(seed)
    a, b = torch.randperm(q, generator=g), torch.randperm(n, generator=g)
    one = transduce(state, queries, support, label, trust)
    other = transduce(state, queries[a], support[b], label[b], trust)
    torch.testing.assert_close(one[a], other, atol=1e-6, rtol=1e-5)


@given(n=st.integers(0, 8), q=st.integers(1, 12), seed=seeds, trust=trusts)
def test_it_is_pure_and_its_answers_are_probabilities(
    n: int, q: int, seed: int, trust: Transduction
) -> None:
    inputs = task(n, q, seed)
    before = [t.clone() for t in inputs]
    found = transduce(*inputs, trust)
    assert torch.equal(found, transduce(*inputs, trust))
    assert bool(((found > 0) & (found < 1)).all())
    assert all(torch.equal(x, y) for x, y in zip(inputs, before, strict=True))


@given(n=st.integers(0, 8), q=st.integers(1, 12), seed=seeds, trust=trusts)
def test_swapping_the_labels_swaps_the_answers(
    n: int, q: int, seed: int, trust: Transduction
) -> None:
    state, queries, support, label = task(n, q, seed)
    one = refine(state, queries, support, label, trust)
    other = refine(-state, queries, support, ~label, trust)
    torch.testing.assert_close(other, -one, atol=1e-5, rtol=1e-4)


@given(n=st.integers(0, 8), q=st.integers(1, 12), seed=seeds, trust=trusts)
def test_it_is_expectation_maximisation_picture_by_picture(
    n: int, q: int, seed: int, trust: Transduction
) -> None:
    """The same in loops over scores of single pictures, with distances instead of a head."""
    state, queries, support, label = task(n, q, seed)
    x, s = queries.double().numpy(), support.double().numpy()
    w, y = state.double().numpy(), label.numpy()
    everything = np.concatenate([x, s])
    start = [float(w[:-1] @ row + w[-1]) for row in x]
    score = list(start)
    for _ in range(trust.steps):
        p = [float(expit(z)) for z in score]
        prototypes = []
        for side in (True, False):
            rows = [trust.doubt * everything.mean(0)]
            mass = trust.doubt
            for row, soft in zip(x, p, strict=True):
                rows.append((soft if side else 1 - soft) * row)
                mass += soft if side else 1 - soft
            for row, own in zip(s, y, strict=True):
                rows.append((own == side) * row)
                mass += own == side
            prototypes.append(np.sum(rows, axis=0) / mass)
        odds = (sum(p) + trust.doubt / 2) / (len(x) - sum(p) + trust.doubt / 2)
        pull = trust.weight * len(x) / (len(x) + trust.doubt)
        score = [
            z
            + pull
            * 0.5
            * (np.square(row - prototypes[1]).sum() - np.square(row - prototypes[0]).sum())
            + trust.base_rate * np.log(odds)
            for z, row in zip(start, x, strict=True)
        ]
    found = transduce(state, queries, support, label, trust)
    np.testing.assert_allclose(found, np.clip(expit(score), 1e-6, 1 - 1e-6), atol=2e-5)


def test_two_clusters_find_the_boundary_that_one_example_each_misses() -> None:
    g = torch.Generator().manual_seed(0)
    truth = torch.arange(40) < 20
    centre = torch.where(truth[:, None], torch.tensor([[0.0, 1, 1]]), torch.tensor([[0.0, 1, -1]]))
    x = torch.nn.functional.normalize(centre + 0.2 * torch.randn(40, 3, generator=g), dim=1)
    # A head that leans on feature 0, which is noise here, as much as on feature 2.
    state = torch.tensor([8.0, 0.0, 1.0, 0.0])
    none, label = torch.zeros(0, 3), torch.zeros(0, dtype=torch.bool)
    trust = Transduction(weight=8.0, doubt=1.0, base_rate=0.0, steps=10)
    before = ((x @ state[:-1] + state[-1] > 0) == truth).float().mean().item()
    after = ((transduce(state, x, none, label, trust) > 0.5) == truth).float().mean().item()
    assert before < 0.9
    assert after == 1


def test_the_share_of_a_skewed_batch_moves_the_threshold_towards_its_label() -> None:
    x = torch.nn.functional.normalize(torch.tensor([[1.0, 0.1]] * 2 + [[-1.0, 0.1]] * 18), dim=1)
    none, label = torch.zeros(0, 2), torch.zeros(0, dtype=torch.bool)
    state = torch.tensor([3.0, 0.0, 0.0])
    refined = refine(state, x, none, label, Transduction(weight=0.0, base_rate=1.0))
    assert torch.equal(refined[:-1], state[:-1])
    assert -np.log(9) < refined[-1] < 0


def test_a_larger_batch_moves_the_head_more() -> None:
    state, queries, support, label = task(4, 6, 3)
    trust = Transduction(weight=2.0, doubt=10.0, base_rate=0.0)
    moved = [
        (refine(state, queries.repeat(times, 1), support, label, trust) - state).norm().item()
        for times in (1, 4, 16)
    ]
    assert moved[0] < moved[1] < moved[2]


def test_gradients_are_right() -> None:
    state, queries, support, label = task(3, 4, 1)

    def head(state: Tensor, queries: Tensor, support: Tensor) -> Tensor:
        return refine(state, queries, support, label, Transduction(steps=2))

    # The answer is single precision: compared with wide differences, loosely.
    inputs = tuple(t.double().requires_grad_() for t in (state, queries, support))
    assert torch.autograd.gradcheck(head, inputs, eps=1e-3, atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weight": -1.0}, "weight"),
        ({"weight": float("nan")}, "weight"),
        ({"doubt": 0.0}, "doubt"),
        ({"base_rate": 1.5}, "base_rate"),
        ({"steps": 0}, "at least 1 step"),
    ],
)
def test_an_impossible_trust_is_refused(change: dict[str, float], said: str) -> None:
    with pytest.raises(SupportError, match=said):
        Transduction(**change)  # type: ignore[arg-type]


def test_an_impossible_batch_is_refused() -> None:
    state, queries, support, label = task(3, 4, 1)
    with pytest.raises(SupportError, match="queries must have shape"):
        transduce(state, queries[:, :-1], support, label)
    with pytest.raises(SupportError, match="queries must be finite"):
        transduce(state, queries * torch.nan, support, label)
    with pytest.raises(SupportError, match="support embeddings must have shape"):
        transduce(state, queries, support[:, :-1], label)
