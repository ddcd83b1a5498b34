"""From milliseconds, embeddings and probabilities to the figures of docs/decoding.md."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from model.reports.figures import Figures


def speed(spent: Mapping[str, NDArray[np.float64]], reference: str) -> dict[str, Figures]:
    """CPU milliseconds a picture, and how many times as fast as the reference in the same round.

    Args:
        spent: shape (n, rounds) by way, milliseconds.

    Returns:
        By way, ``ms`` (median over pictures and rounds) and ``ratio`` (median and quartiles).
    """
    found = {}
    for name, mine in spent.items():
        low, middle, high = np.quantile(spent[reference] / mine, (0.25, 0.5, 0.75))
        ratio = {"estimate": float(middle), "low": float(low), "high": float(high)}
        found[name] = {"ms": float(np.median(mine)), "ratio": ratio}
    return found


def drift(
    embeddings: NDArray[np.float32],
    probabilities: NDArray[np.float64],
    embeddings_before: NDArray[np.float32],
    probabilities_before: NDArray[np.float64],
) -> Figures:
    """How far the same n pictures moved, decoded otherwise.

    Args:
        embeddings, embeddings_before: shape (n, d), rows of unit length.
        probabilities, probabilities_before: shape (n,).

    Returns:
        ``cosine`` (mean, min), ``same_neighbour`` (share of pictures whose nearest among the
        others, all decoded in the same way, is the same picture), ``probability`` (mean and
        greatest absolute change) and ``crossed`` (share of pictures that changed sides of 0.5).
    """
    cosines = (embeddings * embeddings_before).sum(1)
    moved = np.abs(probabilities - probabilities_before)
    crossed = (probabilities >= 0.5) != (probabilities_before >= 0.5)
    same = _nearest(embeddings) == _nearest(embeddings_before)
    return {
        "cosine": {"mean": float(cosines.mean()), "min": float(cosines.min())},
        "same_neighbour": float(same.mean()),
        "probability": {"mean": float(moved.mean()), "max": float(moved.max())},
        "crossed": float(crossed.mean()),
    }


def _nearest(embeddings: NDArray[np.float32]) -> NDArray[np.int64]:
    """Of each row, which other row is most like it."""
    likeness = embeddings.astype(np.float64) @ embeddings.astype(np.float64).T
    np.fill_diagonal(likeness, -np.inf)
    nearest: NDArray[np.int64] = likeness.argmax(1)
    return nearest
