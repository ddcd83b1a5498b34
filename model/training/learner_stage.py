"""Outer loop over the learner alone: whole episodes, K = 0 to 20, on cached embeddings.

The encoder is done, and its embeddings of all views fit into memory, so a step costs milliseconds
and a hundred thousand tasks can be seen in minutes. Only views that the encoder was not fitted to
are used: on the others a few examples part everything, and the learner would learn to trust them
more than new pictures deserve.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from model.episodes import EpisodeSampler
from model.learners.prior_mixture import PriorMixture
from model.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from model.training.config import LearnerStageConfig
from model.training.encoder_stage import warm_cosine
from model.training.journal import Journal
from model.training.objective import EpisodeBatch, task_losses
from model.training.pools import draw_tasks
from model.training.sources import ViewLabel
from model.training.validation import validate, validation_views

STAGE = "learner"


def train_learner(
    learner: PriorMixture,
    embeddings: Tensor,
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
    """Train the learner in place; goes on from the checkpoint in folder.

    Args:
        embeddings: of all views, shape (n, d), unit rows, float32, on the CPU.
        labels: of the same views; each is used as its role says.
    """
    train = [i for i, v in enumerate(labels) if v.role == "learner"]
    held = validation_views(labels)
    sampler = EpisodeSampler([labels[i].traits for i in train], queries=config.queries)
    kept, asked = embeddings[train].to(device), embeddings[held]
    learner.to(device)
    parameters = list(learner.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=0.01)
    modules: dict[str, nn.Module] = {"learner": learner}
    checkpoint = folder / "learner.safetensors"
    start = load_checkpoint(checkpoint, modules, optimiser, fingerprint)
    journal.rewind(STAGE, start)
    losses: list[float] = []
    for step in range(start, config.steps):
        rng = np.random.default_rng([seed, 2, step])
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * warm_cosine(step, config.steps)
        tasks = draw_tasks(sampler, config.tasks, rng, config.most_shots)
        loss = task_losses(learner, kept, EpisodeBatch.of(tasks).to(device)).sum()
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0 * config.tasks)
        optimiser.step()
        losses.append(loss.item() / config.tasks)
        last = step + 1 == config.steps
        if last or (step + 1) % config.validate_every == 0:
            figures = {"meta_loss": float(np.mean(losses))}
            losses = []
            if held:
                figures |= validate(learner.cpu(), asked, [labels[i] for i in held])
                learner.to(device)
            journal.write(STAGE, step, figures)
            save_checkpoint(checkpoint, modules, optimiser, Progress(step + 1, fingerprint))
        progress(step + 1, config.steps, f"loss {loss.item() / config.tasks:.3f}")
