"""What every peer is asked, and how its scores become probabilities.

Peers give scores in units of their own: distances, margins, votes. Two numbers that turn them into
log odds (Platt 1999) are fitted to tasks of the training split, so that a peer is not judged by a
scale that nobody told it. A learner gets no such help.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from model.calibration import Platt, fit_platt
from model.episodes import Episode, EpisodeSampler, Shots, Sort
from model.errors import EpisodeError, MetricError
from model.reports.few_shot import Condition, draw_episodes

_SHOTS = (1, 5, 10)
AS_IT_IS = Platt(1.0, 0.0)


@runtime_checkable
class Peer(Protocol):
    """Adapts to a support set, and scores queries with what came of it."""

    def adapt(
        self, support: Float[np.ndarray, "n f"], is_placeholder: Bool[np.ndarray, " n"]
    ) -> Any:
        """What is kept for a category; None where this support set gives it nothing to go by."""

    def log_odds(self, state: Any, queries: Float[np.ndarray, "q f"]) -> Float[np.ndarray, " q"]:
        """Higher is more likely a placeholder; in units of its own."""

    def size(self, state: Any) -> int:
        """Bytes of the state."""


@dataclass(frozen=True)
class Calibrated:
    """A peer whose scores have become probabilities; 0.5 where it has nothing to go by."""

    peer: Peer
    platt: Platt = AS_IT_IS

    def answer(
        self,
        support: Float[np.ndarray, "n f"],
        is_placeholder: Bool[np.ndarray, " n"],
        queries: Float[np.ndarray, "q f"],
    ) -> Float[np.ndarray, " q"]:
        """Probabilities of the queries."""
        state = self.peer.adapt(support, is_placeholder)
        if state is None:
            return np.full(len(queries), 0.5)
        return self.platt.apply(self.peer.log_odds(state, queries))


def calibrate(
    peer: Peer, features: Float[np.ndarray, "n f"], tasks: Sequence[Episode]
) -> Calibrated:
    """Fit the two numbers to a peer's scores over tasks, all queries together.

    Raises:
        MetricError: the peer has nothing to go by in any of the tasks.
    """
    scores: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for task in tasks:
        state = peer.adapt(features[task.support], task.support_is_placeholder)
        if state is not None:
            scores.append(peer.log_odds(state, features[task.query]).astype(np.float64))
            labels.append(task.query_is_placeholder)
    if not scores:
        raise MetricError(f"none of {len(tasks)} tasks gives {type(peer).__name__} a score")
    return Calibrated(peer, fit_platt(np.concatenate(scores), np.concatenate(labels)))


def training_tasks(sampler: EpisodeSampler, episodes: int, seed: int) -> list[Episode]:
    """Tasks of both sorts at K = 1, 5 and 10, as baselines choose their constants on.

    Raises:
        EpisodeError: the training split cannot give a single one.
    """
    tasks: list[Episode] = []
    sorts: tuple[Sort, ...] = ("ordinary", "turning")
    for sort in sorts:
        for k in _SHOTS:
            condition = Condition("training", sort, Shots(k, k))
            if sampler.subjects(sort, condition.shots):
                tasks += draw_episodes(sampler, condition, episodes, seed)
    if not tasks:
        raise EpisodeError("the training split is too small for tasks to calibrate peers on")
    return tasks


def both(is_placeholder: Bool[np.ndarray, " n"]) -> bool:
    """Whether both labels are there."""
    return bool(is_placeholder.any() and not is_placeholder.all())


__all__ = ["AS_IT_IS", "Calibrated", "Peer", "both", "calibrate", "training_tasks"]
