"""What training is judged by while it runs: held-out pictures only, the same tasks every time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model.episodes import EpisodeSampler, Shots, Sort
from model.learners.meta import MetaLearner
from model.metrics import auroc
from model.training.sources import ViewLabel

_TASKS: tuple[tuple[str, Sort, Shots], ...] = (
    ("ordinary_1", "ordinary", Shots(1, 1)),
    ("ordinary_5", "ordinary", Shots(5, 5)),
    ("turning_1", "turning", Shots(1, 1)),
    ("turning_5", "turning", Shots(5, 5)),
)


def validation_views(labels: Sequence[ViewLabel], most_drawn: int = 800) -> list[int]:
    """Positions to validate on: all held-out real pictures, and some of the drawn ones."""
    held = [i for i, label in enumerate(labels) if label.role == "validation"]
    drawn = [i for i in held if labels[i].drawn]
    kept = set(drawn[:: max(1, -(-len(drawn) // most_drawn))])
    return [i for i in held if not labels[i].drawn or i in kept]


def validate(
    learner: MetaLearner,
    embeddings: Tensor,
    labels: Sequence[ViewLabel],
    *,
    episodes: int = 100,
) -> dict[str, float]:
    """Zero-shot AUROC, and mean AUROC of tasks of both sorts at K = 1 and 5.

    Args:
        embeddings: of the held-out views, shape (n, d), unit rows, on the CPU.
        labels: of the same views.
        episodes: a sort and shot; a difference of 0.01 is noise at 100.
    Returns:
        by name; what the pool has too few pictures for is left out.
    """
    found: dict[str, float] = {}
    is_standin = np.array([label.is_standin for label in labels])
    decided = np.array([label.is_decided for label in labels])
    if is_standin[decided].any() and not is_standin[decided].all():
        empty = learner.adapt(embeddings[:0], torch.zeros(0, dtype=torch.bool))
        scores = learner.score(empty, embeddings).numpy()
        found["zero_shot"] = auroc(scores[decided], is_standin[decided])
    sampler = EpisodeSampler([label.traits for label in labels])
    for name, sort, shots in _TASKS:
        if not sampler.subjects(sort, shots):
            continue
        rng = np.random.default_rng(0)
        areas = []
        for _ in range(episodes):
            task = sampler.sample(sort, shots, rng)
            head = learner.adapt(
                embeddings[torch.from_numpy(task.support)],
                torch.from_numpy(task.support_is_placeholder),
            )
            scores = learner.score(head, embeddings[torch.from_numpy(task.query)]).numpy()
            areas.append(auroc(scores, task.query_is_placeholder))
        found[name] = float(np.mean(areas))
    return found
