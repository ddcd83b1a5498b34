"""From all views, the few that one batch works on."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from model.episodes import Episode, EpisodeSampler, Shots, Sort, draw_shots
from model.errors import EpisodeError
from model.training.sources import LETTERING, ViewLabel

K = TypeVar("K", bound=Hashable)


class BatchPools:
    """Chooses the pictures of a batch so that many small tasks can be made of them.

    Five parts of twelve are products of a few categories, two products of two looks, five
    stand-ins of a few kinds, real ones and drawn ones alike.

    Args:
        labels: of all views.
        positions: of the views that may be used (those not held out).
        pictures: in a batch.
    Raises:
        EpisodeError: there are no stand-ins or no products to choose from.
    """

    def __init__(
        self, labels: Sequence[ViewLabel], positions: NDArray[np.int64], pictures: int
    ) -> None:
        self._labels = labels
        self._pictures = pictures
        self._categories: dict[str, NDArray[np.int64]] = {}
        self._looks: dict[str, NDArray[np.int64]] = {}
        self._kinds: dict[tuple[str, bool], NDArray[np.int64]] = {}
        by_category: dict[str, list[int]] = {}
        by_look: dict[str, list[int]] = {}
        by_kind: dict[tuple[str, bool], list[int]] = {}
        for position in positions.tolist():
            label = labels[position]
            if label.is_standin:
                by_kind.setdefault((label.kind, label.drawn), []).append(position)
                continue
            if label.category:
                by_category.setdefault(label.category, []).append(position)
            if label.look:
                by_look.setdefault(label.look, []).append(position)
        self._categories = {k: np.array(v) for k, v in by_category.items() if len(v) >= 4}
        self._looks = {k: np.array(v) for k, v in by_look.items()}
        self._kinds = {k: np.array(v) for k, v in by_kind.items()}
        if not self._categories or not self._kinds:
            raise EpisodeError(
                f"training needs products and stand-ins, got {len(self._categories)} categories "
                f"with four pictures or more and {len(self._kinds)} kinds"
            )

    def draw(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Positions of one batch, without repetition."""
        goods, looks = self._pictures * 5 // 12, self._pictures // 6
        chosen = [
            *self._from(self._categories, 4, goods, rng),
            *self._from(self._looks, 2, looks, rng),
            *self._from(self._kinds, 5, self._pictures - goods - looks, rng),
        ]
        return np.unique(np.concatenate(chosen))

    @staticmethod
    def _from(
        groups: Mapping[K, NDArray[np.int64]], most: int, pictures: int, rng: np.random.Generator
    ) -> list[NDArray[np.int64]]:
        """About ``pictures`` positions from at most ``most`` groups, evenly."""
        names = list(groups)
        picked = [names[i] for i in rng.permutation(len(names))[:most]]
        each = max(1, pictures // max(1, len(picked)))
        return [
            rng.choice(groups[name], min(each, len(groups[name])), replace=False) for name in picked
        ]

    def tasks(
        self, positions: NDArray[np.int64], count: int, rng: np.random.Generator
    ) -> list[Episode]:
        """Small tasks over one batch; an episode's positions index ``positions``."""
        pool = [self._labels[p].traits for p in positions.tolist()]
        sampler = EpisodeSampler(pool, queries=8, min_queries=2)
        return draw_tasks(sampler, count, rng, most_shots=6)


def draw_tasks(
    sampler: EpisodeSampler, count: int, rng: np.random.Generator, most_shots: int
) -> list[Episode]:
    """Tasks of both sorts, with shots as people upload them.

    Zero-shot tasks, and tasks with nothing but stand-ins, are ordinary: no support set could say
    that such a category has turned around. Where a draw finds no subject with pictures enough,
    it is drawn again with fewer shots.

    Raises:
        EpisodeError: not even zero-shot tasks are possible.
    """
    episodes: list[Episode] = []
    while len(episodes) < count:
        shots = draw_shots(rng, most_shots)
        turning = shots.real > 0 and rng.random() < 0.5
        while not sampler.subjects("turning" if turning else "ordinary", shots):
            if shots == Shots(0, 0):
                if not turning:
                    raise EpisodeError("the pool has too few pictures for any task")
                turning = False
                continue
            shots = Shots(shots.placeholder // 2, shots.real // 2)
        sort: Sort = "turning" if turning else "ordinary"
        possible = sampler.subjects(sort, shots)
        if shots.real == 0:
            # Before a category has shown its goods, a title that nobody can read might as well be
            # a notice: asking for it would teach doubt about all notices.
            possible = [name for name in possible if name != LETTERING] or possible
        subject = possible[int(rng.integers(len(possible)))]
        episodes.append(sampler.sample(sort, shots, rng, subject))
    return episodes
