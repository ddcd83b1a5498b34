"""What the store still knows of pictures that come again, after a restart or beside the cache.

A score keeps what its picture's experts saw, so a catalogue that is scored again need not be
decoded again. The question costs a query, so it is asked where it pays: while of those asked about
enough were found, and now and then to see whether that has changed.
"""

from __future__ import annotations

from collections.abc import Sequence

from model import Model, PictureError
from service.batching import Embedder
from service.knowledge import Knowledge
from service.metrics import Metrics
from service.pictures import Embedded, Named
from service.store import Store

PAYS = 0.02
"""Share of pictures asked about that must be known: a question costs a fiftieth of computing."""
_MEMORY = 0.01  # of the running share, which so remembers some hundred pictures
_PROBE = 64  # requests, of which one is asked about although it does not seem to pay


class Recaller:
    """Tells the embedder what the store knows.

    Args:
        model: whose weights and experts must have seen a picture.
    """

    def __init__(
        self,
        knowledge: Knowledge,
        store: Store,
        embedder: Embedder,
        metrics: Metrics,
        model: Model,
    ) -> None:
        self._knowledge = knowledge
        self._store = store
        self._embedder = embedder
        self._metrics = metrics
        self._model = model
        self._known = 1.0  # until it is seen: after a start every picture may have been here
        self._requests = 0

    def pays(self, pictures: Sequence[Named | PictureError]) -> list[str]:
        """Names of those that the store should be asked about; none where that would not pay."""
        if not self._embedder.remembers:  # what it is told would be lost
            return []
        unknown = self._embedder.unknown(pictures)
        self._requests += 1
        return unknown if self._known >= PAYS or not self._requests % _PROBE else []

    async def recall(self, tenant: str, unknown: Sequence[str]) -> None:
        """Have the embedder know whatever of these pictures is kept for the tenant.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        if not unknown:
            return
        found = await self._store.known_pictures(tenant, unknown, self._model.card.sha256)
        of_use = 0
        for one in found:
            signals = self._knowledge.as_seen(one.embedding[None], [one.signals]).one(0)
            # Of other experts nothing is left but the embedding, which would pass for everything.
            if signals.looked[0] if self._model.ensemble.looks else signals.embedded[0]:
                known = Embedded(one.sha256, signals, one.width, one.height, one.format)
                self._embedder.remember(known)
                of_use += 1
        self._metrics.pictures.labels("recalled").inc(of_use)
        for n in range(len(unknown)):
            self._known += _MEMORY * ((n < of_use) - self._known)
