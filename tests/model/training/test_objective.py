"""The meta-loss and its gradients, computed another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from model.episodes import Episode
from model.learners.prior_mixture import PriorMixture
from model.training.objective import Auxiliary, EpisodeBatch, task_losses


def episode(seed: int, n: int, q: int, pool: int = 30) -> Episode:
    rng = np.random.default_rng(seed)
    order = rng.permutation(pool)
    query_label = np.arange(q) < max(1, q // 3)
    return Episode(
        support=order[:n],
        support_is_placeholder=rng.random(n) < 0.5,
        query=order[n : n + q],
        query_is_placeholder=query_label,
        sort="ordinary",
        subject="x",
    )


def test_losses_of_padded_tasks_are_those_of_each_task_alone() -> None:
    torch.manual_seed(0)
    learner = PriorMixture(6, 3).double()
    torch.nn.init.normal_(learner.mean)
    embeddings = functional.normalize(torch.randn(30, 6, dtype=torch.double), dim=1)
    tasks = [episode(1, 0, 9), episode(2, 5, 4), episode(3, 11, 12)]
    together = task_losses(learner, embeddings, EpisodeBatch.of(tasks))
    for task, loss in zip(tasks, together, strict=True):
        head = learner.fit(
            embeddings[torch.from_numpy(task.support)],
            torch.from_numpy(task.support_is_placeholder),
        )
        logits = embeddings[torch.from_numpy(task.query)] @ head[:-1] + head[-1]
        label = torch.from_numpy(task.query_is_placeholder)
        sides = [
            functional.softplus(-logits[label]).mean(),
            functional.softplus(logits[~label]).mean(),
        ]
        assert loss.item() == pytest.approx(sum(s.item() for s in sides) / 2, rel=1e-5)


def test_the_gradient_through_the_adaptation_agrees_with_finite_differences() -> None:
    torch.manual_seed(1)
    learner = PriorMixture(4, 2).double()
    torch.nn.init.normal_(learner.mean)
    batch = EpisodeBatch.of([episode(1, 5, 6), episode(2, 3, 8)])
    raw = torch.randn(30, 4, dtype=torch.double, requires_grad=True)

    def loss(x: torch.Tensor) -> torch.Tensor:
        return task_losses(learner, functional.normalize(x, dim=1), batch).sum()

    assert torch.autograd.gradcheck(loss, raw, eps=1e-6, atol=1e-5)


def test_any_class_that_a_coarse_name_allows_is_right() -> None:
    names = ["text/notice", "text/sizes", "icon/camera", "product:shoes", "kind:text"]
    auxiliary = Auxiliary(names, 3)
    assert auxiliary.names == ["icon/camera", "product:shoes", "text/notice", "text/sizes"]
    with torch.no_grad():
        auxiliary.linear.weight.zero_()
        auxiliary.linear.bias.zero_()
    x = torch.zeros(1, 3)
    assert auxiliary(x, ["product:shoes"]).item() == pytest.approx(math.log(4))
    assert auxiliary(x, ["kind:text"]).item() == pytest.approx(math.log(2))


def test_a_logo_tile_may_be_either() -> None:
    names = ["logo/wordmark", "product:drawn logo", "product:shoes", "kind:silhouette"]
    auxiliary = Auxiliary(names, 2)
    with torch.no_grad():
        auxiliary.linear.weight.zero_()
        auxiliary.linear.bias.copy_(torch.tensor([0.0, 3.0, -1.0]))
    x = torch.zeros(1, 2)
    assert auxiliary(x, ["logo/wordmark"]).item() == auxiliary(x, ["product:drawn logo"]).item()
    # Nothing of this kind was drawn: the name teaches nothing, and costs nothing.
    assert auxiliary(x, ["kind:silhouette"]).item() == pytest.approx(0.0, abs=1e-6)
