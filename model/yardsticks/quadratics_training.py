"""Train the coordinate-wise LSTM on random quadratics (Andrychowicz et al. 2016, section 3.1).

Each batch of new functions is minimised for 100 steps; after every 20 of them the outer optimiser,
Adam, takes a step down the sum of the losses along the way (their equation 3, all weights 1), and
back-propagation is cut there. After each epoch the optimiser is frozen and judged on validation
functions; the best so far is the one that is kept (their early stopping).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from model.errors import SupportError
from model.learners.coordinate_lstm import CoordinateLSTM, detached, unroll
from model.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from model.training.journal import Journal
from model.yardsticks.quadratics import DIM, Quadratics, run_learned

# What randomness is for: each purpose draws from a stream of its own.
_START, _TRAIN, _VALIDATE, _TUNE, _TEST = range(5)


@dataclass(frozen=True)
class Recipe:
    """All that decides what comes out of training.

    Attributes:
        preprocess, scale: of ``CoordinateLSTM``.
        functions: minimised at once, in each batch.
        steps: that each function is minimised for.
        unroll: steps between two outer steps; divides ``steps``.
        learning_rate: of Adam at the start; it falls to 0 along a cosine.
        clip: the largest norm of the outer gradient.
        validation: functions that choose the epoch to keep.
    """

    preprocess: bool = False
    scale: float = 1.0
    epochs: int = 12
    batches: int = 25
    functions: int = 32
    steps: int = 100
    unroll: int = 20
    learning_rate: float = 3e-3
    clip: float = 1.0
    validation: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        counts = (self.epochs, self.batches, self.functions, self.steps, self.unroll)
        if min(counts) < 1 or self.validation < 1:
            raise SupportError("training needs at least one epoch, batch, function and step")
        if self.steps % self.unroll:
            raise SupportError(f"{self.steps} steps cannot be cut every {self.unroll} steps")

    def fingerprint(self) -> str:
        """The same for the same recipe."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def functions_for(purpose: int, seed: int, count: int, number: int = 0) -> Quadratics:
    """The functions of one purpose: the same for the same numbers, others for any other."""
    return Quadratics.draw(count, _generator(seed, purpose, number), DIM)


def tuning_functions(seed: int, count: int) -> Quadratics:
    """Functions to choose the baselines' learning rates on."""
    return functions_for(_TUNE, seed, count)


def test_functions(seed: int, count: int) -> Quadratics:
    """Functions that nothing was trained, chosen or tuned on."""
    return functions_for(_TEST, seed, count)


def _generator(*numbers: int) -> torch.Generator:
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


class _Least(nn.Module):
    """The least validation loss so far, kept with the checkpoint."""

    loss: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("loss", torch.tensor(torch.inf))


def untrained(recipe: Recipe) -> CoordinateLSTM:
    """The optimiser that training begins with: the same for the same seed."""
    found = CoordinateLSTM(preprocess=recipe.preprocess, scale=recipe.scale)
    generator = _generator(recipe.seed, _START)
    bound = 1 / math.sqrt(found.units)  # torch's own start, from a generator of ours
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
    return found


def train(
    recipe: Recipe,
    folder: Path,
    progress: Callable[[int, int, str], None] = lambda done, total, text: None,
) -> CoordinateLSTM:
    """Train, going on from the checkpoint in the folder; the optimiser of the best epoch.

    Args:
        progress: called after every batch with the batches done, all of them, and a word.
    Raises:
        WeightsError: the folder's checkpoint belongs to another recipe, or cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    current, best, least = untrained(recipe), untrained(recipe), _Least()
    outer = torch.optim.Adam(current.parameters(), lr=recipe.learning_rate)
    modules: dict[str, nn.Module] = {"current": current, "best": best, "least": least}
    checkpoint, journal = folder / "optimiser.safetensors", Journal(folder / "log.jsonl")
    first = load_checkpoint(checkpoint, modules, outer, recipe.fingerprint())
    journal.rewind("quadratics", first)
    held = functions_for(_VALIDATE, recipe.seed, recipe.validation)
    total = recipe.epochs * recipe.batches
    progress(first * recipe.batches, total, "")
    for epoch in range(first, recipe.epochs):
        losses = []
        for batch in range(epoch * recipe.batches, (epoch + 1) * recipe.batches):
            share = 0.5 * (1 + math.cos(math.pi * batch / total))
            for group in outer.param_groups:
                group["lr"] = recipe.learning_rate * share
            losses.append(_train_batch(current, outer, recipe, batch))
            progress(batch + 1, total, f"mean loss {losses[-1]:.3f}")
        final = run_learned(current, held, recipe.steps)[-1].mean()
        if final < least.loss:
            least.loss.copy_(final)
            best.load_state_dict(current.state_dict())
        figures = {"train": float(np.mean(losses)), "validation": float(final)}
        journal.write("quadratics", epoch, figures)
        save_checkpoint(checkpoint, modules, outer, Progress(epoch + 1, recipe.fingerprint()))
    return best


def _train_batch(
    optimiser: CoordinateLSTM, outer: torch.optim.Optimizer, recipe: Recipe, number: int
) -> float:
    """Minimise one batch of new functions and learn from it; the mean loss along the way."""
    functions = functions_for(_TRAIN, recipe.seed, recipe.functions, number)
    theta = functions.start
    state = optimiser.init_state(theta)
    seen = []
    for _ in range(recipe.steps // recipe.unroll):
        losses, theta, state = unroll(
            optimiser, functions.loss, theta, state, recipe.unroll, functions.gradient
        )
        outer.zero_grad(set_to_none=True)
        torch.autograd.backward(losses.mean())
        nn.utils.clip_grad_norm_(optimiser.parameters(), recipe.clip)
        outer.step()
        theta, state = theta.detach(), detached(state)
        seen.append(losses.detach().mean())
    return float(torch.stack(seen).mean())
