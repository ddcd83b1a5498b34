"""Simulated teachers: what a shop's catalogue shows, and what is said of it, picture by picture.

A stream is one category over time. Pictures come one after the other, each at most once, stand-ins
and goods in turn by chance; what has been labelled never comes back, so nothing is gained by
remembering pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model.episodes import Traits
from model.errors import EpisodeError

Scenario = Literal[
    "ordinary", "turning", "new stand-in", "new stand-in, turning", "turned around", "inverted"
]
SCENARIOS: dict[Scenario, str] = {
    "ordinary": "goods of one category, or of a few small ones, against stand-ins",
    "turning": "goods that look like stand-ins (logos, icons, lettering, swatches) against others",
    "new stand-in": "ordinary; halfway the shop changes its stand-ins to other kinds",
    "new stand-in, turning": "turning; halfway the shop changes its stand-ins to other kinds",
    "turned around": "ordinary; halfway the category sells what looked like its stand-ins",
    "inverted": "ordinary; halfway every label means its opposite",
}
# Looks that go together as the goods of one category, where one alone has too few pictures.
_LOOKS = (
    ("lettering",),
    ("icon", "logo"),
    ("icon", "swatch"),
    ("icon", "logo", "swatch"),
    ("lettering", "logo"),
    ("lettering", "swatch"),
    ("icon", "lettering"),
)
# A side that has fewer pictures than this share of a stream would make it one-sided.
_LEAST = 0.4
# Goods are gathered until there are so many, in lengths of a stream: stand-ins may be fewer.
_ENOUGH = 0.6


@dataclass(frozen=True, eq=False)
class Stream:
    """One category over time.

    Attributes:
        pictures: shape (T,), int64, positions in the pool, each at most once.
        is_placeholder: shape (T,), bool, the truth at that time.
        said: shape (T,), bool, what the teacher says, slips included.
    """

    pictures: NDArray[np.int64]
    is_placeholder: NDArray[np.bool_]
    said: NDArray[np.bool_]

    def second_half(self) -> Stream:
        """What comes after the change, where something changes, alone."""
        later = slice(len(self.pictures) // 2, None)
        return Stream(self.pictures[later], self.is_placeholder[later], self.said[later])


class StreamSampler:
    """Draws streams from a pool of pictures.

    Args:
        pool: one entry a picture; a stream's positions index it.
        length: T, an even number.
    Raises:
        EpisodeError: no even length.
    """

    def __init__(self, pool: Sequence[Traits], length: int = 200) -> None:
        if length < 2 or length % 2:
            raise EpisodeError(f"a stream has an even length, got {length}")
        self.length = length
        self._stands = np.array([t.is_standin for t in pool], dtype=bool)
        self._kind = np.array([t.kind if t.is_standin else "" for t in pool])
        self._category = np.array(["" if t.is_standin else t.category for t in pool])
        self._look = np.array([t.look for t in pool])
        self._kinds = sorted(set(self._kind.tolist()) - {""})
        self._categories = sorted(set(self._category.tolist()) - {""})

    def sample(self, scenario: Scenario, rng: np.random.Generator, slips: float = 0.0) -> Stream:
        """Draw one stream.

        Args:
            slips: share of the teacher's words that are wrong, 0 to 1.
        Raises:
            EpisodeError: the pool has too few pictures for it.
        """
        half = self.length // 2
        if scenario == "inverted":
            pictures, truth = self._draw("ordinary", rng)
            truth = truth ^ (np.arange(self.length) >= half)
        else:
            pictures, truth = self._draw(scenario, rng)
        wrong = rng.random(self.length) < slips
        return Stream(pictures, truth, truth ^ wrong)

    def _draw(
        self, scenario: Scenario, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        half = self.length // 2
        if scenario == "ordinary":
            return self._mixed(self._goods(rng), self._standins(self._kinds, rng), rng)
        if scenario == "new stand-in":
            goods = self._goods(rng)
            return self._changed(goods, self._kinds, rng)
        for look in rng.permutation(len(_LOOKS)):
            looks = _LOOKS[look]
            goods = rng.permutation(np.flatnonzero(np.isin(self._look, looks)))
            alike = set(self._kind[goods].tolist())
            others = [kind for kind in self._kinds if kind not in alike]
            against = self._standins(others, rng)
            try:
                if scenario == "turning":
                    return self._mixed(goods, against, rng)
                if scenario == "new stand-in, turning":
                    return self._changed(goods, others, rng)
                return self._turned(goods, others, half, rng)
            except EpisodeError:
                continue
        raise EpisodeError(f"too few pictures for {self.length} of {scenario!r}")

    def _turned(
        self, look: NDArray[np.int64], others: list[str], half: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """First goods against stand-ins of a look and others; then that look against others."""
        stands = self._stands[look]
        # Most of the first half's stand-ins have the look, and as many are left to be sold.
        first = look[stands][: min(half // 3, int(stands.sum()) // 2)]
        sold = look[~np.isin(look, first)]
        against = self._standins(others, rng)
        early = against[: half // 2 - len(first)]
        goods = self._goods(rng)
        goods = goods[~np.isin(goods, look)]
        one = self._mixed(goods, np.concatenate([first, early]), rng, half)
        two = self._mixed(sold, against[len(early) :], rng, half)
        return np.concatenate([one[0], two[0]]), np.concatenate([one[1], two[1]])

    def _changed(
        self, goods: NDArray[np.int64], kinds: list[str], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The same goods, stand-ins of some kinds first and of the others then."""
        half = self.length // 2
        order = [kinds[i] for i in rng.permutation(len(kinds))]
        for cut in rng.permutation(np.arange(1, len(order))):
            early, late = self._standins(order[:cut], rng), self._standins(order[cut:], rng)
            # As many as the goods leave free: a half of them for each half of the stream.
            if min(len(early), len(late)) >= max(_LEAST * half, half - len(goods) // 2):
                one = self._mixed(goods[::2], early, rng, half)
                two = self._mixed(goods[1::2], late, rng, half)
                return np.concatenate([one[0], two[0]]), np.concatenate([one[1], two[1]])
        raise EpisodeError("too few stand-ins to change them")

    def _mixed(
        self,
        goods: NDArray[np.int64],
        standins: NDArray[np.int64],
        rng: np.random.Generator,
        length: int | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Half of each as far as there are enough, in random order."""
        length = length or self.length
        stands = min(len(standins), max(length // 2, length - len(goods)))
        least = _LEAST * length
        if stands + len(goods) < length or stands < least or length - stands < least:
            raise EpisodeError(
                f"{length} pictures wanted of {len(goods)} goods and {len(standins)} stand-ins"
            )
        both = np.concatenate([standins[:stands], goods[: length - stands]])
        order = rng.permutation(length)
        return both[order], (np.arange(length) < stands)[order]

    def _goods(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Of one category; of more, one after the other, where it has too few."""
        found: list[NDArray[np.int64]] = []
        for place in rng.permutation(len(self._categories)):
            name = self._categories[place]
            found.append(rng.permutation(np.flatnonzero(self._category == name)))
            if sum(map(len, found)) >= _ENOUGH * self.length:
                break
        return rng.permutation(np.concatenate(found)) if found else np.empty(0, np.int64)

    def _standins(self, kinds: list[str], rng: np.random.Generator) -> NDArray[np.int64]:
        """Of one kind, or of as many more as a stream needs."""
        found: list[NDArray[np.int64]] = []
        for place in rng.permutation(len(kinds)):
            kind = kinds[place]
            found.append(np.flatnonzero(self._kind == kind))
            if sum(map(len, found)) >= self.length // 2:
                break
        return rng.permutation(np.concatenate(found)) if found else np.empty(0, np.int64)
