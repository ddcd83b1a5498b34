"""Outer loop over the encoder: what is above the frozen trunk learns over batches of small tasks.

A batch of pictures serves many tasks at once: each draws its own support and query pictures from
the batch, adapts in closed form, and the sum of the tasks' losses flows back into the network. An
auxiliary cross-entropy over what the pictures show keeps apart what no task of the batch asks
about, and real products stay near where ImageNet put them: what tells a thousand things apart is
more than a few thousand photographs could teach again (learning without forgetting, Li and Hoiem
2016, arXiv:1606.09282, on features). Batch normalisation keeps its statistics: a batch of tasks is
no sample of the catalogue.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from model.encoder import EncoderNet, build
from model.errors import SupportError
from model.learners.prior_mixture import PriorMixture
from model.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from model.training.config import EncoderStageConfig
from model.training.journal import Journal
from model.training.objective import Auxiliary, EpisodeBatch, task_losses
from model.training.pools import BatchPools
from model.training.replicas import Team, run_team
from model.training.validation import validate, validation_views
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


@dataclass(frozen=True)
class EncoderStage:
    """One run of the stage: what is trained, on what, how, and where it is kept.

    Attributes:
        net: trained in place, above the first ``frozen_blocks`` blocks.
        original: the network as ImageNet left it; not touched.
        learner: trained in place.
        processes: share the replicas of a step; the outcome does not depend on it.
    """

    net: EncoderNet
    original: EncoderNet
    learner: PriorMixture
    views: Views
    frozen_blocks: int
    config: EncoderStageConfig
    seed: int
    folder: Path
    fingerprint: str
    device: torch.device
    processes: int = 1
    progress: Callable[[int, int, str], None] = lambda step, total, text: None

    def run(self) -> None:
        """Train, going on from the checkpoint in the folder.

        Raises:
            SupportError: processes does not divide the replicas, or is above 1 on CUDA.
            WeightsError: the checkpoint belongs to another configuration.
        """
        if self.config.replicas % self.processes or (
            self.processes > 1 and self.device.type != "cpu"
        ):
            raise SupportError(
                f"{self.config.replicas} replicas on {self.device.type} cannot be shared by "
                f"{self.processes} processes"
            )
        self.net.to(self.device).eval()
        self.original.to(self.device).eval().requires_grad_(False)
        self.learner.to(self.device)
        tuned = tunable(self.net, self.frozen_blocks)
        # Forked off the generator, so that the caller's random numbers stay as they are.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            auxiliary = Auxiliary(
                [v.fine for v in self.views.labels if v.role == "encoder"], self.net.features
            ).to(self.device)
        heads = [
            *self.net.projection.parameters(),
            *self.learner.parameters(),
            *auxiliary.parameters(),
        ]
        numbers = sum(p.numel() for p in (*tuned, *heads))
        run_team(self.processes, numbers, lambda team: self._train(team, tuned, heads, auxiliary))

    def _train(
        self,
        team: Team,
        tuned: list[nn.Parameter],
        heads: list[nn.Parameter],
        auxiliary: Auxiliary,
    ) -> None:
        config, labels = self.config, self.views.labels
        train = np.array([i for i, v in enumerate(labels) if v.role == "encoder"])
        pools = BatchPools(labels, train, config.pictures)
        optimiser = torch.optim.AdamW(
            [{"params": tuned, "scale": 1.0}, {"params": heads, "scale": _HEAD_RATE}],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
        )
        modules = {"net": self.net, "learner": self.learner, "auxiliary": auxiliary}
        checkpoint = self.folder / "encoder.safetensors"
        start = load_checkpoint(checkpoint, modules, optimiser, self.fingerprint)
        journal = Journal(self.folder / "log.jsonl")
        if team.rank == 0:
            journal.rewind(STAGE, start)
            if start == 0:  # what all later figures are to be compared with
                journal.write(STAGE, -1, self._validate())
        recent: list[dict[str, float]] = []
        for step in range(start, config.steps):
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * group["scale"]
                group["lr"] *= warm_cosine(step, config.steps)
            optimiser.zero_grad(set_to_none=True)
            for replica in range(team.rank, config.replicas, team.size):
                rng = np.random.default_rng([self.seed, 1, step, replica])
                recent.append(self._backward(pools, auxiliary, rng))
            team.sum_gradients([*tuned, *heads])
            nn.utils.clip_grad_norm_([*tuned, *heads], 5.0 * config.tasks * config.replicas)
            optimiser.step()
            done = step + 1
            if team.rank == 0 and (done == config.steps or done % config.validate_every == 0):
                journal.write(STAGE, step, _means(recent) | self._validate())
                recent = []
                save_checkpoint(checkpoint, modules, optimiser, Progress(done, self.fingerprint))
            if team.rank == 0:
                loss = recent[-1]["meta_loss"] if recent else 0.0
                self.progress(done, config.steps, f"loss {loss:.3f}")

    def _backward(
        self, pools: BatchPools, auxiliary: Auxiliary, rng: np.random.Generator
    ) -> dict[str, float]:
        """Gradients of one batch: sum of its tasks' losses, and what the pictures show."""
        config, device = self.config, self.device
        positions = pools.draw(rng)
        batch = EpisodeBatch.of(pools.tasks(positions, config.tasks, rng)).to(device)
        activations = self.views.gather(positions).to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            pooled = self.net.upper_pooled(activations, self.frozen_blocks).float()
        meta = task_losses(self.learner, self.net.embed_pooled(pooled), batch).sum()
        labels = [self.views.labels[p] for p in positions.tolist()]
        shown = auxiliary(pooled, [label.fine for label in labels])
        real = torch.tensor([not (label.is_standin or label.drawn) for label in labels])
        drift = self._drift(activations[real.to(device)], pooled[real.to(device)])
        # Weighed by the number of tasks: the meta-loss is a sum over them.
        beside = config.auxiliary * shown + config.retain * drift
        torch.autograd.backward(meta + config.tasks * beside)
        return {
            "meta_loss": meta.item() / config.tasks,
            "auxiliary": shown.item(),
            "drift": drift.item(),
        }

    def _drift(self, activations: Tensor, pooled: Tensor) -> Tensor:
        """Mean of 1 - cosine between features (n, f) and the original network's; 0 for none."""
        if self.config.retain == 0 or not len(pooled):
            return pooled.new_zeros(())
        with (
            torch.no_grad(),
            torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"),
        ):
            before = self.original.upper_pooled(activations, self.frozen_blocks).float()
        return 1 - functional.cosine_similarity(pooled, before, dim=1).mean()

    def _validate(self) -> dict[str, float]:
        labels = self.views.labels
        held = np.array([i for i in validation_views(labels)], dtype=np.int64)
        if not len(held):
            return {}
        pooled = pool_views(self.net, self.views, held, self.frozen_blocks, self.device)
        with torch.no_grad():
            embeddings = self.net.embed_pooled(pooled.to(self.device)).cpu()
        found = validate(self.learner.cpu(), embeddings, [labels[i] for i in held])
        self.learner.to(self.device)
        return found


def tunable(net: EncoderNet, frozen_blocks: int) -> list[nn.Parameter]:
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


def _means(recent: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([r[name] for r in recent])) for name in recent[0]}


@torch.no_grad()
def pool_views(
    net: EncoderNet,
    views: Views,
    positions: NDArray[np.int64],
    frozen_blocks: int,
    device: torch.device,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """Pooled features of views, shape (len(positions), f), float32, on the CPU."""
    found = []
    for start in range(0, len(positions), 64):
        part = views.gather(positions[start : start + 64])
        part = part.to(device, memory_format=torch.channels_last)
        found.append(net.upper_pooled(part, frozen_blocks).float().cpu())
        progress(min(start + 64, len(positions)), len(positions))
    return torch.cat(found) if found else torch.zeros(0, net.features)


@torch.no_grad()
def interpolated(
    backbone: str, dim: int, trained: EncoderNet, original: EncoderNet, share: float
) -> EncoderNet:
    """A network whose backbone lies between two others': ``share`` of the trained one.

    Its projection is still random. Wortsman et al. 2022, arXiv:2109.01903.
    """
    made = build(backbone, dim)
    target, first, second = (n.backbone.state_dict() for n in (made, trained, original))
    for name, value in target.items():
        if value.is_floating_point():
            value.copy_(share * first[name].cpu() + (1 - share) * second[name].cpu())
        else:
            value.copy_(first[name])
    return made.eval()
