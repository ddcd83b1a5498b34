"""K-shot tasks: every method answers the very same episodes over the very same pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float

from model.episodes import Episode, EpisodeSampler, Shots, Sort
from model.errors import EpisodeError, MetricError
from model.learners import Learner
from model.metrics import log_loss
from model.reports.baselines import (
    PENALTIES,
    STANDARDISED_PENALTIES,
    PlainLogistic,
    PulledLogistic,
    Scaling,
    ZeroShot,
)


@runtime_checkable
class Answerer(Protocol):
    """Anything that adapts to a support set and gives probabilities for queries."""

    def answer(
        self,
        support: Float[np.ndarray, "n d"],
        is_placeholder: Bool[np.ndarray, " n"],
        queries: Float[np.ndarray, "q d"],
    ) -> Float[np.ndarray, " q"]:
        """Probabilities of the queries, shape (q,)."""


@dataclass(frozen=True)
class LearnerAnswerer:
    """A release's own learner."""

    learner: Learner

    def answer(
        self,
        support: Float[np.ndarray, "n d"],
        is_placeholder: Bool[np.ndarray, " n"],
        queries: Float[np.ndarray, "q d"],
    ) -> Float[np.ndarray, " q"]:
        """Probabilities of the queries, shape (q,)."""
        head = self.learner.adapt(torch.from_numpy(support), torch.from_numpy(is_placeholder))
        found: np.ndarray = self.learner.score(head, torch.from_numpy(queries)).numpy()
        return found.astype(np.float64)


@dataclass(frozen=True)
class Method:
    """A line of the table.

    Attributes:
        name: short, for JSON. title: for people.
        features: of every picture of the pool, shape (pool, d), float32.
        key: names everything that its answers depend on, for keeping them.
    """

    name: str
    title: str
    features: Float[np.ndarray, "p d"]
    answerer: Answerer
    key: str = ""


@dataclass(frozen=True)
class Condition:
    """One sort of task with one number of shots.

    Attributes:
        pool: which pictures: "real" or "drawn".
        subject: a look, for turning tasks; None draws any category.
    """

    pool: str
    sort: Sort
    shots: Shots
    subject: str | None = None

    @property
    def name(self) -> str:
        """Unique, and fit for a file name."""
        subject = f"-{self.subject}" if self.subject else ""
        return f"{self.pool}-{self.sort}{subject}-{self.shots.placeholder}-{self.shots.real}"


@dataclass(frozen=True)
class Answers:
    """What every method said in every episode of one condition.

    Attributes:
        probabilities: by method's name, shape (episodes, most queries); NaN beyond an episode's
            last query.
        is_placeholder: shape (episodes, most queries), False beyond the last query.
        subjects: of each episode.
    """

    probabilities: Mapping[str, Float[np.ndarray, "e q"]]
    is_placeholder: Bool[np.ndarray, "e q"]
    subjects: Sequence[str]

    def only(self, name: str) -> Answers:
        """Those of one method."""
        return Answers({name: self.probabilities[name]}, self.is_placeholder, self.subjects)

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        """Those of several methods to the same episodes.

        Raises:
            MetricError: the episodes differ.
        """
        first = parts[0]
        for part in parts[1:]:
            same = np.array_equal(part.is_placeholder, first.is_placeholder)
            if not same or list(part.subjects) != list(first.subjects):
                raise MetricError("answers to different episodes cannot stand side by side")
        together = {name: p for part in parts for name, p in part.probabilities.items()}
        return cls(together, first.is_placeholder, first.subjects)

    def save(self, path: Path) -> None:
        """Write whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez_compressed(
                file,
                allow_pickle=False,
                labels=self.is_placeholder,
                subjects=np.array(self.subjects),
                **{f"method {name}": p for name, p in self.probabilities.items()},
            )
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Answers:
        """Read what :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as found:
            return cls(
                {
                    key.removeprefix("method "): found[key]
                    for key in found.files
                    if key.startswith("method ")
                },
                found["labels"],
                [str(s) for s in found["subjects"]],
            )


def draw_episodes(
    sampler: EpisodeSampler, condition: Condition, episodes: int, seed: int
) -> list[Episode]:
    """The same episodes for the same condition and seed, whatever else is measured.

    Raises:
        EpisodeError: the pool cannot give such tasks.
    """
    salt = [ord(letter) for letter in condition.name]
    rng = np.random.default_rng([seed, *salt])
    return [
        sampler.sample(condition.sort, condition.shots, rng, condition.subject)
        for _ in range(episodes)
    ]


def answer_all(
    methods: Sequence[Method],
    episodes: Sequence[Episode],
    positions: Sequence[int],
    progress: Callable[[int], None] = lambda done: None,
) -> Answers:
    """Let every method adapt to and answer every episode.

    Args:
        positions: of the sampler's pictures among the methods' features.

    Raises:
        MetricError: no methods or no episodes, or an answer is no probability.
    """
    if not methods or not episodes:
        raise MetricError(f"nothing to measure: {len(methods)} methods, {len(episodes)} episodes")
    at = np.array(positions)
    most = max(len(episode.query) for episode in episodes)
    labels = np.zeros((len(episodes), most), dtype=bool)
    found = {method.name: np.full((len(episodes), most), np.nan) for method in methods}
    for row, episode in enumerate(episodes):
        asked = len(episode.query)
        labels[row, :asked] = episode.query_is_placeholder
        for method in methods:
            said = method.answerer.answer(
                method.features[at[episode.support]],
                episode.support_is_placeholder,
                method.features[at[episode.query]],
            )
            if said.shape != (asked,) or not ((said >= 0) & (said <= 1)).all():
                raise MetricError(f"{method.name} gave no probabilities for episode {row}")
            found[method.name][row, :asked] = said
        progress(row + 1)
    return Answers(found, labels, [episode.subject for episode in episodes])


@dataclass(frozen=True)
class Choice:
    """A baseline's constants for few shots, and what was tried: mean log loss by choice."""

    penalty: float
    standardised: bool
    tried: dict[str, float]


def choose_penalty(
    kind: type[PlainLogistic] | type[PulledLogistic],
    prior: ZeroShot,
    features: Float[np.ndarray, "p d"],
    sampler: EpisodeSampler,
    *,
    episodes: int,
    seed: int,
) -> Choice:
    """Choose a baseline's penalty and scaling by tasks of both sorts on the training split.

    The least mean log loss over K = 1, 5 and 10 wins, so that the baseline that is beaten is as
    good as its kind can be.

    Args:
        features: of the training split, shape (p, d), in the sampler's order.

    Raises:
        EpisodeError: the training split cannot give a single such task.
    """
    tasks: list[Episode] = []
    sorts: tuple[Sort, ...] = ("ordinary", "turning")
    for sort in sorts:
        for k in (1, 5, 10):
            condition = Condition("training", sort, Shots(k, k))
            if sampler.subjects(sort, condition.shots):
                tasks += draw_episodes(sampler, condition, episodes, seed)
    if not tasks:
        raise EpisodeError("the training split is too small to choose a baseline's penalty on")
    best: Choice | None = None
    tried: dict[str, float] = {}
    choices = [(c, False) for c in PENALTIES] + [(c, True) for c in STANDARDISED_PENALTIES]
    for penalty, standardised in choices:
        answerer = kind(prior, Scaling.of(features, standardised), penalty)
        losses = [
            log_loss(
                answerer.answer(
                    features[task.support], task.support_is_placeholder, features[task.query]
                ),
                task.query_is_placeholder,
            )
            for task in tasks
        ]
        name = f"C={penalty:g}{', standardised' if standardised else ''}"
        tried[name] = float(np.mean(losses))
        if best is None or tried[name] < min(v for k, v in tried.items() if k != name):
            best = Choice(penalty, standardised, tried)
    if best is None:
        raise EpisodeError("no penalty to choose from")
    return best
