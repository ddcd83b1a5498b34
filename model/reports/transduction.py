"""Does the waiting batch help? The same tasks answered inductively and transductively.

Every task is drawn once; its support and its pool of queries stay the same for all batches, and
the batches differ by how many stand-ins and products wait in them. Differences are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from model.episodes import Episode, EpisodeSampler, Shots, Sort
from model.errors import EpisodeError, MetricError
from model.holdout import role
from model.intervals import difference_interval, mean_interval
from model.learners.base import Learner
from model.learners.linear import LinearLearner
from model.learners.transduction import Transduction, transduce
from model.metrics import auroc, log_loss
from model.reports.figures import Figures, as_figure
from model.reports.pool import Pool

SORTS: tuple[Sort, ...] = ("ordinary", "turning")
SHOTS = (1, 5, 10)
# More queries of each label than any batch takes, and the fewest that a subject must have left.
_QUERIES, _MIN_QUERIES = 18, 9

# What is measured beside the tuned trust: each half of the method alone, and boldly.
PROTOTYPES = Transduction(weight=4.0, doubt=10.0, base_rate=0.0)
SHARE = Transduction(weight=0.0, doubt=10.0, base_rate=1.0)
# The choices for tuning; a weight and a base rate of 0 are the inductive answer.
_WEIGHTS, _DOUBTS, _BASE_RATES = (0.0, 1.0, 2.0, 4.0, 8.0), (2.0, 10.0, 40.0), (0.0, 0.5, 1.0)


@dataclass(frozen=True)
class Mix:
    """A batch that waits: how many of each label, at most.

    Attributes:
        name: for JSON. title: for people.
    """

    name: str
    title: str
    placeholders: int
    real: int

    def of(self, episode: Episode) -> tuple[Int[np.ndarray, " q"], Bool[np.ndarray, " q"]]:
        """Queries of one task in this mix, and their labels.

        Where a task has fewer pictures, all numbers shrink alike, to no less than 1.
        """
        label = episode.query_is_placeholder
        standins, real = episode.query[label], episode.query[~label]
        scale = min(
            1.0,
            *(len(standins) / self.placeholders for _ in range(min(1, self.placeholders))),
            *(len(real) / self.real for _ in range(min(1, self.real))),
        )
        p, r = (max(min(1, n), int(n * scale)) for n in (self.placeholders, self.real))
        return np.concatenate([standins[:p], real[:r]]), np.arange(p + r) < p


BALANCED = Mix("balanced", "10 stand-ins and 10 products wait", 10, 10)
UNBALANCED = Mix("one_in_ten", "2 stand-ins and 18 products wait", 2, 18)
MIXES = (
    BALANCED,
    UNBALANCED,
    Mix("all_real", "18 products wait, no stand-in", 0, 18),
    Mix("pair", "1 stand-in and 1 product wait", 1, 1),
)


@dataclass(frozen=True, eq=False)
class Task:
    """One task, adapted to: what transduction starts from.

    Attributes:
        episode: positions in the pool.
        state: shape (d + 1,).
    """

    episode: Episode
    state: Tensor


def linear(learner: Learner) -> LinearLearner:
    """The learner, if its head is one vector.

    Raises:
        MetricError: it is not; there is no head to refine.
    """
    if not isinstance(learner, LinearLearner):
        raise MetricError(f"transduction refines linear heads; {learner.name!r} has another head")
    return learner


def draw(
    learner: LinearLearner,
    features: Float[np.ndarray, "p d"],
    pool: Pool,
    positions: Sequence[int],
    episodes: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[tuple[Sort, int], list[Task]]:
    """Tasks of both sorts at every K, with their heads; what the pool cannot give is left out.

    Raises:
        EpisodeError: the pool cannot give any such task.
    """
    at = np.array(positions, dtype=np.int64)
    sampler = EpisodeSampler(
        [pool.items[i].traits for i in positions], queries=_QUERIES, min_queries=_MIN_QUERIES
    )
    wanted = [(s, k) for s in SORTS for k in SHOTS if sampler.subjects(s, Shots(k, k))]
    if not wanted:
        raise EpisodeError(
            f"{len(positions)} pictures give no task with {_MIN_QUERIES} queries of each label"
        )
    found: dict[tuple[Sort, int], list[Task]] = {}
    for number, (sort, k) in enumerate(wanted):
        rng = np.random.default_rng([seed, k, SORTS.index(sort)])
        tasks = found[sort, k] = []
        for row in range(episodes):
            e = sampler.sample(sort, Shots(k, k), rng)
            e = Episode(
                at[e.support],
                e.support_is_placeholder,
                at[e.query],
                e.query_is_placeholder,
                e.sort,
                e.subject,
            )
            head = learner.adapt(
                torch.from_numpy(features[e.support]), torch.from_numpy(e.support_is_placeholder)
            )
            tasks.append(Task(e, head.state))
            progress(number * episodes + row + 1, len(wanted) * episodes)
    return found


def answer(
    task: Task, queries: Int[np.ndarray, " q"], features: Tensor, trust: Transduction | None
) -> Float[np.ndarray, " q"]:
    """Probabilities of a batch: inductive without a trust."""
    trust = trust or Transduction(weight=0.0, base_rate=0.0, steps=1)
    support = features[torch.from_numpy(task.episode.support)]
    label = torch.from_numpy(task.episode.support_is_placeholder)
    with torch.no_grad():
        found = transduce(task.state, features[torch.from_numpy(queries)], support, label, trust)
    said: np.ndarray = found.numpy().astype(np.float64)
    return said


def tuning_positions(pool: Pool) -> list[int]:
    """Training pictures to tune on: those that the encoder was not fitted to, if both labels are
    among them; on the others everything looks easier than it is."""
    kept = [
        i
        for i in pool.training
        if role({"group": pool.items[i].group, "category": pool.items[i].traits.category})
        == "learner"
    ]
    standins = sum(pool.items[i].is_standin for i in kept)
    return kept if 0 < standins < len(kept) else pool.training


def tune(
    tasks: Mapping[tuple[Sort, int], Sequence[Task]],
    features: Float[np.ndarray, "p d"],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Transduction, Figures]:
    """The trust with the least mean log loss over balanced and unbalanced batches alike.

    Returns:
        The trust, and the mean log loss of every choice by name.
    """
    rows = torch.from_numpy(features)
    choices = [
        Transduction(w, m, b)
        for w, m, b in product(_WEIGHTS, _DOUBTS, _BASE_RATES)
        # Where nothing is trusted, doubt about it is idle.
        if w > 0 or b > 0 or m == _DOUBTS[0]
    ]
    tried: Figures = {}
    best = choices[0]
    for number, trust in enumerate(choices):
        losses = [
            log_loss(answer(task, queries, rows, trust), label)
            for members in tasks.values()
            for task in members
            for queries, label in (mix.of(task.episode) for mix in (BALANCED, UNBALANCED))
        ]
        tried[_name(trust)] = float(np.mean(losses))
        if tried[_name(trust)] < tried[_name(best)]:
            best = trust
        progress(number + 1, len(choices))
    return best, tried


def measure(
    tasks: Mapping[tuple[Sort, int], Sequence[Task]],
    features: Float[np.ndarray, "p d"],
    tuned: Transduction,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Figures]:
    """Figures of every sort, K and mix: each method's, and its paired difference to inductive.

    Raises:
        MetricError: fewer than two tasks of a sort.
    """
    rows = torch.from_numpy(features)
    methods = {"inductive": None, "tuned": tuned, "prototypes": PROTOTYPES, "share": SHARE}
    found: list[Figures] = []
    total = len(tasks) * len(MIXES)
    for (sort, k), members in tasks.items():
        for mix in MIXES:
            values: dict[str, dict[str, list[float]]] = {name: {} for name in methods}
            for task in members:
                queries, label = mix.of(task.episode)
                for name, trust in methods.items():
                    said = answer(task, queries, rows, trust)
                    for key, value in _figures(said, label).items():
                        values[name].setdefault(key, []).append(value)
            arrays = {n: {key: np.array(v) for key, v in of.items()} for n, of in values.items()}
            found.append(
                {
                    "sort": sort,
                    "shots": k,
                    "mix": mix.name,
                    "tasks": len(members),
                    "methods": {
                        name: {key: as_figure(mean_interval(v)) for key, v in of.items()}
                        for name, of in arrays.items()
                    },
                    "differences": {
                        name: {
                            key: as_figure(difference_interval(v, arrays["inductive"][key]))
                            for key, v in of.items()
                        }
                        for name, of in arrays.items()
                        if name != "inductive"
                    },
                }
            )
            progress(len(found), total)
    return found


def described(trust: Transduction) -> Figures:
    """A trust for JSON."""
    return asdict(trust)


def _name(trust: Transduction) -> str:
    return f"weight {trust.weight:g}, doubt {trust.doubt:g}, base rate {trust.base_rate:g}"


def _figures(said: np.ndarray, label: np.ndarray) -> dict[str, float]:
    found = {
        "accuracy": float(((said > 0.5) == label).mean()),
        "log_loss": log_loss(said, label),
    }
    if 0 < label.sum() < len(label):
        found["auroc"] = auroc(said, label)
    return found
