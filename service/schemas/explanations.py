"""Pictures for people, and what they are drawn from."""

from __future__ import annotations

import base64
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from model import Card
from model.experts import ExpertName
from service.explaining import Explained
from service.schemas.base import CategoryName, Out, PictureIn
from service.schemas.model import ModelName
from service.schemas.scores import Expert

Rows = list[list[float]]


class ExplainIn(PictureIn):
    """One picture to explain, as JSON."""

    category: CategoryName | None = Field(
        None, description="Needed where the query names no category."
    )


class ExplanationOut(Out):
    """What an answer about one picture rests on."""

    model: ModelName
    category: str
    version: int
    probability: float = Field(gt=0, lt=1, description="As a score of this picture would say.")
    decision: Literal["placeholder", "real", "unsure"]
    threshold: float
    experts: dict[ExpertName, Expert] = Field(
        description="Those that were asked and had something to say, as in a score."
    )
    visual: Rows = Field(
        description="Log odds by place, rows from the top, over the square that the picture is "
        "fitted into: above 0 towards placeholder, below towards real. Where `experts` has no "
        "`visual`, what it would have said."
    )
    visual_constant: float = Field(
        description="With the sum over places, the log odds of the visual expert."
    )
    words: Rows | None = Field(
        description="Where the reader of words looked, over the same square; sums to 1. null where "
        "there is no lettering."
    )
    text: str | None = Field(
        description="Words read in the picture, lines from the top; null where none were read, or "
        "nobody reads."
    )
    image: str = Field(
        description="The picture in grey with `visual` over it, orange towards placeholder, blue "
        "towards real: WebP, base64."
    )

    @classmethod
    def of(cls, found: Explained, card: Card) -> ExplanationOut:
        """As it goes out."""
        why = found.explanation
        return cls(
            model=ModelName(name=card.name, version=card.version, sha256=card.sha256),
            category=found.category,
            version=found.version,
            probability=found.probability,
            decision=found.decision,
            threshold=found.threshold,
            experts=Expert.each(why.experts),
            visual=_rows(why.visual),
            visual_constant=round(why.constant, 6),
            words=None if why.words is None else _rows(why.words),
            text=found.text,
            image=base64.b64encode(found.picture).decode(),
        )


def _rows(places: npt.NDArray[np.float32]) -> Rows:
    return [[round(value, 6) for value in row] for row in places.tolist()]
