"""Gradients through the inner loop against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.func import functional_call

from model.learners.logistic_prior import LogisticPrior
from model.learners.matching import Matching
from model.learners.memory import MemoryAugmented
from model.learners.meta import MetaLearner
from model.learners.nearest_neighbour import NearestNeighbour
from model.learners.prototypical import Prototypical
from model.learners.ridge import Ridge
from model.learners.siamese import Siamese

SMALL: list[MetaLearner] = [
    Prototypical(3, width=2),
    Matching(3, width=2, priors=1, capacity=4),
    Matching(3, width=2, reads=2, priors=1, capacity=4),
    Siamese(3, width=2, priors=1, capacity=4),
    MemoryAugmented(3, slots=3, width=2, hidden=2),
    Ridge(3, width=2),
    LogisticPrior(3, width=2, steps=4),
    NearestNeighbour(3, capacity=4),
]


class Outer(torch.nn.Module):
    """What an outer loop differentiates: the queries' log odds after adapting."""

    def __init__(self, learner: MetaLearner) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, support: Tensor, queries: Tensor, label: Tensor, present: Tensor) -> Tensor:
        return self.learner.logits(self.learner.fit_batch(support, label, present), queries)


@pytest.mark.parametrize("learner", SMALL, ids=lambda learner: learner.name)
@pytest.mark.parametrize("examples", [0, 4])
def test_they_agree_with_finite_differences(learner: MetaLearner, examples: int) -> None:
    torch.manual_seed(5)
    outer = Outer(learner.double())
    with torch.no_grad():
        for parameter in outer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    support = torch.randn(2, examples, 3, dtype=torch.double, requires_grad=True)
    queries = torch.randn(2, 2, 3, dtype=torch.double, requires_grad=True)
    label = torch.tensor([[True, False, True, False], [True, True, True, False]])[:, :examples]
    present = torch.tensor([[True] * 4, [True, True, False, False]])[:, :examples]
    names = [name for name, _ in outer.named_parameters()]

    def answer(support: Tensor, queries: Tensor, *parameters: Tensor) -> Tensor:
        given = dict(zip(names, parameters, strict=True))
        return functional_call(outer, given, (support, queries, label, present))

    assert gradcheck(answer, (support, queries, *outer.parameters()), fast_mode=False)


@pytest.mark.parametrize("learner", SMALL, ids=lambda learner: learner.name)
def test_gradients_are_finite_where_two_examples_are_one_picture(learner: MetaLearner) -> None:
    learner = learner.float()
    support = torch.eye(3)[:1].expand(1, 4, -1).clone().requires_grad_()
    label = torch.tensor([[True, False, True, False]])
    states = learner.fit_batch(support, label, torch.ones(1, 4, dtype=torch.bool))
    learner.logits(states, support[:, :2]).square().sum().backward()
    leaves = [support, *learner.parameters()]
    assert all(leaf.grad is None or bool(torch.isfinite(leaf.grad).all()) for leaf in leaves)
