"""Sure answers that nobody denied become examples (pseudo-labels), where that is switched on.

What is committed follows from what the store holds and from the clock alone. A run that dies has
done some categories and not the others; two at once cannot do one twice, since each names the
version that it saw.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
import numpy.typing as npt

from model import Model
from model.questions import Question
from model.teacher.candidates import answer
from model.teacher.guesses import Guessing
from service.knowledge import Knowledge
from service.learning import Fitter
from service.lookup import Found, Lookup
from service.metrics import Metrics
from service.scoring import SAME_PICTURE, judge
from service.store import (
    Label,
    NewExample,
    NotFound,
    ScoreRow,
    StaleEmbeddings,
    StaleVersion,
    Standing,
    Store,
    Undenied,
    example_of,
)

log = logging.getLogger("standin.guesses")
PAGE = 2000
"""Scores a query."""


def tell_undone(category: str, undone: int, metrics: Metrics) -> None:
    """Tell the operator where the teacher's words undid guesses."""
    if undone:
        metrics.guesses.labels("undone").inc(undone)
        log.warning(
            "category %r: its teacher's words spoke against the labels that it gave itself; all "
            "%d were removed",
            category,
            undone,
        )


def room(standing: Standing, guessing: Guessing) -> dict[Label, int]:
    """How many guesses of each label a category may still take.

    Never more than its teacher's own examples of that label, so that they cannot outvote them.
    """
    none: dict[Label, int] = {"placeholder": 0, "real": 0}
    own, guessed = standing.taught, standing.guessed
    if not (own.placeholder and own.real) or own.placeholder + own.real < guessing.words:
        return none
    if standing.words_since_guard is not None and standing.words_since_guard < guessing.pause:
        return none
    return {
        "placeholder": max(0, min(guessing.most, own.placeholder) - guessed.placeholder),
        "real": max(0, min(guessing.most, own.real) - guessed.real),
    }


@dataclass(frozen=True)
class Guesser:
    """Looks through the kept scores of every tenant for what may become an example.

    Attributes:
        after: how long a teacher has to deny a score.
    """

    model: Model
    knowledge: Knowledge
    lookup: Lookup
    store: Store
    fitter: Fitter
    metrics: Metrics
    after: timedelta
    guessing: Guessing = Guessing()  # noqa: RUF009 -- frozen

    async def run(self, now: datetime) -> int:
        """Look once; how many pictures became examples. A category takes one version a run.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        taken: dict[tuple[str, str], int] = {}
        last: Undenied | None = None
        while True:
            before, sure = now - self.after, self.guessing.sure
            page = await self.store.undenied(before, sure, last, PAGE)
            ordered = sorted(page, key=_category)  # stable: of each category the oldest first
            for (tenant, name), mine in groupby(ordered, _category):
                if not taken.get((tenant, name)):
                    ids = [one.score_id for one in mine]
                    taken[tenant, name] = await self._guess(tenant, name, ids)
            if len(page) < PAGE:
                return sum(taken.values())
            last = page[-1]

    async def _guess(self, tenant: str, name: str, score_ids: Sequence[str]) -> int:
        try:
            standing = await self.store.standing(tenant, name)
            if not any(room(standing, self.guessing).values()):
                return 0
            found = await self.lookup.find(tenant, [name])
            head = found.heads[name]
            if head.etag != standing.etag or name not in found.categories:
                return 0  # it changed just now, or learned under other weights
            kept = await self.store.scores(tenant, score_ids)
            rows = [
                row
                for row in (kept.get(score_id) for score_id in score_ids)
                if row is not None
                and row.model_sha256 == self.model.card.sha256
                and row.category_id == head.category_id
            ]
            chosen = await asyncio.to_thread(self._chosen, rows, found, name, standing)
            if not chosen:
                return 0
            change = await self.store.change_examples(
                tenant, name, chosen, self.fitter, only_if=standing.etag, cause="guesses"
            )
        except (StaleVersion, StaleEmbeddings, NotFound) as error:
            log.info("category %r took no guesses: %s", name, error)
            return 0
        self.metrics.guesses.labels("taken").inc(change.added)
        log.info("category %r labelled %d pictures itself", name, change.added)
        return change.added

    def _chosen(
        self, rows: Sequence[ScoreRow], found: Found, name: str, standing: Standing
    ) -> list[NewExample]:
        """The scores that are as sure now as they were, oldest first, as far as there is room."""
        left = room(standing, self.guessing)
        said = [(row, _sure(row.probability, row.decision, self.guessing.sure)) for row in rows]
        wanted = [
            new
            for row, label in said
            if label is not None and (new := example_of(row, label, "guess")) is not None
        ]
        now = self._said_now(wanted, found, name)
        chosen: list[NewExample] = []
        seen = found.examples[name].embeddings
        for new, label in zip(wanted, now, strict=True):
            known = any(new.sha256 == one.sha256 for one in chosen) or _shows(new, seen)
            if label == new.label and left[label] and not known:
                left[label] -= 1
                chosen.append(new)
                seen = np.concatenate([seen.reshape(-1, len(new.embedding)), new.embedding[None]])
        return chosen

    def _said_now(
        self, pictures: Sequence[NewExample], found: Found, name: str
    ) -> list[Label | None]:
        """What the category in force is sure of: it may have learned since the score was given."""
        if not pictures:
            return []
        category, head = found.categories[name], found.heads[name]
        embeddings = np.stack([one.embedding for one in pictures])
        signals = self.knowledge.as_seen(embeddings, [one.signals for one in pictures])
        answers = answer(
            self.model.ensemble,
            signals,
            [category.known],
            [category.lessons],
            [category.online],
            [Question(row, 0) for row in range(len(pictures))],
        )
        band = self.lookup.band(head, category)
        judged = [judge(raw, head, band) for raw in answers.probability.tolist()]
        return [_sure(p, decision, self.guessing.sure) for p, _, decision in judged]


def _category(score: Undenied) -> tuple[str, str]:
    return score.tenant, score.category


def _sure(probability: float, decision: str, sure: float) -> Label | None:
    """The label of an answer that is sure of it, and says so by the category's own threshold."""
    label: Label = "placeholder" if probability > 0.5 else "real"
    return label if max(probability, 1 - probability) >= sure and decision == label else None


def _shows(picture: NewExample, seen: npt.NDArray[np.float32]) -> bool:
    """Whether an example shows the same picture, saved again."""
    return bool(seen.size) and bool((seen @ picture.embedding > SAME_PICTURE).any())
