"""How far to trust the prior, fitted where the prior is a stranger.

A learner that weighs its prior against the examples learns in the outer loop that the prior is
excellent, because the prior is learned from the same tasks. In a new shop it is not. So the weights
of the average and the calibration are fitted once more, as stacking fits a combiner (Wolpert 1992,
doi:10.1016/S0893-6080(05)80023-1): the categories and families that the encoder has not seen are
divided into folds by name, priors are meta-trained without one fold, and the combiner is fitted to
that fold's tasks. The combiner then stands above priors that were trained on everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from model.episodes import EpisodeSampler, Shots, Traits
from model.errors import EpisodeError
from model.holdout import position
from model.learners.prior_mixture import PriorMixture
from model.training.config import LearnerStageConfig
from model.training.objective import EpisodeBatch, local, task_losses
from model.training.pools import draw_tasks
from model.training.sources import ViewLabel

FOLDS = 2


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Pictures of one fold, and a learner whose priors have not seen them.

    Attributes:
        embeddings: shape (n, d), by that learner's projection.
    """

    learner: PriorMixture
    embeddings: Tensor
    traits: Sequence[Traits]


def fold_of(label: ViewLabel) -> int | None:
    """Which fold a view belongs to; None where the encoder has been fitted to it.

    By category (of a stand-in: by family, or kind): pictures of one name share a fold.
    """
    if label.role != "learner":
        return None
    return int(position(label.category or label.fine, "fold") * FOLDS)


def fit_stacking(
    learner: PriorMixture, left_out: Sequence[LeftOut], config: LearnerStageConfig, seed: int
) -> None:
    """Fit the combiner, and put it into ``learner`` and into the learners of the folds.

    A fold that has too few pictures for any task is passed over; where that is all of them, the
    combiner stays as the outer loop left it.
    """
    left_out = [part for part in left_out if has_tasks(part.traits, config.queries)]
    if not left_out:
        return
    combiner = learner.combiner()
    for part in left_out:
        part.learner.requires_grad_(False)
        for name, module in combiner.items():
            setattr(part.learner, name, module)
    parameters = [p for module in combiner.values() for p in module.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=0.01)
    samplers = [EpisodeSampler(part.traits, queries=config.queries) for part in left_out]
    for step in range(config.stacking_steps):
        rng = np.random.default_rng([seed, 3, step])
        optimiser.param_groups[0]["lr"] = config.learning_rate * (1 - step / config.stacking_steps)
        optimiser.zero_grad(set_to_none=True)
        for part, sampler in zip(left_out, samplers, strict=True):
            tasks = draw_tasks(sampler, config.tasks // len(left_out), rng, config.most_shots)
            used, batch = local(EpisodeBatch.of(tasks))
            embeddings = part.embeddings[used.to(part.embeddings.device)]
            batch = batch.to(part.embeddings.device)
            torch.autograd.backward(task_losses(part.learner, embeddings, batch).sum())
        nn.utils.clip_grad_norm_(parameters, 1.0 * config.tasks)
        optimiser.step()


def has_tasks(pool: Sequence[Traits], queries: int = 12) -> bool:
    """Whether any ordinary task can be drawn; those that turn around fall back to one."""
    try:
        sampler = EpisodeSampler(pool, queries=queries)
    except EpisodeError:  # one sort of pictures only
        return False
    return bool(sampler.subjects("ordinary", Shots(0, 0)))
