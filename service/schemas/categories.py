"""Categories as they come and go."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from service import store
from service.schemas.base import ExampleCounts, In, Out, Title
from service.scoring import THRESHOLD


class CategoryIn(In):
    """What may be set of a category. A field left out stays; null sets it back to the default."""

    title: Title | None = None
    threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        strict=False,
        description=f"Least probability that is a placeholder; {THRESHOLD} where never set.",
    )
    unsure_band: float | None = Field(
        None,
        ge=0,
        le=0.5,
        allow_inf_nan=False,
        strict=False,
        description="Half the width of the band around the threshold in which the decision is "
        "`unsure`. Never set: 0, which is never, beside a threshold; else from a guarantee.",
    )


class CategoryOut(Out):
    """One category."""

    name: str
    title: str | None
    threshold: float
    unsure_band: float | None = Field(
        description="null where neither it nor a threshold was set: it follows from a guarantee."
    )
    version: int
    examples: ExampleCounts
    created: datetime
    updated: datetime

    @classmethod
    def of(cls, category: store.Category) -> CategoryOut:
        """As the store has it, defaults filled in."""
        band = category.unsure_band
        return cls(
            name=category.name,
            title=category.title,
            threshold=THRESHOLD if category.threshold is None else category.threshold,
            unsure_band=0.0 if band is None and category.threshold is not None else band,
            version=category.version,
            examples=ExampleCounts(
                placeholder=category.placeholder_count, real=category.real_count
            ),
            created=category.created,
            updated=category.updated,
        )


class CategoryPage(Out):
    """Categories in the order of their names. `next_cursor` is null on the last page."""

    items: list[CategoryOut]
    next_cursor: str | None
