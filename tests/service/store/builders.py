"""Pictures and adaptations for the store's tests: everything follows from a number."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from service.store import (
    Adaptation,
    AdaptFn,
    Label,
    NewExample,
    ScoreRow,
    StoreOptions,
    Support,
    new_id,
)
from service.store.embeddings import unpack_half

DIM = 16
MODEL = "a" * 64
OTHER_MODEL = "b" * 64
# On a busy machine a rival may hold the write lock for seconds; no test is about how fast it is.
PATIENT = StoreOptions(busy_timeout=timedelta(minutes=2))


def sha(number: int) -> str:
    return hashlib.sha256(f"picture {number}".encode()).hexdigest()


def embedding(number: int, dim: int = DIM) -> np.ndarray:
    return np.random.default_rng(number).standard_normal(dim).astype(np.float32)


def halved(number: int, dim: int = DIM) -> np.ndarray:
    """The same embedding as a score brings it back: kept as float16, then of unit length."""
    return unpack_half(embedding(number, dim).astype("<f2").tobytes())


def thumbnail(number: int) -> bytes:
    return f"webp {number}".encode() * 50


def picture(
    number: int, label: Label = "real", *, dim: int = DIM, model_sha256: str = ""
) -> NewExample:
    return NewExample(
        label=label,
        sha256=sha(number),
        width=100 + number,
        height=80,
        format="JPEG",
        embedding=embedding(number, dim),
        thumbnail=thumbnail(number),
        model_sha256=model_sha256,
    )


def score(number: int, category: str = "shoes", tenant: str = "t", **given: Any) -> ScoreRow:
    """A score of a picture, as this release keeps it."""
    fields: dict[str, Any] = {
        "score_id": new_id(),
        "version": 0,
        "probability": 0.75,
        "decision": "placeholder",
        "sha256": sha(number),
        "embedding": embedding(number).astype("<f2").tobytes(),
        "created": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "model_sha256": MODEL,
        "width": 100 + number,
        "height": 80,
        "format": "JPEG",
    }
    return ScoreRow(tenant=tenant, category=category, **(fields | given))


def digest(embeddings: np.ndarray, is_placeholder: np.ndarray) -> bytes:
    """Of a labelled set, whatever its order."""
    rows = sorted(
        row.astype("<f4").tobytes() + bytes([flag])
        for row, flag in zip(embeddings, is_placeholder.tolist(), strict=True)
    )
    return hashlib.sha256(b"".join(rows)).digest()


def digest_of(labels: Mapping[int, str], scored: Container[int] = ()) -> bytes:
    """The same, from picture numbers and labels; those ``scored`` came by way of a score."""
    numbers = list(labels)
    return digest(
        np.array(
            [halved(number) if number in scored else embedding(number) for number in numbers]
        ).reshape(len(numbers), DIM),
        np.array([labels[number] == "placeholder" for number in numbers], np.bool_),
    )


def adapt(support: Support) -> Adaptation:
    """A learner whose state tells exactly which set it was given."""
    embeddings, is_placeholder = support.embeddings, support.is_placeholder
    assert embeddings.dtype == np.float32
    assert embeddings.ndim == 2
    assert is_placeholder.dtype == np.bool_
    assert is_placeholder.shape == embeddings.shape[:1]
    assert len(support.signals) == len(embeddings)
    return Adaptation(
        state=digest(embeddings, is_placeholder),
        learner="digest",
        model_sha256=MODEL,
        quality={"examples": len(embeddings)},
    )


def adapt_with(model_sha256: str) -> AdaptFn:
    def adapt_other(support: Support) -> Adaptation:
        state = digest(support.embeddings, support.is_placeholder)
        return Adaptation(state, "digest", model_sha256, None)

    return adapt_other
