"""Uploads, and the examples that became of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field

from service import problems, store
from service.schemas.base import ExampleCounts, In, Label, Out, PictureIn, ProblemOut, Quality


class ExampleIn(PictureIn):
    """One labelled picture."""

    label: Label


class ExamplesIn(In):
    """An upload as JSON."""

    examples: list[ExampleIn] = Field(min_length=1)


class Rejected(Out):
    """A picture of an upload that was not taken; `index` counts from 0 in order of appearance."""

    index: int
    error: ProblemOut


class AdaptationOut(Out):
    """What an upload did. It is durable and in force."""

    category: str
    version: int
    examples: ExampleCounts
    added: int
    relabelled: int
    unchanged: int
    rejected: list[Rejected]
    quality: Quality | None = Field(description="null with fewer than two examples of a label.")
    took_ms: float


class ExampleSize(Out):
    """Pixels of the original, after EXIF orientation."""

    width: int
    height: int


class ExampleOut(Out):
    """One example."""

    id: str
    label: Label
    sha256: str
    size: ExampleSize
    format: str
    created: datetime
    origin: Literal["upload", "teacher", "guess"] = Field(
        description="`teacher`: from feedback on a score. `guess`: a sure score that nobody "
        "spoke about. Of neither is there a thumbnail."
    )

    @classmethod
    def of(cls, example: store.Example) -> ExampleOut:
        """As the store has it."""
        return cls(
            id=example.id,
            label=example.label,
            sha256=example.sha256,
            size=ExampleSize(width=example.width, height=example.height),
            format=example.format,
            created=example.created,
            origin=example.origin,
        )


class ExamplePage(Out):
    """Examples, oldest first. `next_cursor` is null on the last page."""

    items: list[ExampleOut]
    next_cursor: str | None


class LabelIn(In):
    """The other label."""

    label: Label


def rejected_of(rejected: Sequence[tuple[int, Exception]]) -> list[Rejected]:
    """``rejected`` of an upload as it goes out."""
    return [Rejected(**each) for each in problems.rejections(rejected)]
