"""The small experts' learners, and the top level above all of them.

Each expert that adapts is meta-trained on its own signals by the very stage that trains the visual
learner, folds included: a fold's fits have not seen the fold's categories. On those, every expert
is asked in thousands of tasks, and what they said is what the top level learns from: it must learn
how far to believe experts in a shop that they do not know.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from model.episodes import Episode, EpisodeSampler
from model.experts import EXPERTS
from model.experts.glance import by_expert
from model.experts.panel import Panel
from model.experts.signal_expert import SignalExpert
from model.learners.blended_prior import BlendedPrior
from model.metalearner.combination import Combination
from model.metalearner.conformal import ONE_SIDED, bucket_of, control
from model.policy.log import Log
from model.training.config import LearnerStageConfig
from model.training.learner_stage import LearnerStage
from model.training.pools import draw_tasks
from model.training.sources import ViewLabel

# Share of tasks that no expert's absence disturbs; in the others each is left out by chance.
_WHOLE = 0.4
_ABSENT = 0.35
_CATALOGUE = 60  # pictures; a task of more is a whole catalogue's
_DECAY = 1.0  # of the top level's weights: chosen on held-out tasks, docs/benchmarks.md
_RARE = 0.1  # of stand-ins among a catalogue's pictures, where no example says otherwise


@dataclass(frozen=True)
class Fitted:
    """One expert meta-trained on everything, and once more for each fold without it."""

    whole: SignalExpert
    folds: list[SignalExpert]


def train_signal_expert(
    signals: Tensor,
    labels: Sequence[ViewLabel],
    config: LearnerStageConfig,
    seed: int,
    folder: Path,
    fingerprint: str,
    hidden: int = 0,
    progress: Callable[[int, int, str], None] = lambda step, total, text: None,
) -> Fitted:
    """Meta-train one expert on its signals (n, s), all of training pictures.

    Args:
        hidden: random features beside the signal's numbers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    expert = SignalExpert(signals.shape[1], config.components, hidden=hidden)
    torch.nn.init.normal_(expert.learner.mean, std=0.05)
    expert.standardise(signals)
    fits = LearnerStage(
        net=expert,
        learner=expert.learner,
        features=expert.scaled(signals),
        labels=labels,
        # No task bends the rotation: a few dozen numbers are known by name.
        config=replace(config, fixed_dim=expert.dim),
        seed=seed,
        folder=folder,
        fingerprint=fingerprint,
        device=torch.device("cpu"),
        progress=progress,
    ).run()
    folds = []
    for fit in fits:
        fold = SignalExpert(expert.signals, config.components, hidden=hidden)
        fold.mean.copy_(expert.mean)
        fold.deviation.copy_(expert.deviation)
        fold.projection = fit.projection.cpu()
        assert isinstance(fit.learner, BlendedPrior)  # a copy of the expert's own
        fold.learner = fit.learner
        folds.append(fold.eval())
    return Fitted(expert.eval(), folds)


def panel_of(statistics: SignalExpert, words: SignalExpert, visual: BlendedPrior) -> Panel:
    """A panel that only answers."""
    return Panel(statistics, words, visual).eval().requires_grad_(False)


def draw_logged_tasks(
    labels: Sequence[ViewLabel], count: int, seed: int, queries: int = 12
) -> list[Episode]:
    """Tasks of both sorts with shots as people upload them, over these views."""
    sampler = EpisodeSampler([label.traits for label in labels], queries=queries)
    return draw_tasks(sampler, count, np.random.default_rng([seed, 4]), most_shots=20)


def unnamed_category(labels: Sequence[ViewLabel]) -> Episode:
    """One task without examples over every real picture of which a category has no need to say
    what it is: a catalogue on its first day, where a picture counts, not a category."""
    asked = [i for i, v in enumerate(labels) if v.is_decided and not v.drawn]
    asked = asked or [i for i, v in enumerate(labels) if v.is_decided]
    nothing = np.zeros(0, np.int64)
    return Episode(
        support=nothing,
        support_is_placeholder=nothing.astype(np.bool_),
        query=np.array(asked, dtype=np.int64),
        query_is_placeholder=np.array([labels[i].is_standin for i in asked], dtype=np.bool_),
        sort="ordinary",
        subject="",
    )


def row_weights(log: Log) -> NDArray[np.float32]:
    """Weight (n,) of each row of a log.

    Tasks weigh the same, and in a task both labels do. Without examples stand-ins are as rare as in
    a catalogue, and the whole catalogue (:func:`unnamed_category`) weighs as much as all small
    tasks of that kind, which weigh half.
    """
    weight = np.zeros(len(log), np.float32)
    tasks = tasks_of(log)
    unnamed = [rows for rows in tasks if not log.shots[rows[0]].any()]
    largest = max((len(rows) for rows in unnamed), default=0)
    whole = [len(rows) > _CATALOGUE and len(rows) > largest / 2 for rows in unnamed]
    for rows in tasks:
        first = not log.shots[rows[0]].any()
        mass = 1.0
        if first and any(whole):
            big = len(rows) > _CATALOGUE and len(rows) > largest / 2
            mass = 0.5 * (len(unnamed) / sum(whole) if big else 1.0)
        share = _RARE if first else 0.5
        for label, part in ((True, share), (False, 1 - share)):
            mine = rows[log.label[rows] == label]
            if len(mine):
                weight[mine] = mass * part / len(mine)
    return weight


def tasks_of(log: Log) -> list[NDArray[np.int64]]:
    """Rows of each episode."""
    order = np.argsort(log.episode, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(log.episode[order])) + 1)


def train_combination(
    log: Log,
    seed: int,
    steps: int = 3000,
    progress: Callable[[int, int, str], None] = lambda step, total, text: None,
) -> Combination:
    """Fit the top level to a log, experts left out at random, by log loss. Where the whole look is
    left out, and not the glance, the visual expert speaks at a glance."""
    torch.manual_seed(seed)
    combination = Combination(len(EXPERTS), log.context.shape[1])
    z, spoke = torch.from_numpy(log.logits), torch.from_numpy(log.answered)
    context, label = torch.from_numpy(log.context), torch.from_numpy(log.label).float()
    weight = torch.from_numpy(row_weights(log))
    weight *= len(weight) / weight.sum()
    optimiser = torch.optim.AdamW(combination.parameters(), lr=3e-3, weight_decay=_DECAY)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        rate = 0.5 * (1 + math.cos(math.pi * step / steps))
        optimiser.param_groups[0]["lr"] = 3e-3 * rate
        rows = torch.randint(len(z), (2048,), generator=generator)
        kept = torch.rand(len(rows), log.experts, generator=generator) >= _ABSENT
        kept |= torch.rand(len(rows), 1, generator=generator) < _WHOLE
        heard = by_expert(z[rows].numpy(), (spoke[rows] & kept).numpy())
        said = combination(*map(torch.from_numpy, heard), context[rows])
        loss = functional.binary_cross_entropy_with_logits(said, label[rows], weight[rows])
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        if step % 100 == 99 or step + 1 == steps:
            progress(step + 1, steps, f"loss {loss.item():.3f}")
    return combination.eval().requires_grad_(False)


def fit_unsure(log: Log, combination: Combination, alpha: float) -> tuple[float, ...]:
    """By bucket of support sets, under which probability a label is excluded, so that a new
    category of the kinds logged has an expected share of at most ``alpha`` wrong exclusions."""
    with torch.no_grad():
        said = combination(
            *map(torch.from_numpy, by_expert(log.logits, log.answered)),
            torch.from_numpy(log.context),
        )
    p = torch.sigmoid(said).numpy()
    truth = np.where(log.label, p, 1 - p).astype(np.float32)
    losses: list[list[NDArray[np.float32]]] = [[] for _ in range(ONE_SIDED + 1)]
    for rows in tasks_of(log):
        placeholder, real = log.shots[rows[0]].tolist()
        losses[bucket_of(placeholder, real)].append(truth[rows])
    return tuple(control(tasks, alpha) for tasks in losses)
