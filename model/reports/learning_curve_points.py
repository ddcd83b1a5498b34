"""One point of a learning curve: projection and learner retrained, and measured on held-out tasks.

The encoder's features of all training views are computed once by ``meta_train``, so a point is one
outer loop of a minute or two. How far to trust the priors is not fitted again (it would take three
times as long): every point has the released learner's combiner. With all data, tasks and numbers
the point is the release, and is not trained again.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from model.encoder import EncoderNet, build
from model.episodes import Episode, EpisodeSampler, Shots
from model.learners.prior_mixture import PriorMixture
from model.metrics import auroc
from model.reports.few_shot import Condition, draw_episodes
from model.reports.learning_curve import BARS, Point, TrainingViews, count_names, subset
from model.training.config import TrainConfig
from model.training.learner_stage import LearnerStage
from model.training.objective import EpisodeBatch

# Tasks that are adapted to together.
_AT_ONCE = 50

Progress = Callable[[int, int, str], None]
"""Called with the steps done, the steps in all, and the loss."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What is measured on.

    Attributes:
        pooled: features of pictures kept out of training, shape (m, f), unit rows.
        is_standin: of the same pictures. sampler: of tasks over them.
    """

    pooled: Float[Tensor, "m f"]
    is_standin: Bool[np.ndarray, " m"]
    sampler: EpisodeSampler


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one point reached.

    Attributes:
        figures: by a bar's name, one value a task, shape (tasks,); the same tasks at every point.
        zero_shot: probability of every held-out picture without examples, shape (m,).
        views, names: that were learned from.
    """

    figures: dict[str, Float[np.ndarray, " t"]]
    zero_shot: Float[np.ndarray, " m"]
    views: int
    names: int

    def save(self, path: Path) -> None:
        """Write whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez_compressed(
                file,
                allow_pickle=False,
                zero_shot=self.zero_shot,
                counts=np.array([self.views, self.names]),
                **{f"figure {name}": values for name, values in self.figures.items()},
            )
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Outcome:
        """Read what :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as found:
            figures = {
                key.removeprefix("figure "): found[key]
                for key in found.files
                if key.startswith("figure ")
            }
            views, names = found["counts"].tolist()
            return cls(figures, found["zero_shot"], views, names)


def train(
    point: Point,
    views: TrainingViews,
    released: PriorMixture,
    config: TrainConfig,
    folder: Path,
    progress: Progress = lambda step, total, text: None,
) -> tuple[Callable[[Tensor], Tensor], PriorMixture]:
    """Run the outer loop of one point; resumable.

    Of a smaller embedding as large a share stays principal components as of the released one.

    Args:
        views: all of them; the point's share is taken here.
        released: whose combiner and constants every point has.
        folder: for checkpoints of this point alone.

    Returns:
        What embeds pooled features, and the learner.

    Raises:
        EpisodeError: the share has too few pictures for any task.
    """
    part = subset(views, point.data, point.repeat) if point.data < 1 else views
    stage = config.learner_stage
    settings = replace(
        stage,
        steps=max(1, round(stage.steps * point.tasks)),
        stacking_steps=0,
        fixed_dim=stage.fixed_dim * point.dim // config.encoder.dim,
    )
    net = build(config.encoder.backbone, point.dim)
    # As scripts/meta_train.py begins, random numbers for the projection drawn first, so that the
    # whole point is the release.
    torch.manual_seed(config.seed)
    torch.nn.init.orthogonal_(torch.empty(point.dim, net.features))
    learner = type(released)(point.dim, stage.components)
    torch.nn.init.normal_(learner.mean, std=0.05)
    LearnerStage(
        net=net,
        learner=learner,
        features=part.features,
        labels=part.labels,
        config=settings,
        seed=config.seed,
        folder=folder,
        fingerprint=hashlib.sha256(f"{point.name} {settings}".encode()).hexdigest(),
        device=torch.device("cpu"),
        progress=progress,
    ).run()
    for name, module in released.combiner().items():
        setattr(learner, name, module)
    return net.embed_pooled, learner.eval()


@torch.no_grad()
def measure(
    embed: Callable[[Tensor], Tensor],
    learner: PriorMixture,
    held: HeldOut,
    episodes: int,
    seed: int,
) -> tuple[dict[str, Float[np.ndarray, " t"]], Float[np.ndarray, " m"]]:
    """The held-out figures: by bar, one value a task, and the zero-shot probabilities.

    The tasks are those of scripts/evaluate.py, the first of each look where tasks turn around.

    Args:
        episodes: of each sort and K, shared among the looks.
    """
    rows = embed(held.pooled)
    figures: dict[str, Float[np.ndarray, " t"]] = {}
    for bar in BARS:
        shots = Shots(bar.shots, bar.shots)
        if bar.sort == "zero_shot" or not (subjects := held.sampler.subjects(bar.sort, shots)):
            continue
        looks = subjects if bar.sort == "turning" else [None]
        tasks = [
            task
            for look in looks
            for task in draw_episodes(
                held.sampler,
                Condition("real", bar.sort, shots, look),
                -(-episodes // len(looks)),
                seed,
            )
        ]
        logits = _logits(learner, rows, tasks)
        figures[bar.name] = np.array(
            [
                auroc(z, task.query_is_placeholder)
                if bar.metric == "auroc"
                else ((z > 0) == task.query_is_placeholder).mean()
                for z, task in zip(logits, tasks, strict=True)
            ]
        )
    empty = learner.adapt(rows[:0], torch.zeros(0, dtype=torch.bool))
    return figures, learner.score(empty, rows).numpy().astype(np.float64)


def _logits(
    learner: PriorMixture, rows: Float[Tensor, "m d"], tasks: Sequence[Episode]
) -> list[Float[np.ndarray, " q"]]:
    """Of every task's queries, many tasks at once."""
    found: list[Float[np.ndarray, " q"]] = []
    for start in range(0, len(tasks), _AT_ONCE):
        some = tasks[start : start + _AT_ONCE]
        batch = EpisodeBatch.of(some)
        heads = learner.fit_batch(rows[batch.support], batch.support_label, batch.support_present)
        logits = learner.logits(heads, rows[batch.query]).numpy()
        found += [row[: len(t.query)] for row, t in zip(logits, some, strict=True)]
    return found


@dataclass(frozen=True, eq=False)
class Workshop:
    """Where points are made and kept.

    Attributes:
        net, released: the release. config: that it was trained with.
        folder: of this release, these views and these held-out pictures alone.
        episodes: of each sort and K. seed: of the tasks.
    """

    views: TrainingViews
    held: HeldOut
    net: EncoderNet
    released: PriorMixture
    config: TrainConfig
    folder: Path
    episodes: int
    seed: int

    def steps(self, point: Point) -> int:
        """Outer steps that a point takes; none for the release itself."""
        if (point.data, point.tasks, point.dim) == (1.0, 1.0, self.config.encoder.dim):
            return 0
        return max(1, round(self.config.learner_stage.steps * point.tasks))

    def known(self, point: Point) -> Outcome | None:
        """What was measured before, if it was."""
        path = self._path(point)
        return Outcome.load(path) if path.exists() else None

    def make(self, point: Point, progress: Progress = lambda step, total, text: None) -> Outcome:
        """Train and measure one point; a run that was stopped goes on."""
        embed: Callable[[Tensor], Tensor] = self.net.embed_pooled
        learner = self.released
        checkpoints = self.folder / point.name
        if self.steps(point):
            embed, learner = train(
                point, self.views, self.released, self.config, checkpoints, progress
            )
        figures, zero_shot = measure(embed, learner, self.held, self.episodes, self.seed)
        part = subset(self.views, point.data, point.repeat)
        found = Outcome(figures, zero_shot, len(part.labels), count_names(part))
        found.save(self._path(point))
        shutil.rmtree(checkpoints, ignore_errors=True)  # 16 MB each
        return found

    def _path(self, point: Point) -> Path:
        return self.folder / f"{point.name}-{self.episodes}-{self.seed}.npz"
