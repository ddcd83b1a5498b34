"""What a category knows, from the bytes that the store keeps: parsed once, or made again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from model.ensemble import Ensemble
from model.errors import SupportError, WeightsError
from model.experts.signals import Signals, fingerprints, unpack
from model.questions import Known
from model.teacher.candidates import CANDIDATES, Lessons, learn
from model.teacher.weights import OnlineWeights
from service.kept import NOTHING, Brief, Kept, from_bytes
from service.store import ActiveHead, ExampleMatrix
from service.store.cache import BoundedCache

CACHE_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class Learned:
    """What one version of a category knows.

    Attributes:
        known: what all its examples taught, and the examples, as far as answering takes them.
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
        kept: of it.
        read: what makes knowledge of that.
    """

    kept: Kept | Brief
    read: Callable[[Kept | Brief], Learned] = field(repr=False)

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
        if kept.state is None:
            return self._base
        if kept.learner != self._ensemble.name or _parsed(kept.state) is None:
            return Category(kept, self._read)  # made again where it is asked
        looked, hashes = fingerprints(kept.signals, self._ensemble.widths, self._ensemble.mark)
        labels, guesses = kept.is_placeholder, kept.is_guess
        brief = Brief(kept.state, kept.online, labels, guesses, looked, hashes)
        return Category(brief, self._read)

    def sent(self, data: bytes) -> Category:
        """The category that another process sent, as ``category.kept.to_bytes()``."""
        kept = from_bytes(data)
        return self.of(kept) if isinstance(kept, Kept) else Category(kept, self._read)

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

    def _read(self, kept: Kept | Brief) -> Learned:
        if isinstance(kept, Brief):
            signals = Signals.hashed(kept.looked, kept.hashes, self._ensemble.widths)
            lessons = Lessons.from_bytes(kept.state)
        else:  # of a release with other experts above the same encoder
            rows = kept.embeddings.reshape(-1, self._ensemble.widths[2])
            signals = self.signals(rows, kept.signals)
            # A copy: what was sent is read-only, which torch has no notion of.
            labels, guessed = kept.is_placeholder.copy(), kept.is_guess
            lessons, _ = learn(self._ensemble, signals, labels, guessed=guessed)
        known = Known(lessons.whole, signals, kept.is_placeholder)
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
    """Bytes in memory once it was read, roughly: twice what is kept of it."""
    return 2000 + 2 * category.kept.size
