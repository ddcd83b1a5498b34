"""Explanations: what scoring would answer about one picture, and which region mattered.

For people, one picture at a time: where scoring computes in batches, this has one thread beside
it, so that no number of curious visitors takes more than one core from the scores.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from model import Model, PictureError, images
from model.explanation import Explanation, explain, overlay
from service.batching import Embedder
from service.errors import Overloaded
from service.lookup import Lookup, other_weights
from service.pictures import Embedded, Named, Wish
from service.reading import TextReader
from service.scoring import Item, judge
from service.store import ActiveHead, Decision
from service.work import begin_computing


@dataclass(frozen=True)
class Explained:
    """One answer, and the picture that says why.

    Attributes:
        picture: a WebP file.
        text: the words in the picture, where they were read.
    """

    category: str
    version: int
    probability: float
    decision: Decision
    threshold: float
    explanation: Explanation = field(repr=False)
    picture: bytes = field(repr=False)
    text: str | None = None


class Explainer:
    """Explains answers of one model from one store. Changes nothing, and keeps no score.

    Build it on the event loop that uses it.

    Args:
        most: pictures that may wait to be explained.
        reader: spells out the words; None where nobody does.
    """

    def __init__(
        self,
        model: Model,
        lookup: Lookup,
        embedder: Embedder,
        limits: images.Limits,
        most: int,
        reader: TextReader | None = None,
    ) -> None:
        self._model = model
        self._lookup = lookup
        self._embedder = embedder
        self._limits = limits
        self._most = most
        self._reader = reader
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, "explain", begin_computing, ("explain",))

    def close(self) -> None:
        """Finish the one that is being explained, and no other."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def explain(self, tenant: str, item: Item, with_text: bool = True) -> Explained:
        """Answer for one picture as a score would, and say why.

        Args:
            with_text: whether anybody wants to know the words.
        Raises:
            PictureError: it cannot be read, or is too large.
            OtherWeights: the category learned under other weights.
            Overloaded: too many pictures are waiting.
            StoreUnavailable: the head cannot be read.
        """
        (named,) = await self._embedder.name([item.source])
        if isinstance(named, PictureError):
            raise named
        found = await self._lookup.find(tenant, [item.category])
        category = found.categories.get(item.category)
        if category is None:
            raise other_weights(item.category)
        head = found.heads[item.category]
        wish = Wish(category)
        (picture,) = await self._embedder.embed([named], [wish])
        if isinstance(picture, PictureError):
            raise picture
        if self._waiting >= self._most:
            raise Overloaded(
                f"{self._waiting} explanations are waiting, and {self._most} may wait",
                retry_after=5,
            )
        self._waiting += 1
        try:
            explained = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._explain, head, wish, named, picture
            )
        finally:
            self._waiting -= 1
        if self._reader is None or not with_text:
            return explained
        (text,) = await self._reader.read([named])
        return replace(explained, text=text)

    def _explain(self, head: ActiveHead, wish: Wish, named: Named, seen: Embedded) -> Explained:
        ensemble, category = self._model.ensemble, wish.category
        answer = seen.answer(wish)
        assert answer is not None  # the embedder answers every wish
        probability, threshold, decision = judge(
            answer.probability, head, self._lookup.band(head, category)
        )
        # Embeddings are kept, pixels are not.
        pixels = images.decode(named.data, ensemble.image_size, self._limits).pixels
        why = explain(ensemble, category.known, pixels, seen.width, seen.height, seen.signals)
        return Explained(
            category=head.category,
            version=head.version,
            probability=probability,
            decision=decision,
            threshold=threshold,
            explanation=why,
            picture=overlay(why, pixels),
        )
