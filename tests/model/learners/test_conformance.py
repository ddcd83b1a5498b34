"""What every learner promises, checked for every learner there is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.errors import SupportError, WeightsError
from model.learners import LEARNERS, from_state
from model.learners.base import MIN_PROBABILITY, Head, Learner
from model.learners.meta import MetaLearner

DIM = 12


def build(name: str) -> MetaLearner:
    """A learner with parameters away from their initial values."""
    torch.manual_seed(3)
    learner = LEARNERS[name](DIM)
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for buffer in learner.buffers():
            buffer.add_(0.1 * torch.randn_like(buffer))
    return learner


def embeddings(n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(n, DIM, generator=generator), dim=1)


def labels(n: int, seed: int) -> Tensor:
    return torch.rand(n, generator=torch.Generator().manual_seed(seed + 1)) < 0.5


names = pytest.mark.parametrize("name", sorted(LEARNERS))
sizes = st.integers(0, 25)
seeds = st.integers(0, 10_000)
# There are many learners, some take many steps, and each is a test of its own.
fewer = settings(max_examples=settings().max_examples // 4)


@names
@fewer
@given(n=sizes, q=st.integers(0, 6), seed=seeds)
def test_probabilities_are_strictly_inside_and_scoring_twice_agrees(
    name: str, n: int, q: int, seed: int
) -> None:
    learner = build(name)
    head = learner.adapt(embeddings(n, seed), labels(n, seed))
    queries = embeddings(q, seed + 7)
    found = learner.score(head, queries)
    assert found.shape == (q,)
    assert bool(((found >= MIN_PROBABILITY) & (found <= 1 - MIN_PROBABILITY)).all())
    assert torch.equal(found, learner.score(head, queries))
    assert isinstance(learner, Learner)


@names
@fewer
@given(n=st.integers(2, 20), seed=seeds)
def test_the_order_of_the_support_is_irrelevant(name: str, n: int, seed: int) -> None:
    learner = build(name)
    x, y = embeddings(n, seed), labels(n, seed)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    queries = embeddings(5, seed + 7)
    one = learner.score(learner.adapt(x, y), queries)
    other = learner.score(learner.adapt(x[order], y[order]), queries)
    torch.testing.assert_close(one, other, atol=2e-4, rtol=1e-3)


@names
@fewer
@given(n=sizes, seed=seeds)
def test_a_batch_of_categories_equals_one_by_one(name: str, n: int, seed: int) -> None:
    learner = build(name)
    heads = [learner.adapt(embeddings(n, seed + i), labels(n, seed + i)) for i in range(4)]
    queries = embeddings(4, seed + 7)
    together = learner.score_many(torch.stack([h.state for h in heads]), queries)
    alone = torch.cat([learner.score(h, queries[i : i + 1]) for i, h in enumerate(heads)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)


@names
@fewer
@given(n=sizes, seed=seeds)
def test_log_odds_are_those_of_the_probabilities(name: str, n: int, seed: int) -> None:
    learner = build(name)
    heads = [learner.adapt(embeddings(n, seed + i), labels(n, seed + i)) for i in range(4)]
    states, queries = torch.stack([h.state for h in heads]), embeddings(4, seed + 7)
    said = learner.score_many(states, queries)
    found = learner.log_odds(states.numpy(), queries.numpy())
    assert found.dtype == np.float32
    np.testing.assert_allclose(torch.sigmoid(torch.from_numpy(found)), said, atol=1e-6, rtol=1e-5)
    one = learner.log_odds(states[:1].numpy(), queries.numpy())
    expected = learner.score(heads[0], queries)
    np.testing.assert_allclose(torch.sigmoid(torch.from_numpy(one)), expected, atol=1e-6, rtol=1e-5)


@names
@fewer
@given(n=sizes, seed=seeds)
def test_inputs_stay_as_they_were(name: str, n: int, seed: int) -> None:
    learner = build(name)
    x, y = embeddings(n, seed), labels(n, seed)
    before = x.clone(), y.clone()
    learner.score(learner.adapt(x, y), x)
    learner.leave_one_out(x, y)
    assert torch.equal(x, before[0])
    assert torch.equal(y, before[1])


@names
@fewer
@given(n=sizes, seed=seeds)
def test_saving_and_loading_change_nothing(name: str, n: int, seed: int) -> None:
    learner = build(name)
    head = learner.adapt(embeddings(n, seed), labels(n, seed))
    again = Head.from_bytes(head.to_bytes())
    assert again.learner == head.learner
    assert torch.equal(again.state, head.state)
    twin = from_state(name, {"embedding_dim": DIM}, learner.state_dict())
    assert torch.equal(twin.score(again, embeddings(3, 1)), learner.score(head, embeddings(3, 1)))


@names
@fewer
@given(n=st.integers(1, 12), seed=seeds)
def test_leave_one_out_is_the_head_of_the_others(name: str, n: int, seed: int) -> None:
    learner = build(name)
    x, y = embeddings(n, seed), labels(n, seed)
    expected = MetaLearner.leave_one_out(learner, x, y)
    torch.testing.assert_close(learner.leave_one_out(x, y), expected, atol=2e-4, rtol=2e-3)


@names
@settings(max_examples=8)
@given(n=st.integers(0, 12), seed=seeds)
def test_studying_is_adapting_and_leaving_one_out(name: str, n: int, seed: int) -> None:
    learner = build(name)
    x, y = embeddings(n, seed), labels(n, seed)
    studied = learner.study(x, y)
    assert studied.head.learner == name
    torch.testing.assert_close(studied.head.state, learner.adapt(x, y).state, atol=1e-4, rtol=1e-3)
    expected = learner.leave_one_out(x, y)
    torch.testing.assert_close(studied.left_out, expected, atol=1e-5, rtol=1e-4)


@names
@pytest.mark.parametrize("label", [True, False])
def test_one_label_only_is_answered(name: str, label: bool) -> None:
    learner = build(name)
    x = embeddings(3, 5)
    head = learner.adapt(x, torch.full((3,), label))
    assert bool(torch.isfinite(head.state).all())


@names
def test_the_same_picture_twice_is_no_trouble(name: str) -> None:
    learner = build(name)
    x = embeddings(1, 5).expand(6, -1)
    y = torch.tensor([True, True, True, False, False, False])
    assert bool(torch.isfinite(learner.adapt(x, y).state).all())


@names
@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (torch.zeros(2, DIM + 1), torch.zeros(2, dtype=torch.bool), "must have shape"),
        (torch.zeros(2, DIM), torch.zeros(3, dtype=torch.bool), "2 embeddings need 2 labels"),
        (torch.zeros(2, DIM), torch.zeros(2), "labels must be bool"),
        (torch.full((2, DIM), torch.nan), torch.zeros(2, dtype=torch.bool), "must be finite"),
    ],
)
def test_an_impossible_support_is_refused(name: str, x: Tensor, y: Tensor, said: str) -> None:
    with pytest.raises(SupportError, match=said):
        build(name).adapt(x, y)


def test_a_head_of_another_learner_is_refused() -> None:
    head = Head("somebody", torch.zeros(DIM + 1))
    for name in LEARNERS:
        with pytest.raises(SupportError, match="somebody"):
            build(name).score(head, embeddings(1, 1))


@given(data=st.binary(max_size=200))
def test_bytes_that_are_no_head_are_refused(data: bytes) -> None:
    with pytest.raises(WeightsError):
        Head.from_bytes(data)


def test_weights_of_another_learner_are_refused() -> None:
    with pytest.raises(WeightsError, match="unknown learner"):
        from_state("nobody", {}, {})
    for name in LEARNERS:
        with pytest.raises(WeightsError, match=name):
            from_state(name, {"embedding_dim": DIM, "no_such_option": 1}, {})
