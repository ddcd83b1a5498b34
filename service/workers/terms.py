"""What a process that works is told when it begins."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

from model import images
from service.settings import Settings


@dataclass(frozen=True)
class Terms:
    """How much a picture may cost, and whose weights compute it.

    Attributes:
        max_bytes, max_pixels: see :class:`model.images.Limits`.
        computes: whether it makes passes, too; else it decodes and needs no weights.
        weights: path of the card; None for those that are shipped.
        engine, precision: see :func:`model.load`.
        batch: pictures of a pass, at most.
        wait: seconds that a picture which is decoded waits for others.
    """

    max_bytes: int
    max_pixels: int
    computes: bool = False
    weights: str | None = None
    engine: Literal["auto", "torch", "onnxruntime"] = "auto"
    precision: Literal["auto", "float", "int8"] = "auto"
    batch: int = 16
    wait: float = 0.0

    @property
    def limits(self) -> images.Limits:
        """How much one picture may cost."""
        return images.Limits(self.max_bytes, self.max_pixels)

    def to_json(self) -> str:
        """As :meth:`from_json` reads it."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Terms:
        """What :meth:`to_json` wrote."""
        return Terms(**json.loads(text))


def decoding(limits: images.Limits) -> Terms:
    """Of a process that decodes and no more."""
    return Terms(limits.max_bytes, limits.max_pixels)


def computing(settings: Settings, limits: images.Limits, batch: int, wait: float) -> Terms:
    """Of a process that does all of a picture on the CPU."""
    return Terms(
        limits.max_bytes,
        limits.max_pixels,
        computes=True,
        weights=None if settings.weights is None else str(settings.weights),
        engine=settings.engine,
        precision=settings.precision,
        batch=batch,
        wait=wait,
    )
