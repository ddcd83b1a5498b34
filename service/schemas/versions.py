"""The history of a category."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from service import store
from service.schemas.base import ExampleCounts, In, Out, Quality


class VersionOut(Out):
    """One entry of a category's history."""

    number: int
    created: datetime
    examples: ExampleCounts
    cause: Literal["base", "examples", "feedback", "rollback", "guesses", "guard"] = Field(
        description="`guesses`: the category labelled pictures itself, which only happens where "
        "that is switched on. `guard`: the teacher's words spoke against them, and all were "
        "removed."
    )
    quality: Quality | None
    active: bool
    source_version: int | None = Field(
        description="Of a rollback: the version whose examples are in force again."
    )

    @classmethod
    def of(cls, version: store.Version) -> VersionOut:
        """As the store has it."""
        quality: Any = version.quality
        return cls(
            number=version.number,
            created=version.created,
            examples=ExampleCounts(placeholder=version.placeholder_count, real=version.real_count),
            cause=version.cause,
            quality=None if quality is None else Quality(**quality),
            active=version.active,
            source_version=version.source_version,
        )


class VersionList(Out):
    """The history, newest first."""

    items: list[VersionOut]


class Nothing(In):
    """An operation that takes no fields."""
