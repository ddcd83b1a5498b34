"""One outer loop for every learner: the same tasks, the same number of them, the same optimiser.

What differs is the learning rate, since what one learner needs breaks the next: each rate of a
small grid gets a shorter run, and the one with the least loss on pictures that neither it nor the
encoder was fitted to is used. Learners without parameters have their constants chosen alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from model.episodes import EpisodeSampler
from model.errors import MetricError
from model.learners import LEARNERS
from model.learners.meta import MetaLearner
from model.reports.bakeoff.material import Material
from model.training.encoder_stage import warm_cosine
from model.training.objective import EpisodeBatch, local, task_losses
from model.training.pools import draw_tasks
from model.training.zero_shot import fit_zero_shot

Options = Mapping[str, int | float]

# Of baselines: what nobody meta-learns and somebody must choose.
CHOICES: dict[str, Sequence[Options]] = {
    "logistic": [{"inverse_penalty": c} for c in (1.0, 10.0, 100.0, 1000.0)],
    "nearest-neighbour": [{"scale": s} for s in (3.0, 10.0, 30.0)],
    "fine-tuning": [{"rate": r, "steps": s} for r in (0.5, 2.0, 8.0) for s in (20, 50)],
}


@dataclass(frozen=True)
class Budget:
    """How much every learner may see.

    Attributes:
        steps: of the outer loop. tasks: in a step, so that ``steps * tasks`` are seen.
        rates: learning rates of AdamW to choose from.
        share: of the steps that a run of the grid gets.
        judged: tasks that a choice is judged by.
        zero_shot_dim, zero_shot_penalty, zero_shot_frequency: of the head that is given to
            learners with room for one (``model.training.zero_shot``); half of the pictures of
            these tasks are stand-ins.
    """

    steps: int = 600
    tasks: int = 32
    most_shots: int = 20
    queries: int = 12
    rates: Sequence[float] = (1e-3, 3e-3, 1e-2, 3e-2)
    share: float = 0.2
    judged: int = 256
    zero_shot_dim: int = 256
    zero_shot_penalty: float = 5.0
    zero_shot_frequency: float = 0.5

    @property
    def grid_steps(self) -> int:
        """Steps of a run that chooses a rate."""
        return max(1, round(self.share * self.steps))


def draw(material: Material, count: int, budget: Budget, seed: Sequence[int]) -> list[EpisodeBatch]:
    """So many tasks in batches of ``budget.tasks``; the same for the same seed.

    Raises:
        EpisodeError: the material has too few pictures for any task.
    """
    sampler = EpisodeSampler([v.traits for v in material.labels], queries=budget.queries)
    tasks = draw_tasks(sampler, count, np.random.default_rng(list(seed)), budget.most_shots)
    starts = range(0, len(tasks), budget.tasks)
    return [EpisodeBatch.of(tasks[at : at + budget.tasks]) for at in starts]


def build(name: str, dim: int, options: Options, seed: int) -> MetaLearner:
    """A learner as its file begins it, the same for the same seed."""
    torch.manual_seed(seed)
    return LEARNERS[name](dim, **options)


def is_trained(learner: MetaLearner) -> bool:
    """Whether it has anything to meta-learn."""
    return any(parameter.requires_grad for parameter in learner.parameters())


def meta_train(
    learner: MetaLearner,
    material: Material,
    steps: Sequence[EpisodeBatch],
    rate: float,
    progress: Callable[[int], None] = lambda done: None,
) -> list[float]:
    """Train in place, one step for each batch.

    Returns:
        Mean loss of a task, by step; it ends early, with infinity, where the loss is no number.
    """
    optimiser = torch.optim.AdamW(
        [p for p in learner.parameters() if p.requires_grad], lr=rate, weight_decay=0.01
    )
    losses: list[float] = []
    learner.train()
    for step, tasks in enumerate(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * warm_cosine(step, len(steps))
        loss = _losses(learner, material, tasks).sum()
        if not bool(torch.isfinite(loss)):
            return [*losses, math.inf]
        losses.append(loss.item() / len(tasks.query))
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(learner.parameters(), 1.0 * len(tasks.query))
        # A step into nowhere would undo all steps before it.
        if bool(torch.isfinite(norm)):
            optimiser.step()
        progress(step + 1)
    learner.eval()
    return losses


def _losses(learner: MetaLearner, material: Material, tasks: EpisodeBatch) -> Tensor:
    """Loss of each task; infinity where the learner's numbers have left the ground."""
    used, batch = local(tasks)
    try:
        return task_losses(learner, material.embeddings[used], batch)
    # A factorisation of numbers that are none.
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        return torch.full((len(tasks.query),), math.inf)


def judge(learner: MetaLearner, material: Material, tasks: Sequence[EpisodeBatch]) -> float:
    """Mean loss of a task; infinity where it is no number."""
    with torch.no_grad():
        losses = [_losses(learner, material, each) for each in tasks]
    mean = float(torch.cat(losses).mean())
    return mean if math.isfinite(mean) else math.inf


def give_zero_shot(learner: MetaLearner, material: Material, budget: Budget) -> None:
    """The head for a category without examples, where a learner has room for one."""
    give = getattr(learner, "set_zero_shot", None)
    if give is None:
        return
    dim = min(budget.zero_shot_dim, material.embeddings.shape[1])
    head = fit_zero_shot(
        material.embeddings,
        material.labels,
        dim,
        budget.zero_shot_penalty,
        budget.zero_shot_frequency,
    )
    give(head)


def best(tried: Mapping[str, float], name: str) -> str:
    """The choice of least loss.

    Raises:
        MetricError: none of them has a loss that is a number.
    """
    if not tried or not math.isfinite(min(tried.values())):
        raise MetricError(f"learner {name!r} diverged with every choice: {', '.join(tried)}")
    return min(tried, key=lambda choice: tried[choice])
