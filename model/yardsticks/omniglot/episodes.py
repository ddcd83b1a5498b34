"""Tasks like the runs: characters of one alphabet, one person to learn from, others to name.

Each alphabet is also seen turned by quarters, as an alphabet of its own (Santoro et al. 2016 made
classes so): an alphabet's characters stay among themselves, as they do in the runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from model.errors import EpisodeError
from model.yardsticks.omniglot.drawings import Alphabet
from model.yardsticks.omniglot.glyphs import Wobble, render_wobbled, shrink

QUARTERS = 4


@dataclass(frozen=True, eq=False)
class Episode:
    """One task.

    Attributes:
        support: shape (ways, 1, side, side); drawing i is the only example of class i.
        query: shape (n, 1, side, side).
        answer: shape (n,); the class of each query.
    """

    support: Float[Tensor, "ways 1 side side"]
    query: Float[Tensor, "n 1 side side"]
    answer: Int[Tensor, " n"]


@dataclass(frozen=True, eq=False)
class Place:
    """Where an episode's drawings come from.

    Attributes:
        alphabet: number of the alphabet.
        quarters: anticlockwise quarter turns.
        characters: shape (ways,), all different.
        support: the person whose drawings are the support.
        query: shape (ways, queries), people other than ``support``.
    """

    alphabet: int
    quarters: int
    characters: Int[np.ndarray, " ways"]
    support: int
    query: Int[np.ndarray, "ways queries"]


class Background:
    """Background alphabets, ready to draw tasks and single drawings from.

    Args:
        alphabets: at least one, each with two characters and two drawers or more.
        ways: characters of a task; an alphabet that has fewer gives tasks of all it has.
        queries: drawings to name of each character of a task.

    Raises:
        EpisodeError: no tasks of this kind can be drawn from these alphabets.
    """

    def __init__(self, alphabets: Sequence[Alphabet], ways: int = 20, queries: int = 2) -> None:
        if not alphabets:
            raise EpisodeError("tasks need at least one alphabet")
        if ways < 2 or queries < 1:
            raise EpisodeError(f"a task needs 2 ways and 1 query or more, got {ways}, {queries}")
        for alphabet in alphabets:
            characters, drawers = alphabet.ink.shape[:2]
            if characters < 2 or drawers < queries + 1:
                raise EpisodeError(
                    f"{alphabet.name} has {characters} characters by {drawers} people; a task "
                    f"needs 2 characters and {queries + 1} people"
                )
        self.ways = ways
        self.queries = queries
        self._sizes = [a.ink.shape[:2] for a in alphabets]
        # Characters x drawers of all alphabets after one another, as one tensor.
        self._drawings = torch.cat([shrink(a.ink.reshape(-1, *a.ink.shape[2:])) for a in alphabets])
        self._starts = np.cumsum([0] + [c * d for c, d in self._sizes])
        self._classes = np.cumsum([0] + [c for c, _ in self._sizes])
        drawings = hashlib.sha256(self._drawings.numpy().tobytes())
        drawings.update(repr((self._sizes, ways, queries)).encode())
        self.fingerprint = drawings.hexdigest()

    @property
    def classes(self) -> int:
        """Characters, counting a turned one as another."""
        return int(self._classes[-1]) * QUARTERS

    def place(self, rng: np.random.Generator) -> Place:
        """Choose a task: alphabets have the share of their characters, so all are seen alike."""
        sizes = np.array([c for c, _ in self._sizes])
        alphabet = int(rng.choice(len(sizes), p=sizes / sizes.sum()))
        characters, drawers = self._sizes[alphabet]
        ways = min(self.ways, characters)
        support = int(rng.integers(drawers))
        others = np.delete(np.arange(drawers), support)
        query = np.array([rng.choice(others, self.queries, replace=False) for _ in range(ways)])
        return Place(
            alphabet=alphabet,
            quarters=int(rng.integers(QUARTERS)),
            characters=rng.choice(characters, ways, replace=False),
            support=support,
            query=query,
        )

    def draw(self, rng: np.random.Generator, wobble: Wobble) -> Episode:
        """A task; the answers are in order of the classes, each ``queries`` times."""
        place = self.place(rng)
        drawers = self._sizes[place.alphabet][1]
        first = self._starts[place.alphabet] + place.characters * drawers
        rows = np.concatenate([first + place.support, (first[:, None] + place.query).ravel()])
        pictures = self._pictures(rows, np.full(len(rows), place.quarters), rng, wobble)
        ways = len(place.characters)
        return Episode(
            support=pictures[:ways],
            query=pictures[ways:],
            answer=torch.arange(ways).repeat_interleave(self.queries),
        )

    def draw_labelled(
        self, n: int, rng: np.random.Generator, wobble: Wobble
    ) -> tuple[Float[Tensor, "n 1 side side"], Int[Tensor, " n"]]:
        """Single drawings of any alphabet with their classes, for a plain classifier."""
        rows = rng.integers(len(self._drawings), size=n)
        quarters = rng.integers(QUARTERS, size=n)
        alphabet = np.searchsorted(self._starts, rows, side="right") - 1
        drawers = np.array([d for _, d in self._sizes])[alphabet]
        character = self._classes[alphabet] + (rows - self._starts[alphabet]) // drawers
        answer = torch.from_numpy(character * QUARTERS + quarters)
        return self._pictures(rows, quarters, rng, wobble), answer

    def _pictures(
        self, rows: np.ndarray, quarters: np.ndarray, rng: np.random.Generator, wobble: Wobble
    ) -> Tensor:
        drawings = self._drawings[torch.from_numpy(rows)]
        for turns in range(1, QUARTERS):
            turned = torch.from_numpy(quarters == turns)
            drawings[turned] = torch.rot90(drawings[turned], turns, (1, 2))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return render_wobbled(drawings, wobble, generator)
