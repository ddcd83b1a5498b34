"""What a category knows, from the bytes that the store keeps: parsed once, or made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

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


@dataclass(frozen=True, eq=False)
class Category:
    """One version of a category, ready to be asked.

    Attributes:
        known: what all its examples taught, and the examples.
        lessons: what all and some of them taught; None for the base model.
        online: how far each candidate is trusted; None before the teacher's first word.
    """

    known: Known
    lessons: Lessons | None
    online: OnlineWeights | None


class Knowledge:
    """Turns heads and examples of the store into categories, for one model.

    Args:
        ensemble: of the model; states that another one made are made again from the examples.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        self._ensemble = ensemble
        self._cache: BoundedCache[tuple[str, int], Category] = BoundedCache(CACHE_BYTES, _size)
        empty = Known(ensemble.base, ensemble.nothing, np.zeros(0, np.bool_))
        self._base = Category(empty, None, None)

    def cached(self, head: ActiveHead) -> Category | None:
        """The category, where it is in memory: at no price."""
        if head.category_id is None or head.state is None:
            return self._base
        return self._cache.get((head.category_id, head.version))

    def category(self, head: ActiveHead, examples: ExampleMatrix) -> Category:
        """What scoring needs of a category at the version of its head."""
        found = self.cached(head)
        if found is None:
            found = self._read(head, examples)
            assert head.category_id is not None  # else it is the base
            self._cache.put((head.category_id, head.version), found)
        return found

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
        widths, mark = self._ensemble.widths, self._ensemble.mark
        signals = Signals.empty(len(embeddings), widths)
        # Where none were kept there are embeddings alone.
        for row, (closest, data) in enumerate(zip_longest(embeddings, packed)):
            one = None if data is None else unpack(data, closest, widths, mark)
            if one is not None:
                signals.put(row, one)
            else:
                signals.visual[row], signals.embedded[row] = closest, closest.any()
        return signals

    def _read(self, head: ActiveHead, examples: ExampleMatrix) -> Category:
        d = self._ensemble.widths[2]
        signals = self.signals(examples.embeddings.reshape(-1, d), examples.signals)
        labels = examples.is_placeholder
        lessons = None
        if head.state is not None and head.learner == self._ensemble.name:
            lessons = _parsed(head.state)
        if lessons is None:  # of a release with other experts above the same encoder
            lessons, _ = learn(self._ensemble, signals, labels, guessed=examples.is_guess)
        known = Known(lessons.whole, signals, labels)
        return Category(known, lessons, weights_of(head.online))


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
    signals = category.known.signals
    rows = signals.visual.nbytes + signals.words.nbytes + signals.statistics.nbytes
    heads = sum(4 * head.numel() for head in category.known.state.heads.values())
    return 2000 + rows + 3 * heads
