"""What the experts that cost nothing see of a picture, beside its decoding.

Imports neither torch nor a network.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, UInt8

from model.experts.area import own_area
from model.experts.counting import count
from model.experts.hashing import hash_of
from model.experts.statistics import STATISTICS, statistics_of


@dataclass(frozen=True, eq=False)
class Look:
    """A decoded picture, and what the experts that cost nothing saw in it.

    Attributes:
        pixels: shape (size, size, 3), letterboxed.
        statistics: in the order of ``model.experts.statistics.STATISTICS``.
        hash: the perceptual hash.
    """

    pixels: UInt8[np.ndarray, "size size 3"] = field(repr=False)
    statistics: Float32[np.ndarray, " s"] = field(repr=False)
    hash: np.uint64


def look_at(pixels: UInt8[np.ndarray, "size size 3"], width: int, height: int) -> Look:
    """Look at one picture.

    Args:
        pixels: letterboxed as :func:`model.images.decode` gives them.
        width, height: of the original.
    """
    counts = count(own_area(pixels, width, height))
    return Look(pixels, statistics_of(counts, width, height), hash_of(counts))


def unseen(pixels: UInt8[np.ndarray, "size size 3"]) -> Look:
    """A picture that no expert but the encoder will look at."""
    return Look(pixels, np.zeros(len(STATISTICS), np.float32), np.uint64(0))
