"""Train one learner on one background set, and measure it on the runs; both can be resumed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from model.errors import EpisodeError
from model.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from model.yardsticks.omniglot.base import OneShot
from model.yardsticks.omniglot.drawings import Run
from model.yardsticks.omniglot.episodes import Background
from model.yardsticks.omniglot.glyphs import Wobble, render, shrink
from model.yardsticks.omniglot.learners import build, find

Tell = Callable[[int, int, str], None]
"""Told of progress: steps done, steps in all, a few words."""


@dataclass(frozen=True)
class Training:
    """How a learner is trained.

    Attributes:
        rate: of Adam at first, times the learner's ``haste``; it falls to 0 along half a cosine.
        length: of the training, as a multiple of what each learner has by default.
        clip: largest norm of a step's gradient.
        save_every: steps between checkpoints.
    """

    rate: float = 1e-3
    length: float = 1.0
    clip: float = 10.0
    save_every: int = 100
    wobble: Wobble = field(default_factory=Wobble)

    def steps(self, learner: str) -> int:
        """Tasks that the learner is trained on.

        Raises:
            UnknownLearner: there is none of that name.
            EpisodeError: the length is not above 0.
        """
        if not 0 < self.length < math.inf:
            raise EpisodeError(f"the length of the training must be above 0, got {self.length}")
        return max(1, round(self.length * find(learner).episodes))


@dataclass(frozen=True)
class Outcome:
    """What one trained learner did on the runs.

    Attributes:
        learner: its name.
        background: of the set that it was trained on.
        seed: of its training.
        steps: tasks that it was trained on.
        wrong: of each run, trials that went wrong.
        trials: of each run.
    """

    learner: str
    background: str
    seed: int
    steps: int
    wrong: tuple[int, ...]
    trials: tuple[int, ...]

    @property
    def error(self) -> float:
        """Share of all trials that went wrong."""
        return sum(self.wrong) / sum(self.trials)


def train(
    name: str,
    background: Background,
    training: Training,
    seed: int,
    folder: Path,
    tell: Tell = lambda done, total, words: None,
) -> OneShot:
    """The trained learner, ready to answer; goes on from the checkpoint in ``folder``.

    Chance comes from the seed and the number of the step, so a training that was stopped ends at
    the same weights, bit for bit, as one that was not.

    Raises:
        UnknownLearner: there is none of that name.
        EpisodeError: the training has no length.
        WeightsError: the checkpoint belongs to another training.
    """
    steps = training.steps(name)
    learner = build(name, background.ways, background.classes, seed)
    rate = training.rate * learner.haste
    optimiser = torch.optim.Adam(learner.parameters(), lr=rate)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "checkpoint.safetensors"
    fingerprint = digest(name, seed, asdict(training), background.fingerprint)
    first = load_checkpoint(path, {"learner": learner}, optimiser, fingerprint)
    average = math.nan
    for step in range(first, steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * (1 + math.cos(math.pi * step / steps)) / 2
        rng = np.random.default_rng([seed, step])
        loss = learner.loss(background, rng, training.wobble)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(learner.parameters(), training.clip)
        optimiser.step()
        now = float(loss.detach())
        average = now if math.isnan(average) else 0.98 * average + 0.02 * now
        tell(step + 1, steps, f"loss {average:.2f}")
        if (step + 1) % training.save_every == 0 or step + 1 == steps:
            at = Progress(step + 1, fingerprint)
            save_checkpoint(path, {"learner": learner}, optimiser, at)
    return learner.eval()


@torch.no_grad()
def measure(learner: OneShot, runs: Sequence[Run]) -> list[int]:
    """Of each run, trials that the learner gets wrong."""
    wrong = []
    for run in runs:
        support, query = render(shrink(run.training)), render(shrink(run.test))
        answer = learner.logits(support, query).argmax(1).numpy()
        wrong.append(int((answer != run.answer).sum()))
    return wrong


def train_and_measure(
    name: str,
    background: tuple[str, Background],
    runs: Sequence[Run],
    training: Training,
    seed: int,
    folder: Path,
    tell: Tell = lambda done, total, words: None,
) -> Outcome:
    """As ``train``, then ``measure``; the outcome is kept in ``folder`` and not found twice.

    Args:
        background: its name and itself.
        folder: of all outcomes; each training has a folder of its own inside.

    Raises:
        UnknownLearner: there is none of that name.
        EpisodeError: the training has no length.
        WeightsError: a checkpoint cannot be read.
    """
    title, drawings = background
    steps = training.steps(name)
    key = digest(name, seed, asdict(training), drawings.fingerprint, _of_runs(runs))
    own = folder / f"{name}-{title}-{seed}-{key[:8]}"
    kept = own / "outcome.json"
    if kept.exists():
        found = json.loads(kept.read_text(encoding="utf-8"))
        return Outcome(**found | {"wrong": tuple(found["wrong"]), "trials": tuple(found["trials"])})
    learner = train(name, drawings, training, seed, own, tell)
    trials = tuple(len(run.answer) for run in runs)
    outcome = Outcome(name, title, seed, steps, tuple(measure(learner, runs)), trials)
    partial = kept.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(outcome)), encoding="utf-8")
    partial.replace(kept)
    return outcome


def digest(*parts: object) -> str:
    """Fingerprint of whatever JSON can say."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _of_runs(runs: Sequence[Run]) -> str:
    found = hashlib.sha256()
    for run in runs:
        found.update(run.training.tobytes() + run.test.tobytes() + run.answer.tobytes())
    return found.hexdigest()
