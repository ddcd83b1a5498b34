"""The Siamese network against loops over the paper's formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from model.errors import SupportError
from model.learners.siamese import Siamese, most_similar, pair_logits

seeds = st.integers(0, 9999)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def classes_of(seed: int, n: int, classes: int) -> Tensor:
    return torch.randint(classes, (n,), generator=torch.Generator().manual_seed(seed + 1))


@given(n=st.integers(0, 6), seed=seeds)
def test_a_pair_is_judged_by_its_weighted_distance(n: int, seed: int) -> None:
    queries, support, weight = drawn(seed, 3, 4), drawn(seed + 1, n, 4), drawn(seed + 2, 4)
    got = pair_logits(queries[None], support[None], weight, 0.7)[0]
    assert got.shape == (3, n)
    for q in range(3):
        for i in range(n):
            distance = sum(
                float(weight[j]) * abs(float(queries[q, j]) - float(support[i, j]))
                for j in range(4)
            )
            assert got[q, i].item() == pytest.approx(0.7 - distance)


@given(n=st.integers(1, 8), c=st.integers(1, 4), seed=seeds)
def test_the_decision_is_the_class_of_the_most_similar_example(n: int, c: int, seed: int) -> None:
    similarity, label = drawn(seed, 1, 3, n), classes_of(seed, n, c)
    present = torch.rand(1, n, generator=torch.Generator().manual_seed(seed)) < 0.7
    present[0, seed % n] = True
    found = most_similar(similarity, functional.one_hot(label, c)[None], present)[0]
    for q in range(3):
        seen = [(similarity[0, q, i].item(), int(label[i])) for i in range(n) if present[0, i]]
        assert int(found[q].argmax()) == max(seen)[1]
        for k in range(c):
            of_class = [s for s, y in seen if y == k]
            assert found[q, k].item() == max(of_class, default=-1e9)


def test_no_example_at_all_is_no_trouble() -> None:
    found = most_similar(
        torch.zeros(1, 2, 0), torch.zeros(1, 0, 3), torch.zeros(1, 0, dtype=torch.bool)
    )
    assert found.tolist() == [[[-1e9] * 3] * 2]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@given(n=st.integers(0, 6), seed=seeds)
def test_the_learner_compares_the_nearest_of_both_labels(n: int, seed: int) -> None:
    torch.manual_seed(seed)
    learner = Siamese(3, width=2, priors=2, capacity=6).double()
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    x, queries, label = drawn(seed, n, 3), drawn(seed + 1, 4, 3), classes_of(seed, n, 2)
    with torch.no_grad():
        got = learner.logits(learner.fit(x, label.bool())[None], queries[None])[0]
    get = {k: v.detach().numpy() for k, v in learner.named_parameters()}

    def twin(row: np.ndarray) -> np.ndarray:
        return sigmoid(get["twin.weight"] @ row + get["twin.bias"])

    examples = [(twin(row), int(y), 0.0) for row, y in zip(x.numpy(), label, strict=True)]
    for i, prior in enumerate(get["prior"]):  # real and placeholder take turns
        examples.append((sigmoid(prior), i % 2, get["prior_offset"][i]))
    for q, query in enumerate(queries.numpy()):
        best = [-np.inf, -np.inf]
        for row, y, offset in examples:
            same = get["bias"] - get["weight"] @ np.abs(twin(query) - row) + offset
            best[y] = max(best[y], same)
        expected = np.exp(get["log_gain"]) * (best[1] - best[0]) + get["shift"]
        assert got[q].item() == pytest.approx(float(expected), abs=1e-9)


def test_one_label_moves_what_looks_like_its_examples_and_nothing_away_from_it() -> None:
    torch.manual_seed(1)
    learner = Siamese(3)
    empty = learner.adapt(torch.zeros(0, 3), torch.zeros(0, dtype=torch.bool))
    head = learner.adapt(torch.eye(3)[:1], torch.tensor([True]))
    before, after = learner.score(empty, torch.eye(3)), learner.score(head, torch.eye(3))
    assert bool((after >= before).all())
    assert after[0] > before[0]


def test_a_label_without_prior_twins_is_refused() -> None:
    with pytest.raises(SupportError, match="at least 1 prior twin, got 0"):
        Siamese(3, priors=0)
