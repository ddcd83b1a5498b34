"""Matching networks against loops over the paper's equations, and against easyfsl."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from model.errors import SupportError
from model.learners.matching import AttentionRead, Matching, attention_log_probability

seeds = st.integers(0, 9999)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def classes_of(seed: int, n: int, classes: int) -> Tensor:
    return torch.randint(classes, (n,), generator=torch.Generator().manual_seed(seed + 1))


def by_hand(query: np.ndarray, support: np.ndarray, label: list[int], c: int, scale: float) -> list:
    """Equation 1 with plain probabilities."""
    energy = []
    for row in support:
        cosine = query @ row / (math.sqrt(query @ query) * math.sqrt(row @ row))
        energy.append(math.exp(scale * cosine))
    return [sum(e for e, y in zip(energy, label, strict=True) if y == k) for k in range(c)]


@given(n=st.integers(1, 9), c=st.integers(1, 4), scale=st.floats(0.1, 20), seed=seeds)
def test_attention_is_the_softmax_of_cosines(n: int, c: int, scale: float, seed: int) -> None:
    support, queries, label = drawn(seed, n, 3), drawn(seed + 1, 4, 3), classes_of(seed, n, c)
    got = attention_log_probability(
        queries[None],
        support[None],
        functional.one_hot(label, c)[None],
        torch.ones(1, n, dtype=torch.bool),
        scale,
    )[0].exp()
    for q, query in enumerate(queries.numpy()):
        mass = by_hand(query, support.numpy(), label.tolist(), c, scale)
        np.testing.assert_allclose(got[q], np.array(mass) / sum(mass), atol=1e-12)


@given(n=st.integers(1, 8), c=st.integers(2, 4), seed=seeds)
def test_padding_changes_nothing(n: int, c: int, seed: int) -> None:
    support, queries, label = drawn(seed, n, 3), drawn(seed + 1, 2, 3), classes_of(seed, n, c)
    one_hot = functional.one_hot(label, c)[None]
    here = torch.ones(1, n, dtype=torch.bool)
    alone = attention_log_probability(queries[None], support[None], one_hot, here, 5.0)
    junk = torch.cat([drawn(seed + 2, 2, 3), support])[None]
    padded = attention_log_probability(
        queries[None],
        junk,
        torch.cat([torch.ones(1, 2, c, dtype=torch.long), one_hot], dim=1),
        functional.pad(here, (2, 0), value=False),
        5.0,
    )
    torch.testing.assert_close(alone, padded)


def test_nothing_to_attend_to_makes_all_classes_equal_and_a_missing_one_impossible() -> None:
    queries = drawn(1, 1, 2, 3).requires_grad_()
    none = attention_log_probability(
        queries, drawn(2, 1, 0, 3), torch.zeros(1, 0, 4), torch.zeros(1, 0, dtype=torch.bool)
    )
    torch.testing.assert_close(none, torch.full_like(none, -math.log(4)))
    one = attention_log_probability(
        queries, drawn(2, 1, 1, 3), torch.tensor([[[0, 1]]]), torch.ones(1, 1, dtype=torch.bool)
    )
    assert one.exp()[0].tolist() == [[0, 1], [0, 1]]
    one.sum().backward()
    assert queries.grad is not None
    assert bool(torch.isfinite(queries.grad).all())


class Zeros(nn.Module):
    """In place of easyfsl's encoders: what they would add to an embedding is nothing."""

    def forward(self, x: Tensor, state: object = None) -> tuple[Tensor, Tensor]:
        if state is None:  # of the support: both directions of the LSTM
            return torch.zeros(*x.shape[:-1], 2 * x.shape[-1], dtype=x.dtype), x
        zeros = torch.zeros(len(x), x.shape[1] // 2, dtype=x.dtype)
        return zeros, zeros


@given(c=st.integers(1, 4), more=st.integers(0, 5), seed=seeds)
def test_easyfsl_has_the_same_attention_for_queries_of_unit_length(
    c: int, more: int, seed: int
) -> None:
    """Where easyfsl leaves the paper: it does not normalise queries, so that it has the cosine for
    unit length only, and it adds 1e-6 to a probability before the logarithm, so that its
    "log-probabilities" sum to more than 1 and none is below log 1e-6."""
    methods = pytest.importorskip("easyfsl.methods")
    n = c + more
    support, queries = drawn(seed, n, 3), functional.normalize(drawn(seed + 1, 4, 3), dim=1)
    label = torch.cat([torch.arange(c), classes_of(seed, more, c)])
    peer = methods.MatchingNetworks(
        feature_dimension=3, support_encoder=Zeros(), query_encoder=Zeros()
    )
    peer.process_support_set(support, label)
    peer.one_hot_support_labels = peer.one_hot_support_labels.double()
    theirs = peer(queries).exp()
    here = torch.ones(1, n, dtype=torch.bool)
    one_hot = functional.one_hot(label, c)[None]
    ours = attention_log_probability(queries[None], support[None], one_hot, here)[0].exp()
    torch.testing.assert_close(ours, theirs - 1e-6, atol=1e-10, rtol=1e-8)


@given(n=st.integers(1, 5), seed=seeds)
def test_easyfsl_reads_the_support_the_same_way(n: int, seed: int) -> None:
    """easyfsl takes one step for each example; here the number is free, as in the paper."""
    methods = pytest.importorskip("easyfsl.methods")
    torch.manual_seed(seed)
    read = AttentionRead(3, n).double()
    peer = methods.MatchingNetworks(feature_dimension=3, query_encoder=read.cell)
    support, queries = drawn(seed, n, 3), drawn(seed + 1, 4, 3)
    peer.contextualized_support_features = support
    with torch.no_grad():
        got = read(queries[None], support[None], torch.ones(1, n, dtype=torch.bool))[0]
        torch.testing.assert_close(got, peer.encode_query_features(queries))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@given(n=st.integers(0, 4), steps=st.integers(1, 3), seed=seeds)
def test_reading_the_support_step_by_step(n: int, steps: int, seed: int) -> None:
    torch.manual_seed(seed)
    read = AttentionRead(2, steps).double()
    support, queries = drawn(seed, n, 2), drawn(seed + 1, 3, 2)
    junk = torch.cat([support, drawn(seed + 2, 1, 2)])[None]
    present = torch.tensor([[True] * n + [False]])
    with torch.no_grad():
        got = read(queries[None], junk, present)[0].numpy()
    get = {k: v.detach().numpy() for k, v in read.cell.named_parameters()}
    for q, f in enumerate(queries.numpy()):
        h, c = f, np.zeros(2)
        for _ in range(steps):
            weight = np.exp(support.numpy() @ h)
            r = (weight / weight.sum()) @ support.numpy() if n else np.zeros(2)
            gates = get["weight_ih"] @ np.concatenate([f, r]) + get["bias_ih"]
            i, o_forget, g, o = np.split(gates + get["weight_hh"] @ h + get["bias_hh"], 4)
            c = sigmoid(o_forget) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c) + f
        np.testing.assert_allclose(got[q], h, atol=1e-12)


@given(n=st.integers(0, 6), reads=st.integers(0, 2), seed=seeds)
def test_the_learner_votes_with_examples_and_priors(n: int, reads: int, seed: int) -> None:
    torch.manual_seed(seed)
    learner = Matching(3, width=2, reads=reads, priors=1, capacity=6).double()
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    x, queries, label = drawn(seed, n, 3), drawn(seed + 1, 4, 3), classes_of(seed, n, 2)
    with torch.no_grad():
        got = learner.logits(learner.fit(x, label.bool())[None], queries[None])[0]
        rows, z = x @ learner.projection.T, queries @ learner.projection.T
        if learner.read is not None:
            z = learner.read(z[None], rows[None], torch.ones(1, n, dtype=torch.bool))[0]
        prior, offset = learner.prior.numpy(), learner.prior_offset.numpy()
        scale = learner.log_scale.exp().item()
    for q, query in enumerate(z.numpy()):
        mass = np.array(by_hand(query, rows.numpy(), label.tolist(), 2, scale), dtype=float)
        for k in (0, 1):
            mass[k] += by_hand(query, prior[k : k + 1], [0], 1, scale)[0] * math.exp(offset[k])
        assert got[q].item() == pytest.approx(math.log(mass[1] / mass[0]), abs=1e-9)


def test_the_order_of_the_support_is_irrelevant_to_reading() -> None:
    torch.manual_seed(1)
    learner = Matching(4, reads=3)
    x, y = drawn(1, 6, 4).float(), classes_of(1, 6, 2).bool()
    order = torch.tensor([3, 1, 5, 0, 4, 2])
    queries = drawn(2, 5, 4).float()
    one = learner.score(learner.adapt(x, y), queries)
    torch.testing.assert_close(one, learner.score(learner.adapt(x[order], y[order]), queries))


def test_a_single_label_is_believed_more_the_more_alike_the_picture_is() -> None:
    torch.manual_seed(1)
    learner = Matching(3)
    head = learner.adapt(torch.eye(3)[:1].expand(4, -1), torch.ones(4, dtype=torch.bool))
    empty = learner.adapt(torch.zeros(0, 3), torch.zeros(0, dtype=torch.bool))
    more = learner.score(head, torch.eye(3)) - learner.score(empty, torch.eye(3))
    assert bool((more > 0).all())
    assert more[0] > more[1:].max()


def test_options_that_are_none_are_refused() -> None:
    with pytest.raises(SupportError, match="at least 1 prior example, got 0"):
        Matching(3, priors=0)
    with pytest.raises(SupportError, match="at least 1 step, got -1"):
        Matching(3, reads=-1)
