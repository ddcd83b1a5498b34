"""Outer loop over projection and learner: whole episodes, K = 0 to 20, on cached features.

The encoder is done; its pooled features of every view fit into memory, so a step costs
milliseconds and tens of thousands of tasks can be seen in minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from model.episodes import EpisodeSampler
from model.learners.prior_mixture import PriorMixture
from model.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from model.training.config import LearnerStageConfig
from model.training.encoder_stage import warm_cosine
from model.training.journal import Journal
from model.training.objective import EpisodeBatch, task_losses
from model.training.pools import draw_tasks
from model.training.sources import ViewLabel
from model.training.validation import validate

STAGE = "learner"


def train_learner(
    projection: nn.Module,
    learner: PriorMixture,
    features: Tensor,
    labels: Sequence[ViewLabel],
    config: LearnerStageConfig,
    *,
    seed: int,
    folder: Path,
    fingerprint: str,
    journal: Journal,
    device: torch.device,
    progress: Callable[[int, int, str], None] = lambda step, total, text: None,
) -> None:
    """Train projection and learner in place; goes on from the checkpoint in folder.

    Args:
        features: pooled, of all views, shape (n, f), float32, on the CPU.
        labels: of the same views; those held out are for validation only.
    """
    train = np.array([i for i, v in enumerate(labels) if not v.held_out])
    held = [i for i, v in enumerate(labels) if v.held_out]
    sampler = EpisodeSampler([labels[i].traits for i in train], queries=config.queries)
    kept = features[torch.from_numpy(train)].to(device)
    projection.to(device)
    learner.to(device)
    parameters = [*projection.parameters(), *learner.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=0.01)
    modules: dict[str, nn.Module] = {"projection": projection, "learner": learner}
    checkpoint = folder / "learner.safetensors"
    start = load_checkpoint(checkpoint, modules, optimiser, fingerprint)
    journal.rewind(STAGE, start)
    average: float | None = None
    for step in range(start, config.steps):
        rng = np.random.default_rng([seed, 2, step])
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * warm_cosine(step, config.steps)
        batch = EpisodeBatch.of(draw_tasks(sampler, config.tasks, rng, config.most_shots))
        used, local = _local(batch)
        embedded = functional.normalize(projection(kept[used.to(device)]), dim=1)
        loss = task_losses(learner, embedded, local.to(device)).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0 * config.tasks)
        optimiser.step()
        now = loss.item() / config.tasks
        average = now if average is None else 0.98 * average + 0.02 * now
        last = step + 1 == config.steps
        if last or (step + 1) % config.validate_every == 0:
            figures = {"meta_loss": average}
            if held:
                with torch.no_grad():
                    embeddings = functional.normalize(
                        projection(features[held].to(device)), dim=1
                    ).cpu()
                    figures |= validate(learner.cpu(), embeddings, [labels[i] for i in held])
                learner.to(device)
            journal.write(STAGE, step, figures)
            save_checkpoint(checkpoint, modules, optimiser, Progress(step + 1, fingerprint))
        progress(step + 1, config.steps, f"loss {average:.3f}")


def _local(batch: EpisodeBatch) -> tuple[Tensor, EpisodeBatch]:
    """The distinct pictures of a batch of tasks, and the tasks with positions among them."""
    both = torch.cat([batch.support.flatten(), batch.query.flatten()])
    used, inverse = both.unique(return_inverse=True)
    n = batch.support.numel()
    return used, EpisodeBatch(
        inverse[:n].view_as(batch.support),
        batch.support_label,
        batch.support_present,
        inverse[n:].view_as(batch.query),
        batch.query_label,
        batch.query_weight,
    )
