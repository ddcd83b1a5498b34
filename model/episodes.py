"""Tasks: a support set S to adapt to, and a query batch B to answer for.

Two sorts of tasks, because the same look may stand in for a picture in one category and be the
product in the next:

- *ordinary*: real pictures are the products of one category; stand-ins are of one kind, of two, or
  of any. The prior is right, and few examples should be enough.
- *turning*: the products themselves look like stand-ins. Real pictures are logos (of a sticker
  shop), icons, lettering or swatches; stand-ins are of the kinds that do not look so. The prior is
  wrong about half of the pictures, and only the support set can say so.

The sampler works on attributes and returns positions, so that every method is measured on the very
same episodes over whatever it computes for the pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model.errors import EpisodeError

Sort = Literal["ordinary", "turning"]
LOOKS = ("swatch", "icon", "lettering", "logo")


@dataclass(frozen=True)
class Traits:
    """What the sampler must know of one picture.

    Attributes:
        is_standin: a stand-in in ordinary tasks.
        category: of a product; empty for a stand-in.
        kind: of a stand-in; empty for a product.
        look: swatch, icon, lettering or logo where it can be the product of a turning task.
    """

    is_standin: bool
    category: str
    kind: str
    look: str


@dataclass(frozen=True)
class Shots:
    """How many pictures of each label the support set has; both may be 0."""

    placeholder: int
    real: int

    def __post_init__(self) -> None:
        if self.placeholder < 0 or self.real < 0:
            raise EpisodeError(
                f"shots cannot be negative, got {self.placeholder} placeholder and {self.real} real"
            )


@dataclass(frozen=True, eq=False)
class Episode:
    """One task: positions of pictures in the pool, with the labels they have in this task.

    Attributes:
        support: shape (n,), int64; ``support_is_placeholder`` shape (n,), bool.
        query: shape (q,), int64, disjoint from support; ``query_is_placeholder`` shape (q,), bool.
        sort: "ordinary" or "turning".
        subject: the product category, or the look that turns.
    """

    support: NDArray[np.int64]
    support_is_placeholder: NDArray[np.bool_]
    query: NDArray[np.int64]
    query_is_placeholder: NDArray[np.bool_]
    sort: Sort
    subject: str


class EpisodeSampler:
    """Draws tasks from a pool of pictures.

    Args:
        pool: one entry a picture; an episode's positions index it.
        queries: most query pictures of each label.
        min_queries: fewest; a subject that has fewer left after its shots is not used.
    Raises:
        EpisodeError: the pool has no stand-in, or no product.
    """

    def __init__(self, pool: Sequence[Traits], *, queries: int = 16, min_queries: int = 4) -> None:
        if not 1 <= min_queries <= queries:
            raise EpisodeError(f"need 1 <= min_queries <= queries, got {min_queries}, {queries}")
        self.queries = queries
        self.min_queries = min_queries
        self._kinds = _positions((t.kind if t.is_standin else "") for t in pool)
        self._categories = _positions(("" if t.is_standin else t.category) for t in pool)
        self._looks = _positions(t.look for t in pool)
        # What can stand in where a look is the product: every kind that does not look so itself.
        self._against = {
            look: _positions((t.kind if t.is_standin and t.look != look else "") for t in pool)
            for look in self._looks
        }
        standins = sum(t.is_standin for t in pool)
        if standins == 0 or standins == len(pool):
            raise EpisodeError(
                f"a pool needs both sorts of pictures, got {standins} stand-ins and "
                f"{len(pool) - standins} products"
            )

    def subjects(self, sort: Sort, shots: Shots) -> list[str]:
        """The categories or looks that have pictures enough for such a task, sorted."""
        need = shots.real + self.min_queries
        sides = self._categories if sort == "ordinary" else self._looks
        return sorted(
            name
            for name, members in sides.items()
            if len(members) >= need
            and self._enough(self._standins_for(sort, name), shots.placeholder)
        )

    def sample(
        self, sort: Sort, shots: Shots, rng: np.random.Generator, subject: str | None = None
    ) -> Episode:
        """Draw one task.

        Args:
            subject: the category or look; drawn evenly from those with pictures enough if None.
        Raises:
            EpisodeError: no subject, or not this one, has pictures enough; gives both numbers.
        """
        possible = self.subjects(sort, shots)
        if subject is None:
            if not possible:
                raise EpisodeError(self._refusal(sort, shots))
            subject = possible[int(rng.integers(len(possible)))]
        elif subject not in possible:
            raise EpisodeError(f"{subject!r}: {self._refusal(sort, shots)}")
        real_side = self._categories if sort == "ordinary" else self._looks
        real = rng.permutation(real_side[subject])
        standins = self._draw_standins(self._standins_for(sort, subject), shots.placeholder, rng)
        # A stand-in that is the product here (a logo among logos) must not be on both sides.
        standins = standins[~np.isin(standins, real)]
        return self._assemble(standins, real, shots, sort, subject, rng)

    def _standins_for(self, sort: Sort, subject: str) -> dict[str, NDArray[np.int64]]:
        return self._kinds if sort == "ordinary" else self._against[subject]

    def _enough(self, kinds: dict[str, NDArray[np.int64]], shots: int) -> bool:
        return sum(len(members) for members in kinds.values()) >= shots + self.min_queries

    def _draw_standins(
        self, kinds: dict[str, NDArray[np.int64]], shots: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """One kind, two, or all of them: a shop has one design, or it has grown over years."""
        wanted = (1, 2, len(kinds))[int(rng.integers(3))]
        names = sorted(kinds)
        order = [names[i] for i in rng.permutation(len(names))]
        chosen: list[NDArray[np.int64]] = []
        for name in order:
            have = sum(len(members) for members in chosen)
            if len(chosen) >= wanted and have >= shots + self.min_queries:
                break
            chosen.append(kinds[name])
        return rng.permutation(np.concatenate(chosen))

    def _assemble(
        self,
        standins: NDArray[np.int64],
        real: NDArray[np.int64],
        shots: Shots,
        sort: Sort,
        subject: str,
        rng: np.random.Generator,
    ) -> Episode:
        support = np.concatenate([standins[: shots.placeholder], real[: shots.real]])
        asked_standins = standins[shots.placeholder : shots.placeholder + self.queries]
        asked_real = real[shots.real : shots.real + self.queries]
        order = rng.permutation(len(support))
        return Episode(
            support=support[order],
            support_is_placeholder=(np.arange(len(support)) < shots.placeholder)[order],
            query=np.concatenate([asked_standins, asked_real]),
            query_is_placeholder=np.arange(len(asked_standins) + len(asked_real))
            < len(asked_standins),
            sort=sort,
            subject=subject,
        )

    def _refusal(self, sort: Sort, shots: Shots) -> str:
        sides = self._categories if sort == "ordinary" else self._looks
        most = max((len(members) for members in sides.values()), default=0)
        standins = sum(len(members) for members in self._kinds.values())
        return (
            f"no {sort} task with {shots.placeholder} placeholder and {shots.real} real shots and "
            f"{self.min_queries} queries of each: the largest subject has {most} real pictures, "
            f"and there are {standins} stand-ins"
        )


def draw_shots(rng: np.random.Generator, most: int = 20) -> Shots:
    """Shots as people upload them: none, even, uneven, or of one label only.

    One task in eight is zero-shot, one in four has one label only, one in four is uneven.
    """
    fate = rng.random()
    if fate < 0.125:
        return Shots(0, 0)

    def some() -> int:  # K = 1 is as frequent as 10 to 20: few shots are the hard part
        return int(np.exp(rng.uniform(0, np.log(most + 1))))

    if fate < 0.275:
        return Shots(some(), 0)
    if fate < 0.375:
        return Shots(0, some())
    first = some()
    return Shots(first, some() if fate < 0.625 else first)


def _positions(names: Iterable[str]) -> dict[str, NDArray[np.int64]]:
    found: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        if name:
            found.setdefault(name, []).append(index)
    return {name: np.array(members, dtype=np.int64) for name, members in found.items()}
