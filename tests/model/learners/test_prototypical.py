"""Prototypical networks against loops over the definition, and against easyfsl."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from model.errors import SupportError
from model.learners.prototypical import Prototypical, prototype_logits, prototypes


def episode(seed: int, n: int, d: int, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings (n, d), labels (n,) with every class among them, queries (5, d)."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=generator, dtype=torch.double)
    extra = torch.randint(classes, (n - classes,), generator=generator)
    label = torch.cat([torch.arange(classes), extra])
    label = label[torch.randperm(n, generator=generator)]
    return x, label, torch.randn(5, d, generator=generator, dtype=torch.double)


ways = st.integers(1, 6)


@given(classes=ways, more=st.integers(0, 12), d=st.integers(1, 8), seed=st.integers(0, 9999))
def test_a_prototype_is_a_mean_and_a_logit_a_squared_distance(
    classes: int, more: int, d: int, seed: int
) -> None:
    x, label, queries = episode(seed, classes + more, d, classes)
    present = torch.ones(1, len(x), dtype=torch.bool)
    centres = prototypes(x[None], functional.one_hot(label, classes)[None], present)
    logits = prototype_logits(queries[None], centres, 3.0)[0]
    for k in range(classes):
        mean = np.mean([x[i].numpy() for i in range(len(x)) if label[i] == k], axis=0)
        np.testing.assert_allclose(centres[0, k], mean, atol=1e-12)
        for q, query in enumerate(queries.numpy()):
            assert logits[q, k].item() == pytest.approx(-3 * sum((query - mean) ** 2), abs=1e-9)


@given(classes=ways, more=st.integers(0, 12), d=st.integers(1, 8), seed=st.integers(0, 9999))
def test_easyfsl_has_the_same_prototypes_and_the_root_of_the_distance(
    classes: int, more: int, d: int, seed: int
) -> None:
    """easyfsl scores with the distance, where the paper's equation 2 has its square.

    The nearest class is the same, the probabilities are not.
    """
    methods = pytest.importorskip("easyfsl.methods")
    x, label, queries = episode(seed, classes + more, d, classes)
    peer = methods.PrototypicalNetworks()
    peer.process_support_set(x, label)
    present = torch.ones(1, len(x), dtype=torch.bool)
    centres = prototypes(x[None], functional.one_hot(label, classes)[None], present)
    torch.testing.assert_close(centres[0], peer.prototypes)
    logits = prototype_logits(queries[None], centres)[0]
    torch.testing.assert_close(logits, -peer(queries).square(), atol=1e-8, rtol=1e-7)


@given(seed=st.integers(0, 9999), kappa=st.floats(0.01, 50))
def test_a_prior_counts_as_so_many_examples(seed: int, kappa: float) -> None:
    x, label, _ = episode(seed, 7, 3, 2)
    one_hot = functional.one_hot(label, 3)[None]  # class 2 has no example
    prior = torch.randn(3, 3, dtype=torch.double)
    count = torch.full((3,), kappa, dtype=torch.double)
    centres = prototypes(x[None], one_hot, torch.ones(1, 7, dtype=torch.bool), prior, count)[0]
    for k in range(3):
        mine = x[label == k]
        expected = (kappa * prior[k] + mine.sum(0)) / (kappa + len(mine))
        torch.testing.assert_close(centres[k], expected)


def test_a_class_without_examples_is_refused_by_number() -> None:
    one_hot = torch.tensor([[[1, 0, 0], [0, 0, 1]]])
    with pytest.raises(SupportError, match="class 1 of task 0 has no example"):
        prototypes(torch.zeros(1, 2, 4), one_hot, torch.ones(1, 2, dtype=torch.bool))


def test_half_a_prior_is_refused() -> None:
    with pytest.raises(SupportError, match="belong together"):
        prototypes(
            torch.zeros(1, 1, 4),
            torch.ones(1, 1, 1),
            torch.ones(1, 1, dtype=torch.bool),
            prior=torch.zeros(1, 4),
        )


def random_learner(seed: int) -> Prototypical:
    torch.manual_seed(seed)
    learner = Prototypical(4, width=3).double()
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return learner


@given(n=st.integers(0, 8), seed=st.integers(0, 9999))
def test_the_linear_head_has_the_log_odds_of_the_distances(n: int, seed: int) -> None:
    learner = random_learner(seed)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 4, generator=generator, dtype=torch.double)
    y = torch.rand(n, generator=generator) < 0.5
    queries = torch.randn(3, 4, generator=generator, dtype=torch.double)
    with torch.no_grad():
        got = learner.logits(learner.fit(x, y)[None], queries[None])[0].numpy()
        a = learner.projection.numpy()
        prior, kappa = learner.prior.numpy(), learner.log_pseudo_count.exp().numpy()
        scale = learner.log_scale.exp().item()
    for q, query in enumerate(queries.numpy()):
        distance = []
        for k in (0, 1):
            centre = kappa[k] * prior[k]
            for row, label in zip(x.numpy(), y.tolist(), strict=True):
                centre = centre + (a @ row if label == bool(k) else 0)
            centre = centre / (kappa[k] + int((y == bool(k)).sum()))
            distance.append(((a @ query - centre) ** 2).sum())
        assert got[q] == pytest.approx(scale * (distance[0] - distance[1]), abs=1e-9)


def test_an_untrained_learner_knows_nothing_and_one_label_tells_its_likeness() -> None:
    learner = Prototypical(3)
    empty = learner.adapt(torch.zeros(0, 3), torch.zeros(0, dtype=torch.bool))
    assert learner.score(empty, torch.eye(3)).tolist() == [0.5, 0.5, 0.5]
    one = learner.adapt(torch.eye(3)[:1], torch.tensor([True]))
    alike, other, _ = learner.score(one, torch.eye(3)).tolist()
    assert alike > 0.5 > other
