"""Adam on a meta-loss, stopped and resumed at will: the outer loop of the yardsticks."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from model.errors import WeightsError
from model.training.checkpoints import Progress, load_checkpoint, save_checkpoint

Tell = Callable[[int, int, str], None]
"""Hears of progress: steps done, steps in all, and a few words."""


def silence(done: int, total: int, words: str) -> None:
    """A ``Tell`` that says nothing."""


def fingerprint(*parts: object) -> str:
    """Digest of what decides a run's outcome: a checkpoint goes with this and with nothing else."""
    return hashlib.sha256(json.dumps(parts, default=vars, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class OuterLoop:
    """One meta-training run.

    Attributes:
        steps: of Adam.
        rate: Adam's, above 0; falls to 0 along a cosine over the last ``decay`` of the steps.
        checkpoint: file to keep the state in and to go on from.
        mark: of the run's configuration, see ``fingerprint``.
        decay: share of the steps, 0 to 1.
        clip: largest norm of a gradient; longer ones are shortened to it.
        save_every: steps between two checkpoints.
    """

    steps: int
    rate: float
    checkpoint: Path
    mark: str
    decay: float = 0.0
    clip: float = float("inf")
    save_every: int = 500

    def run(
        self,
        module: nn.Module,
        loss: Callable[[int], tuple[Tensor, Mapping[str, float]]],
        tell: Tell = silence,
    ) -> None:
        """Train ``module`` in place.

        Args:
            loss: number of the step to the meta-loss and what to say of it. All chance in it comes
                from that number and a seed, so that a resumed run ends where a whole one does.
        Raises:
            WeightsError: the checkpoint belongs to another configuration, or is further on.
        """
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        optimiser = torch.optim.Adam(module.parameters(), self.rate, fused=True)
        modules = {"module": module}
        start = load_checkpoint(self.checkpoint, modules, optimiser, self.mark)
        if start > self.steps:
            raise WeightsError(
                f"the checkpoint {self.checkpoint} is at step {start}, beyond the {self.steps} "
                "asked for; train in another folder, or remove it"
            )
        tell(start, self.steps, "")
        for step in range(start, self.steps):
            left = min(1.0, (self.steps - step) / max(1.0, self.decay * self.steps))
            for group in optimiser.param_groups:
                group["lr"] = self.rate * (1 - math.cos(math.pi * left)) / 2
            optimiser.zero_grad(set_to_none=True)
            value, words = loss(step)
            torch.autograd.backward(value)
            if self.clip < float("inf"):
                nn.utils.clip_grad_norm_(module.parameters(), self.clip)
            optimiser.step()
            done = step + 1
            if done == self.steps or done % self.save_every == 0:
                save_checkpoint(self.checkpoint, modules, optimiser, Progress(done, self.mark))
            if done == self.steps or done % 20 == 0:
                tell(done, self.steps, " ".join(f"{k} {v:.3f}" for k, v in words.items()))
