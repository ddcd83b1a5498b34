"""Whether the service lives and is ready."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from service.schemas.base import Out


class Alive(Out):
    """The process lives."""

    status: Literal["alive"] = "alive"


class Ready(Out):
    """Weights are loaded and the store answers."""

    status: Literal["ready"] = "ready"
    model: str
    stale_examples: int = Field(
        description="Examples learned under other weights; their categories are not scored until "
        "the pictures are uploaded again."
    )
