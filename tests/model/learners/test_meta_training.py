"""Meta-training by the one outer loop makes every learner better at tasks it has not seen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from model.learners import LEARNERS
from model.training.objective import EpisodeBatch, task_losses

DIM, QUERIES, MOST_SHOTS = 12, 10, 6
STEPS, TASKS, HELD_OUT = 60, 24, 96

LEARNED = sorted(name for name, kind in LEARNERS.items() if list(kind(DIM).parameters()))


def tasks(count: int, seed: int) -> tuple[Tensor, EpisodeBatch]:
    """Tasks that share something and differ in something.

    What parts the labels of a task is a direction: one that all tasks share, bent by the task's
    own, and only within 4 of the 12 numbers. That the shared direction exists, and that the other
    8 numbers are noise, is what there is to meta-learn. Support sets hold 0 to 6 pictures.
    """
    generator = torch.Generator().manual_seed(seed)
    n = MOST_SHOTS + QUERIES
    x = functional.normalize(torch.randn(count, n, DIM, generator=generator), dim=2)
    direction = 0.6 * torch.randn(count, 1, DIM, generator=generator)
    direction[..., 0] += 1
    direction[..., 4:] = 0
    label = (x * direction).sum(2) > 0
    shots = torch.randint(0, MOST_SHOTS + 1, (count, 1), generator=generator)
    position = torch.arange(count * n).view(count, n)
    batch = EpisodeBatch(
        support=position[:, :MOST_SHOTS],
        support_label=label[:, :MOST_SHOTS],
        support_present=torch.arange(MOST_SHOTS) < shots,
        query=position[:, MOST_SHOTS:],
        query_label=label[:, MOST_SHOTS:],
        query_weight=torch.full((count, QUERIES), 1 / QUERIES),
    )
    return x.flatten(0, 1), batch


@pytest.mark.parametrize("name", LEARNED)
def test_tasks_not_seen_are_solved_better_after_meta_training(name: str) -> None:
    torch.manual_seed(0)
    learner = LEARNERS[name](DIM)
    held_out = tasks(HELD_OUT, seed=1_000_000)
    with torch.no_grad():
        before = task_losses(learner, *held_out)
    optimiser = torch.optim.Adam(learner.parameters(), lr=0.03)
    for step in range(STEPS):
        loss = task_losses(learner, *tasks(TASKS, seed=step)).mean()
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimiser.step()
    with torch.no_grad():
        after = task_losses(learner, *held_out)
    gain = before - after
    # Paired over the tasks: the mean gain is three standard errors above 0, and what was learned
    # beats knowing nothing (log 2) clearly.
    assert gain.mean() > 3 * gain.std() / HELD_OUT**0.5
    assert after.mean() < 0.9 * torch.tensor(2.0).log()
