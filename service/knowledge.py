"""What a category knows, from the bytes that the store keeps: parsed once, or made again."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from model.ensemble import Ensemble
from model.errors import SupportError, WeightsError
from model.experts.signals import Signals, unpack
from model.questions import Known
from model.teacher.candidates import CANDIDATES, Lessons, learn
from model.teacher.weights import OnlineWeights
from service.store import ActiveHead, ExampleMatrix
from service.store.cache import BoundedCache

CACHE_BYTES = 64 * 2**20


_HEAD = struct.Struct("<5i")  # bytes of state, learner and online (-1: None), examples, dimension


@dataclass(frozen=True, eq=False)
class Kept:
    """What the store keeps of one version of a category with n examples.

    Attributes:
        state: what the examples taught, as :meth:`model.teacher.candidates.Lessons.to_bytes`
            writes it; None for the base model.
        learner: whose state that is.
        online: how far each candidate is trusted; None before the teacher's first word.
        embeddings: shape (n, d), or (0, 0).
        signals: n of them; None where unknown.
        is_placeholder, is_guess: shape (n,).
    """

    state: bytes | None
    learner: str | None
    online: bytes | None
    embeddings: npt.NDArray[np.float32]
    signals: Sequence[bytes | None]
    is_placeholder: npt.NDArray[np.bool_]
    is_guess: npt.NDArray[np.bool_]

    def to_bytes(self) -> bytes:
        """For another process, as :meth:`from_bytes` reads it: a head, the labels and which are
        guesses (a byte each), how long each picture's signals are (4 bytes, -1 for None), the
        embeddings, the signals, and what the head has told the length of."""
        ends = (self.state, None if self.learner is None else self.learner.encode(), self.online)
        lengths = np.array([-1 if one is None else len(one) for one in self.signals], "<i4")
        return b"".join(
            (
                _HEAD.pack(
                    *(-1 if end is None else len(end) for end in ends), *self.embeddings.shape
                ),
                self.is_placeholder.tobytes(),
                self.is_guess.tobytes(),
                lengths.tobytes(),
                self.embeddings.astype("<f4").tobytes(),
                *(one or b"" for one in self.signals),
                *(end or b"" for end in ends),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Kept:
        """What :meth:`to_bytes` wrote."""
        *ends, n, d = _HEAD.unpack_from(data)
        at = _HEAD.size

        def numbers(kind: str, count: int) -> npt.NDArray[Any]:
            nonlocal at
            found = np.frombuffer(data, kind, count, at)
            at += found.nbytes
            return found

        def part(length: int) -> bytes | None:
            nonlocal at
            begin, at = at, at + max(0, length)
            return None if length < 0 else data[begin:at]

        is_placeholder, is_guess = numbers("?", n), numbers("?", n)
        lengths = numbers("<i4", n).tolist()
        embeddings = numbers("<f4", n * d).reshape(n, d)
        signals = tuple(part(length) for length in lengths)
        state, learner, online = (part(length) for length in ends)
        told = None if learner is None else learner.decode()
        return cls(state, told, online, embeddings, signals, is_placeholder, is_guess)


NOTHING = Kept(
    None, None, None, np.zeros((0, 0), np.float32), (), np.zeros(0, np.bool_), np.zeros(0, np.bool_)
)
"""Of the base model."""


@dataclass(frozen=True, eq=False)
class Learned:
    """What one version of a category knows.

    Attributes:
        known: what all its examples taught, and the examples.
        lessons: what all and some of them taught; None for the base model.
        online: how far each candidate is trusted; None before the teacher's first word.
    """

    known: Known
    lessons: Lessons | None
    online: OnlineWeights | None


@dataclass(frozen=True, eq=False)
class Category:
    """One version of a category, ready to be asked. What was kept is read where it is first asked:
    that may be another process.

    Args:
        kept: by the store.
        read: what makes knowledge of that.
    """

    kept: Kept
    read: Callable[[Kept], Learned] = field(repr=False)

    @cached_property
    def learned(self) -> Learned:
        """What it knows, read once."""
        return self.read(self.kept)

    @property
    def known(self) -> Known:
        """See :class:`Learned`."""
        return self.learned.known

    @property
    def lessons(self) -> Lessons | None:
        """See :class:`Learned`."""
        return self.learned.lessons

    @property
    def online(self) -> OnlineWeights | None:
        """See :class:`Learned`."""
        return self.learned.online

    @cached_property
    def counts(self) -> tuple[int, int]:
        """How many examples of each label it has from its teacher: placeholder and real."""
        own = ~self.kept.is_guess
        placeholder = int(np.count_nonzero(self.kept.is_placeholder & own))
        return placeholder, int(np.count_nonzero(own)) - placeholder


class Knowledge:
    """Turns heads and examples of the store into categories, for one model.

    Args:
        ensemble: of the model; states that another one made are made again from the examples.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        self._ensemble = ensemble
        self._cache: BoundedCache[tuple[str, int], Category] = BoundedCache(CACHE_BYTES, _size)
        empty = Learned(Known(ensemble.base, ensemble.nothing, NOTHING.is_placeholder), None, None)
        self._base = Category(NOTHING, lambda _: empty)

    def cached(self, head: ActiveHead) -> Category | None:
        """The category, where it is in memory: at no price."""
        if head.category_id is None or head.state is None:
            return self._base
        return self._cache.get((head.category_id, head.version))

    def category(self, head: ActiveHead, examples: ExampleMatrix) -> Category:
        """What scoring needs of a category at the version of its head."""
        found = self.cached(head)
        if found is None:
            found = self.of(
                Kept(
                    head.state,
                    head.learner,
                    head.online,
                    examples.embeddings,
                    # Where none were kept there are embeddings alone.
                    examples.signals or (None,) * len(examples.ids),
                    examples.is_placeholder,
                    examples.is_guess,
                )
            )
            assert head.category_id is not None  # else it is the base
            self._cache.put((head.category_id, head.version), found)
        return found

    def of(self, kept: Kept) -> Category:
        """The category of which that was kept."""
        return self._base if kept.state is None else Category(kept, self._read)

    def signals(
        self, embeddings: npt.NDArray[np.float32], packed: Sequence[bytes | None]
    ) -> Signals:
        """Signals of stored examples: embeddings (n, d), zeros where the encoder was not asked. A
        glance's passes for the whole look's: an example teaches by the closest look there is."""
        seen = self.as_seen(embeddings, packed)
        return replace(seen, visual=seen.closest, embedded=seen.embedded | seen.glanced)

    def as_seen(
        self, embeddings: npt.NDArray[np.float32], packed: Sequence[bytes | None]
    ) -> Signals:
        """Signals of stored pictures as they were looked at, for whoever is to ask on; see
        :meth:`signals`. Of pictures that other experts saw the embedding is left."""
        given = (*packed, *[None] * (len(embeddings) - len(packed)))  # else embeddings alone
        return unpack(given, embeddings, self._ensemble.widths, self._ensemble.mark)

    def _read(self, kept: Kept) -> Learned:
        d = self._ensemble.widths[2]
        signals = self.signals(kept.embeddings.reshape(-1, d), kept.signals)
        labels = kept.is_placeholder
        lessons = None
        if kept.state is not None and kept.learner == self._ensemble.name:
            lessons = _parsed(kept.state)
        if lessons is None:  # of a release with other experts above the same encoder
            lessons, _ = learn(self._ensemble, signals, labels, guessed=kept.is_guess)
        known = Known(lessons.whole, signals, labels)
        return Learned(known, lessons, weights_of(kept.online))


def weights_of(online: bytes | None) -> OnlineWeights | None:
    """Online weights from the store's bytes; None where there are none that can be used."""
    if online is None:
        return None
    try:
        weights = OnlineWeights.from_array(np.frombuffer(online, "<f8"))
    except (SupportError, ValueError):
        return None
    return weights if len(weights.log_weights) == len(CANDIDATES) else None


def _parsed(state: bytes) -> Lessons | None:
    try:
        return Lessons.from_bytes(state)
    except WeightsError:
        return None


def _size(category: Category) -> int:
    """Bytes in memory once it was read, roughly: the signals are kept in half precision."""
    kept = category.kept
    signals = sum(len(one or b"") for one in kept.signals)
    return 2000 + kept.embeddings.nbytes + 3 * signals + 2 * len(kept.state or b"")
