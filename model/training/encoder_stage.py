"""Outer loop over the encoder: what is above the frozen trunk learns over batches of small tasks.

A batch of pictures serves many tasks at once: each draws its own support and query pictures from
the batch, adapts in closed form, and the sum of the tasks' losses flows back into the network. An
auxiliary cross-entropy over what the pictures show keeps apart what no task of the batch asks
about. Batch normalisation keeps its statistics: a batch of tasks is no sample of the catalogue.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.encoder import EncoderNet
from model.learners.prior_mixture import PriorMixture
from model.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from model.training.config import EncoderStageConfig
from model.training.journal import Journal
from model.training.objective import Auxiliary, EpisodeBatch, task_losses
from model.training.pools import BatchPools
from model.training.validation import validate
from model.training.views import Views

STAGE = "encoder"
# New layers start from nothing and may move faster than what ImageNet taught.
_HEAD_RATE = 3.0


def warm_cosine(step: int, steps: int) -> float:
    """Share of the learning rate at a step: linear warm-up over 5 %, then a cosine to 0."""
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def train_encoder(
    net: EncoderNet,
    learner: PriorMixture,
    views: Views,
    frozen_blocks: int,
    config: EncoderStageConfig,
    *,
    seed: int,
    folder: Path,
    fingerprint: str,
    journal: Journal,
    device: torch.device,
    progress: Callable[[int, int, str], None] = lambda step, total, text: None,
) -> None:
    """Train net (above the trunk) and learner in place; goes on from the checkpoint in folder."""
    train = np.array([i for i, v in enumerate(views.labels) if not v.held_out])
    held = np.array([i for i, v in enumerate(views.labels) if v.held_out])
    pools = BatchPools(views.labels, train, config.pictures)
    # A generator of its own for the only random initial values made here.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        auxiliary = Auxiliary([views.labels[i].fine for i in train], net.features)
    net.to(device).eval()
    learner.to(device)
    auxiliary.to(device)
    tuned = _tunable(net, frozen_blocks)
    heads = [*net.projection.parameters(), *learner.parameters(), *auxiliary.parameters()]
    optimiser = torch.optim.AdamW(
        [
            {"params": tuned, "lr": config.learning_rate, "scale": 1.0},
            {"params": heads, "lr": config.learning_rate, "scale": _HEAD_RATE},
        ],
        weight_decay=config.weight_decay,
    )
    modules: dict[str, nn.Module] = {"net": net, "learner": learner, "auxiliary": auxiliary}
    checkpoint = folder / "encoder.safetensors"
    start = load_checkpoint(checkpoint, modules, optimiser, fingerprint)
    journal.rewind(STAGE, start)
    running: dict[str, float] = {}
    for step in range(start, config.steps):
        rng = np.random.default_rng([seed, 1, step])
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * group["scale"] * warm_cosine(step, config.steps)
        positions = pools.draw(rng)
        batch = EpisodeBatch.of(pools.tasks(positions, config.tasks, rng)).to(device)
        activations = views.gather(positions).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            pooled = net.upper_pooled(activations, frozen_blocks)
        embedded = net.embed_pooled(pooled.float())
        meta = task_losses(learner, embedded, batch).sum()
        shown = auxiliary(pooled.float(), [views.labels[p].fine for p in positions.tolist()])
        # Weighed by the number of tasks: the meta-loss is a sum over them.
        loss = meta + config.auxiliary * config.tasks * shown
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_([*tuned, *heads], 5.0 * config.tasks)
        optimiser.step()
        _follow(running, {"meta_loss": meta.item() / config.tasks, "auxiliary": shown.item()})
        last = step + 1 == config.steps
        if last or (step + 1) % config.validate_every == 0:
            figures = dict(running)
            if len(held):
                embeddings = embed_views(net, views, held, frozen_blocks, device)
                with torch.no_grad():
                    figures |= validate(learner.cpu(), embeddings, [views.labels[i] for i in held])
                learner.to(device)
            journal.write(STAGE, step, figures)
            save_checkpoint(checkpoint, modules, optimiser, Progress(step + 1, fingerprint))
            running = {}
        progress(step + 1, config.steps, f"loss {meta.item() / config.tasks:.3f}")


def _tunable(net: EncoderNet, frozen_blocks: int) -> list[nn.Parameter]:
    """Parameters above the trunk; those below are frozen here."""
    net.backbone.requires_grad_(False)
    above: list[nn.Module] = [
        *list(net.stages())[frozen_blocks:],
        net.backbone.get_submodule("conv_head"),
        net.backbone.get_submodule("bn2"),
    ]
    for module in above:
        module.requires_grad_(True)
    return [p for module in above for p in module.parameters()]


def _follow(running: dict[str, float], values: dict[str, float]) -> None:
    for name, value in values.items():
        running[name] = value if name not in running else 0.95 * running[name] + 0.05 * value


@torch.no_grad()
def pool_views(
    net: EncoderNet,
    views: Views,
    positions: NDArray[np.int64] | Sequence[int],
    frozen_blocks: int,
    device: torch.device,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """Pooled features of views, shape (len(positions), f), float32, on the CPU."""
    wanted = np.asarray(positions, dtype=np.int64)
    found = []
    for start in range(0, len(wanted), 64):
        part = views.gather(wanted[start : start + 64]).to(device)
        found.append(net.upper_pooled(part, frozen_blocks).float().cpu())
        progress(min(start + 64, len(wanted)), len(wanted))
    return torch.cat(found) if found else torch.zeros(0, net.features)


@torch.no_grad()
def embed_views(
    net: EncoderNet,
    views: Views,
    positions: NDArray[np.int64],
    frozen_blocks: int,
    device: torch.device,
) -> Tensor:
    """Embeddings of views, shape (len(positions), d), unit rows, on the CPU."""
    pooled = pool_views(net, views, positions, frozen_blocks, device)
    return net.embed_pooled(pooled.to(device)).cpu()
