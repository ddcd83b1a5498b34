"""From names of categories to what scoring needs of them, read from the store as they are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model import Model
from service.errors import OtherWeights
from service.knowledge import Category, Knowledge
from service.store import ActiveHead, ExampleMatrix, Store


@dataclass(frozen=True)
class Found:
    """Categories by name. One whose head belongs to other weights has a head and nothing else."""

    heads: Mapping[str, ActiveHead]
    examples: Mapping[str, ExampleMatrix]
    categories: Mapping[str, Category]


class Lookup:
    """Reads categories for one model from one store."""

    def __init__(self, model: Model, knowledge: Knowledge, store: Store) -> None:
        self._model = model
        self._knowledge = knowledge
        self._store = store

    async def find(self, tenant: str, names: Sequence[str]) -> Found:
        """Heads, examples and knowledge of each name; one that nobody named is the base model.

        Raises:
            StoreUnavailable: they cannot be read.
        """
        heads = await self._store.heads(tenant, names)
        usable = [name for name in names if self._belongs(heads[name])]
        kept = {name: self._store.cached_examples(heads[name]) for name in usable}
        examples = {name: matrix for name, matrix in kept.items() if matrix is not None}
        missing = [name for name in usable if name not in examples]
        if missing:
            rows = await self._store.examples_of([heads[name] for name in missing])
            examples |= zip(missing, rows, strict=True)
        categories = {
            name: self._knowledge.category(heads[name], examples[name]) for name in usable
        }
        return Found(heads, examples, categories)

    def band(self, head: ActiveHead, category: Category) -> float:
        """Half the width of the band of ``unsure``: as it was set; where neither it nor a threshold
        was, from the guarantee (``model.metalearner.conformal``); else 0, which is never."""
        if head.unsure_band is not None:
            return head.unsure_band
        if head.threshold is not None:
            return 0.0
        return 0.5 - self._model.ensemble.unsure_below(*category.counts)

    def _belongs(self, head: ActiveHead) -> bool:
        return head.state is None or head.model_sha256 == self._model.card.sha256


def other_weights(category: str) -> OtherWeights:
    """What is answered for a category whose head belongs to other weights."""
    return OtherWeights(
        f"category {category!r} learned under other weights than those that are loaded; upload "
        "its examples again, or delete it"
    )
