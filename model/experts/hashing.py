"""A 64-bit fingerprint of how a picture looks: the same through re-encoding and scaling.

The perceptual hash of Zauner (2010, "Implementation and benchmarking of perceptual image hash
functions", 3.2.1), in the form that ImageHash and imagededup made common: 32 x 32 levels of
brightness, the 8 x 8 lowest frequencies of their cosine transform, a bit for each that is clearly
above their median. So it is blind to colour, and to whatever is small.

A plain tile has no frequencies, only noise: bits taken from it would be chance, and any two tiles
would be as far from each other as any two pictures. Its hash is its mean colour instead, marked by
bits that no other hash can have, and :func:`distance` compares colours there.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8, UInt64

from model.experts.area import check_sizes, own_area
from model.experts.counting import GRID, Counts, count

UNRELATED = 32
"""Bits between two pictures that have nothing in common: half of them, by chance."""

_LOW = 8
# Levels: the standard deviation of brightness, at 32 x 32, below which a picture is a plain tile.
# Compression leaves 0.5 on a plain tile; a faint pale grey emblem on white makes 2 and more.
_PLAIN = 1.5
# A frequency this little above the median, in levels summed over 32 x 32, counts as not above it.
# Half the frequencies of a picture that is its own mirror image are 0, and so is their median: bits
# of them would be the noise of compression, and stand-ins are symmetric. (Of degraded stand-ins,
# 65 % are found within 8 bits instead of 59 %, and unrelated pictures as seldom as before.)
_CLEAR = 16.0
# A median of 64 values has at most 32 of them above it, so 40 bits set mark a plain tile.
_MARK = np.uint64(0xFFFF_FFFF_FF00_0000)
_PLACE = np.uint64(1) << np.arange(63, -1, -1, dtype=np.uint64)


def perceptual_hash(
    pixels: UInt8[np.ndarray, "n size size 3"], sizes: Integer[np.ndarray, "m 2"]
) -> UInt64[np.ndarray, " n"]:
    """The hash of each picture: of its own area, without the bars of the letterbox.

    Args:
        pixels: letterboxed as :func:`model.images.decode` gives them.
        sizes: original width and height in pixels, upright, each at least 1.
    Returns:
        The highest bit is the mean brightness, then frequencies row by row. Of a plain tile: 40
        bits set, then 8 bits each of mean red, green and blue. Compare with :func:`distance`.
    Raises:
        SupportError: the numbers of pictures and sizes differ, or a size is below 1.
    """
    check_sizes(pixels, sizes)
    found = np.zeros(len(pixels), np.uint64)
    for i, (square, (width, height)) in enumerate(zip(pixels, sizes.tolist(), strict=True)):
        found[i] = hash_of(count(own_area(square, width, height)))
    return found


def distance(a: UInt64[np.ndarray, ...], b: UInt64[np.ndarray, ...]) -> UInt8[np.ndarray, ...]:
    """How many of 64 bits differ; the shapes broadcast, ``distance(a[:, None], b)`` is a table.

    Two plain tiles: twice the greatest difference of a channel in levels, at most 64. A plain tile
    and another picture: :data:`UNRELATED`. Symmetric, and 0 to itself.
    """
    bits = np.bitwise_count(a ^ b)
    plain_a, plain_b = is_plain(a), is_plain(b)
    if not (plain_a.any() or plain_b.any()):
        return np.asarray(bits, np.uint8)
    gap = np.zeros(bits.shape, np.int64)
    for shift in (np.uint64(16), np.uint64(8), np.uint64(0)):
        channel = [((each >> shift) & np.uint64(255)).astype(np.int64) for each in (a, b)]
        np.maximum(gap, np.abs(channel[0] - channel[1]), out=gap)
    bits = np.where(plain_a & plain_b, np.minimum(2 * gap, 64), bits)
    return np.where(plain_a ^ plain_b, UNRELATED, bits).astype(np.uint8)


def is_plain(hashes: UInt64[np.ndarray, ...]) -> Bool[np.ndarray, ...]:
    """Whether a hash is that of a plain tile, and holds its colour."""
    found: np.ndarray = hashes >= _MARK
    return found


def hash_of(counts: Counts) -> np.uint64:
    """The hash of one picture; see :func:`perceptual_hash`."""
    area, cells = counts.height * counts.width, GRID * GRID
    grid = counts.grid
    # Exact, so that no tile is plain on one machine alone.
    spread = cells * int((grid * grid).sum()) - int(grid.sum()) ** 2
    if math.sqrt(spread) < _PLAIN * cells * area:
        red, green, blue = (round(each / area) for each in (counts.red, counts.green, counts.blue))
        return _MARK | np.uint64(red << 16 | green << 8 | blue)
    frequencies = (_cosines() @ (grid / area) @ _cosines().T).ravel()
    ordered = np.sort(frequencies)
    median = (ordered[len(ordered) // 2 - 1] + ordered[len(ordered) // 2]) / 2
    return np.uint64(np.bitwise_or.reduce(_PLACE[frequencies > median + _CLEAR]))


@lru_cache(maxsize=1)
def _cosines() -> Float[np.ndarray, "low side"]:
    """The eight lowest rows of the cosine transform, DCT-II, without its scale."""
    angle = np.pi / GRID * np.outer(np.arange(_LOW), np.arange(GRID) + 0.5)
    found: np.ndarray = np.cos(angle)
    return found
