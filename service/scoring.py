"""Scores: one encoder pass for whatever categories are asked about, one gathered product."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import torch

from model import Model, PictureError
from model.learners import Head
from service.batching import Embedded, Embedder, Source
from service.errors import OtherWeights
from service.store import (
    ActiveHead,
    Decision,
    ExampleMatrix,
    Label,
    NotFound,
    ScoreRow,
    Store,
    new_ids,
)

THRESHOLD = 0.5
"""Of a category that has set none: the likelier of the two."""
UNSURE_BAND = 0.0
"""Half the width of the band around the threshold; 0 is never unsure."""
# Equal pictures differ by rounding alone (another batch, another device), and a repeated JPEG
# compression by more than this.
SAME_PICTURE = 0.9999
# Nothing that was learned from a few pictures is as sure as 0 or 1.
LEAST = 1e-6


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
    nearest: Mapping[Label, Nearest | None]
    seen_in_request: int
    seen_in_category: int


@dataclass(frozen=True)
class Failure:
    """A picture that has no score, and why. Its neighbours have theirs."""

    id: str | None
    error: Exception


@dataclass(frozen=True)
class _Question:
    index: int
    item: Item
    picture: Embedded
    head: ActiveHead
    examples: ExampleMatrix


class Scorer:
    """Answers scores for one model from one store."""

    def __init__(self, model: Model, store: Store, embedder: Embedder) -> None:
        self._model = model
        self._store = store
        self._embedder = embedder
        nothing = torch.zeros(0, model.learner.embedding_dim)
        self._base = model.learner.adapt(nothing, torch.zeros(0, dtype=torch.bool)).state

    async def score(self, tenant: str, items: Sequence[Item]) -> list[Score | Failure]:
        """Score items in order, and keep the scores for the teacher.

        Raises:
            Overloaded: too many pictures are waiting.
            StoreUnavailable: heads cannot be read, or scores cannot be kept.
        """
        named = await self._embedder.name([item.source for item in items])
        pictures = await self._embedder.embed(named)
        answers: list[Score | Failure | None] = [None] * len(items)
        asked = sorted(
            {
                item.category
                for item, picture in zip(items, pictures, strict=True)
                if isinstance(picture, Embedded)
            }
        )
        heads = await self._store.heads(tenant, asked)
        usable = [name for name in asked if self._belongs(heads[name])]
        found = await asyncio.gather(*(self._examples(tenant, heads[name]) for name in usable))
        examples = dict(zip(usable, found, strict=True))
        questions = []
        for index, (item, picture) in enumerate(zip(items, pictures, strict=True)):
            if isinstance(picture, PictureError):
                answers[index] = Failure(item.id, picture)
            elif item.category not in examples:
                answers[index] = Failure(item.id, _other_weights(item.category))
            else:
                head = heads[item.category]
                questions.append(_Question(index, item, picture, head, examples[item.category]))
        if questions:
            scores = await asyncio.to_thread(self._compute, questions)
            await self._store.record_scores(self._rows(tenant, questions, scores))
            for question, score in zip(questions, scores, strict=True):
                answers[question.index] = score
        return [answer for answer in answers if answer is not None]

    def _belongs(self, head: ActiveHead) -> bool:
        return head.state is None or head.model_sha256 == self._model.card.sha256

    async def _examples(self, tenant: str, head: ActiveHead) -> ExampleMatrix:
        if head.placeholder_count + head.real_count:
            try:
                return await self._store.nearest(tenant, head.category, head.version)
            except NotFound:
                pass  # deleted since its head was read: its evidence is gone with it
        return ExampleMatrix((), (), np.zeros((0, 0), np.float32))

    def _compute(self, questions: Sequence[_Question]) -> list[Score]:
        parsed: dict[str, torch.Tensor] = {}
        for question in questions:
            head = question.head
            if head.category not in parsed:
                parsed[head.category] = (
                    self._base if head.state is None else Head.from_bytes(head.state).state
                )
        states = torch.stack([parsed[question.head.category] for question in questions])
        vectors = np.stack([question.picture.embedding for question in questions])
        with torch.inference_mode():
            rows = self._model.learner.score_many(states, torch.from_numpy(vectors)).tolist()
        carried = Counter(question.picture.sha256 for question in questions)
        return [
            _score(question, score_id, row, carried[question.picture.sha256] - 1)
            for question, score_id, row in zip(
                questions, new_ids(len(questions)), rows, strict=True
            )
        ]

    def _rows(
        self, tenant: str, questions: Sequence[_Question], scores: Sequence[Score]
    ) -> list[ScoreRow]:
        now = datetime.now(UTC)
        return [
            ScoreRow(
                tenant=tenant,
                score_id=score.score_id,
                category=score.category,
                version=score.version,
                probability=score.probability,
                decision=score.decision,
                sha256=question.picture.sha256,
                embedding=question.picture.embedding.astype("<f2").tobytes(),
                created=now,
                model_sha256=self._model.card.sha256,
                width=question.picture.width,
                height=question.picture.height,
                format=question.picture.format,
                category_id=question.head.category_id,
            )
            for question, score in zip(questions, scores, strict=True)
        ]


def decide(probability: float, threshold: float, unsure_band: float) -> Decision:
    """``unsure`` strictly inside the band around the threshold, else the side it is on."""
    if abs(probability - threshold) < unsure_band:
        return "unsure"
    return "placeholder" if probability >= threshold else "real"


def _score(question: _Question, score_id: str, raw: float, others: int) -> Score:
    head = question.head
    probability = min(max(round(raw, 6), LEAST), 1 - LEAST)
    threshold = THRESHOLD if head.threshold is None else head.threshold
    band = UNSURE_BAND if head.unsure_band is None else head.unsure_band
    nearest, same = _neighbours(question.picture.embedding, question.examples)
    return Score(
        id=question.item.id,
        score_id=score_id,
        category=question.item.category,
        version=head.version,
        probability=probability,
        decision=decide(probability, threshold, band),
        threshold=threshold,
        unsure_band=band,
        nearest=nearest,
        seen_in_request=others,
        seen_in_category=same,
    )


def _neighbours(
    embedding: npt.NDArray[np.float32], examples: ExampleMatrix
) -> tuple[dict[Label, Nearest | None], int]:
    nearest: dict[Label, Nearest | None] = {"placeholder": None, "real": None}
    if not examples.ids:
        return nearest, 0
    # Rows of unit length: the product is the cosine.
    cosine = examples.embeddings @ embedding
    is_placeholder = examples.is_placeholder
    labels: tuple[tuple[Label, npt.NDArray[np.bool_]], ...] = (
        ("placeholder", is_placeholder),
        ("real", ~is_placeholder),
    )
    for label, mask in labels:
        if mask.any():
            best = int(np.where(mask, cosine, -np.inf).argmax())
            similarity = min(max(float(cosine[best]), -1.0), 1.0)
            nearest[label] = Nearest(examples.ids[best], round(similarity, 4))
    return nearest, int((cosine > SAME_PICTURE).sum())


def _other_weights(category: str) -> OtherWeights:
    return OtherWeights(
        f"category {category!r} learned under other weights than those that are loaded; upload "
        "its examples again, or delete it"
    )
