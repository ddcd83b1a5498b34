"""The base model."""

from __future__ import annotations

from service.schemas.base import Out


class ModelName(Out):
    """Which base model answered."""

    name: str
    version: str
    sha256: str


class ModelOut(Out):
    """The base model in force."""

    name: str
    version: str
    sha256: str
    backbone: str
    learner: str
    image_size: int
    embedding_dim: int
    device: str
    precision: str
    engine: str
