"""Which of many pictures look alike: a check that a generator does not repeat itself.

Two pictures are alike if a person shown both would call them the same design: letterboxed to one
size, fewer than one pixel in a thousand differs by more than a few levels. All pairs are sifted at
16, then at 64 pixels; only what is close there is compared at the full size.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = 224  # what the encoder sees
_LEVELS = 8.0  # of 255: a difference that is seen side by side
_SHARE = 0.001  # of the pixels: 50 of 224 x 224
_COARSE, _FINE = 16, 64
_BLOCK = 512


def boxed(picture: Image.Image, size: int) -> NDArray[np.uint8]:
    """The picture on mid-grey, its longer side ``size``: shape (size, size, 3)."""
    scale = size / max(picture.size)
    small = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    fitted = picture.convert("RGB").resize(small, Image.Resampling.BOX if scale < 1 else 2)
    out = Image.new("RGB", (size, size), (128, 128, 128))
    out.paste(fitted, ((size - small[0]) // 2, (size - small[1]) // 2))
    return np.asarray(out)


def look_alike(a: Image.Image, b: Image.Image) -> bool:
    """Whether two pictures look the same; see the module's text."""
    first, second = (boxed(p, SIZE).astype(np.int16) for p in (a, b))
    differs = np.abs(first - second).max(axis=2) > _LEVELS
    return bool(differs.mean() < _SHARE)


def alike_pairs(count: int, picture: Callable[[int], Image.Image]) -> list[tuple[int, int]]:
    """Every pair of pictures, of numbers below ``count``, that look alike.

    Args:
        count: how many pictures.
        picture: gives the picture of a number, the same at every call: few are kept in memory.
    Returns:
        Pairs of numbers, the smaller first, sorted.
    """
    coarse = np.empty((count, _COARSE * _COARSE * 3), np.float32)
    fine = np.empty((count, _FINE * _FINE * 3), np.uint8)
    for i in range(count):
        drawn = picture(i)
        coarse[i] = boxed(drawn, _COARSE).ravel()
        fine[i] = boxed(drawn, _FINE).ravel()
    return [
        (i, j)
        for i, j in _close(coarse)
        if _agree(fine[i], fine[j]) and look_alike(picture(i), picture(j))
    ]


def _close(coarse: NDArray[np.float32]) -> Sequence[tuple[int, int]]:
    """Pairs whose root mean square difference is under three levels at the coarse size.

    Alike pictures differ by less than 8 levels nearly everywhere: what is dropped here could at
    most be two pictures that differ a little all over.
    """
    limit = 9.0 * coarse.shape[1]
    squares = np.einsum("ij,ij->i", coarse, coarse)
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(coarse), _BLOCK):
        block = coarse[start : start + _BLOCK]
        distance = squares[start : start + _BLOCK, None] + squares - 2 * block @ coarse.T
        for i, j in np.argwhere(distance < limit):
            if start + i < j:
                pairs.append((int(start + i), int(j)))
    return pairs


def _agree(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    """Whether hardly anything differs at the middle size."""
    differs = np.abs(a.astype(np.int16) - b.astype(np.int16)) > _LEVELS
    return bool(differs.mean() < 4 * _SHARE)
