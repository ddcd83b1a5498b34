"""Scores: the experts that are worth asking, in batches over the categories asked about."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from model import Model, PictureError
from model.experts import ExpertName
from model.questions import Opinion
from service.batching import Embedder
from service.judging import Answer
from service.knowledge import Category
from service.lookup import Lookup, other_weights
from service.pictures import Embedded, Named, Source, Wish
from service.reading import TextReader
from service.recalling import Recaller
from service.store import (
    ActiveHead,
    Decision,
    ExampleMatrix,
    Label,
    ScoreRow,
    Store,
    new_ids,
)
from service.threads import call_this_thread

THRESHOLD = 0.5
"""Of a category that has set none: the likelier of the two."""
# Equal pictures differ by rounding alone (another batch, another device), and a repeated JPEG
# compression by more than this.
SAME_PICTURE = 0.9999
# Nothing that was learned from a few pictures is as sure as 0 or 1.
LEAST = 1e-6
# What is told of a few pictures takes less time than handing it to a thread and back: examples that
# a picture is compared with, and how many of them the rest of its score weighs as much as.
_AT_ONCE, _COMPARED = 4000, 250


@dataclass(frozen=True)
class Item:
    """One picture to score, for one category; ``id`` is the client's own name for it."""

    id: str | None
    category: str
    source: Source = field(repr=False)


@dataclass(frozen=True)
class Nearest:
    """The closest example of one label, by cosine similarity."""

    id: str
    similarity: float


@dataclass(frozen=True)
class Score:
    """One answer, and why."""

    id: str | None
    score_id: str
    category: str
    version: int
    probability: float
    decision: Decision
    threshold: float
    unsure_band: float
    experts: Mapping[ExpertName, Opinion]
    nearest: Mapping[Label, Nearest | None]
    seen_in_request: int
    seen_in_category: int
    text: str | None = None


@dataclass(frozen=True)
class Failure:
    """A picture that has no score, and why. Its neighbours have theirs."""

    id: str | None
    error: Exception


@dataclass(frozen=True)
class _Asked:
    """One picture of a request that has an answer; ``shared``: how many items carry it."""

    index: int
    item: Item
    tenant: str
    named: Named
    picture: Embedded
    answer: Answer
    shared: int
    head: ActiveHead
    examples: ExampleMatrix
    band: float


class Scorer:
    """Answers scores for one model from one store.

    Args:
        reader: spells out lettering as evidence; None where nobody does.
    """

    def __init__(
        self,
        model: Model,
        lookup: Lookup,
        store: Store,
        embedder: Embedder,
        recaller: Recaller,
        reader: TextReader | None = None,
    ) -> None:
        self._model = model
        self._lookup = lookup
        self._store = store
        self._embedder = embedder
        self._recaller = recaller
        self._reader = reader
        self._thread = ThreadPoolExecutor(1, "answer", call_this_thread, ("answer",))

    def close(self) -> None:
        """Finish what is being answered."""
        self._thread.shutdown()

    async def score(
        self, tenant: str, items: Sequence[Item], due: float = math.inf
    ) -> list[Score | Failure]:
        """Score items in order, and keep the scores for the teacher.

        Args:
            due: when nobody waits any more, on the loop's clock.
        Raises:
            Overloaded: too many pictures are waiting.
            StoreUnavailable: heads cannot be read, or scores cannot be kept.
        """
        named = await self._embedder.name([item.source for item in items])
        wanted = sorted({item.category for item in items})
        unknown = self._recaller.pays(named)
        # While categories are looked up, unless the store may know what would come out.
        begun = {} if unknown else self._embedder.begin(named, due)
        try:
            looking = self._lookup.find(tenant, wanted)
            if unknown:
                found, _ = await asyncio.gather(looking, self._recaller.recall(tenant, unknown))
            else:  # mostly there at once: a task takes longer
                found = await looking
            heads, examples, categories = found.heads, found.examples, found.categories
            carried = Counter(one.sha256 for one in named if isinstance(one, Named))
            wishes = [
                _wish(categories.get(item.category), one, carried)
                for item, one in zip(items, named, strict=True)
            ]
            pictures = await self._embedder.embed(named, wishes, due=due, begun=begun)
        finally:
            self._embedder.let_go(begun)
        answers: list[Score | Failure | None] = [None] * len(items)
        asked = []
        for index, (item, known, picture, wish) in enumerate(
            zip(items, named, pictures, wishes, strict=True)
        ):
            name = item.category
            if isinstance(known, PictureError):
                answers[index] = Failure(item.id, known)
            elif isinstance(picture, PictureError):
                answers[index] = Failure(item.id, picture)
            elif wish is None:
                answers[index] = Failure(item.id, other_weights(name))
            else:
                answer = picture.answer(wish)
                assert answer is not None  # the embedder answers every wish
                asked.append(
                    _Asked(
                        index=index,
                        item=item,
                        tenant=tenant,
                        named=known,
                        picture=picture,
                        answer=answer,
                        shared=wish.shared,
                        head=heads[name],
                        examples=examples[name],
                        band=self._lookup.band(heads[name], categories[name]),
                    )
                )
        if asked:
            if sum(_COMPARED + len(one.examples.ids) for one in asked) <= _AT_ONCE:
                scores, rows = self._told(asked)
            else:
                scores, rows = await asyncio.get_running_loop().run_in_executor(
                    self._thread, self._told, asked
                )
            # Before they are kept: a request that is refused here has changed nothing.
            scores = await self._with_text(asked, scores)
            await self._store.record_scores(rows)
            for one, score in zip(asked, scores, strict=True):
                answers[one.index] = score
        return [answer for answer in answers if answer is not None]

    async def _with_text(self, asked: Sequence[_Asked], scores: list[Score]) -> list[Score]:
        """The words of pictures in which the expert for words was asked and found lettering."""
        if self._reader is None:
            return scores
        lettered = [
            row
            for row, (one, score) in enumerate(zip(asked, scores, strict=True))
            if "words" in score.experts and one.picture.signals.lettering[0] >= 0
        ]
        texts = await self._reader.read([asked[row].named for row in lettered])
        for row, text in zip(lettered, texts, strict=True):
            scores[row] = replace(scores[row], text=text)
        return scores

    def _told(self, asked: Sequence[_Asked]) -> tuple[list[Score], list[ScoreRow]]:
        """Scores, and what the store keeps of them."""
        now = datetime.now(UTC)
        ids = new_ids(len(asked))
        scores = [self._score(one, score_id) for one, score_id in zip(asked, ids, strict=True)]
        rows = [self._row(one, score, now) for one, score in zip(asked, scores, strict=True)]
        return scores, rows

    def _score(self, asked: _Asked, score_id: str) -> Score:
        head, band = asked.head, asked.band
        probability, threshold, decision = judge(asked.answer.probability, head, band)
        nearest, same = _neighbours(asked.picture, asked.examples)
        return Score(
            id=asked.item.id,
            score_id=score_id,
            category=asked.item.category,
            version=head.version,
            probability=probability,
            decision=decision,
            threshold=threshold,
            unsure_band=band,
            experts=asked.answer.experts,
            nearest=nearest,
            seen_in_request=asked.shared - 1,
            seen_in_category=same,
        )

    def _row(self, asked: _Asked, score: Score, now: datetime) -> ScoreRow:
        picture = asked.picture
        return ScoreRow(
            tenant=asked.tenant,
            score_id=score.score_id,
            category=score.category,
            version=score.version,
            probability=score.probability,
            decision=score.decision,
            sha256=picture.sha256,
            embedding=picture.embedding.astype("<f2").tobytes(),
            created=now,
            model_sha256=self._model.card.sha256,
            width=picture.width,
            height=picture.height,
            format=picture.format,
            category_id=asked.head.category_id,
            signals=picture.packed(self._model.ensemble),
            answers=asked.answer.given,
        )


def judge(raw: float, head: ActiveHead, unsure_band: float) -> tuple[float, float, Decision]:
    """The probability as it is told, the category's threshold, and what the two decide."""
    probability = min(max(round(raw, 6), LEAST), 1 - LEAST)
    threshold = THRESHOLD if head.threshold is None else head.threshold
    return probability, threshold, decide(probability, threshold, unsure_band)


def decide(probability: float, threshold: float, unsure_band: float) -> Decision:
    """``unsure`` strictly inside the band around the threshold, else the side it is on."""
    if abs(probability - threshold) < unsure_band:
        return "unsure"
    return "placeholder" if probability >= threshold else "real"


def _wish(
    category: Category | None, picture: Named | PictureError, carried: Mapping[str, int]
) -> Wish | None:
    """What a picture is computed for; whatever is wrong with it is said before anything else."""
    if category is None or not isinstance(picture, Named):
        return None
    return Wish(category, carried[picture.sha256])


def _neighbours(
    picture: Embedded, examples: ExampleMatrix
) -> tuple[dict[Label, Nearest | None], int]:
    """The closest example of each label, and how many show the same picture; none where the
    encoder was not asked."""
    nearest: dict[Label, Nearest | None] = {"placeholder": None, "real": None}
    seen = picture.signals
    if not examples.ids or not (seen.embedded[0] or seen.glanced[0]):
        return nearest, 0
    # Rows of unit length: the product is the cosine. An example that was never embedded is 0.
    cosine = examples.embeddings @ picture.embedding
    for label, rows in examples.embedded.items():
        if len(rows):
            best = rows[cosine[rows].argmax()]
            similarity = min(max(float(cosine[best]), -1.0), 1.0)
            nearest[label] = Nearest(examples.ids[best], round(similarity, 4))
    return nearest, int(np.count_nonzero(cosine > SAME_PICTURE))
