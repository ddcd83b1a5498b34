"""A picture's own pixels within its letterbox, and arithmetic on bytes without leaving bytes.

Shared by the experts that count and hash: at 224 x 224, a pass over bytes takes microseconds
and a pass over floats ten times as long.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Integer, UInt8

from model.errors import SupportError


def check_sizes(
    pixels: UInt8[np.ndarray, "n size size 3"], sizes: Integer[np.ndarray, "m 2"]
) -> None:
    """Refuse sizes that cannot belong to the pictures.

    Raises:
        SupportError: the numbers of pictures and sizes differ, or a size is below 1.
    """
    if len(pixels) != len(sizes):
        raise SupportError(f"a size for each picture is needed: {len(pixels)} and {len(sizes)}")
    if len(sizes) and sizes.min() < 1:
        raise SupportError(f"widths and heights are at least 1, got {sizes.min()}")


def own_area(
    square: UInt8[np.ndarray, "size size 3"], width: int, height: int
) -> UInt8[np.ndarray, "h w 3"]:
    """The part of a letterboxed square that is picture, a view.

    A decoder that shrinks may round the shorter side differently by one pixel, so a line at each
    bar is left out, unless hardly anything would be left.
    """
    size = len(square)
    scale = size / max(width, height)
    across, down = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (size - across) // 2, (size - down) // 2
    dx, dy = int(4 < across < size), int(4 < down < size)
    return square[top + dy : top + down - dy, left + dx : left + across - dx]


def mean_of(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of two arrays of bytes, rounded up, without leaving bytes: 16 at a time in a register."""
    found: np.ndarray = (a | b) - ((a ^ b) >> 1)
    return found


def luma_of(planes: UInt8[np.ndarray, "3 h w"]) -> UInt8[np.ndarray, "h w"]:
    """Brightness, R/4 + G/2 + B/4 (that of YCoCg, Malvar and Sullivan 2003); grey stays itself."""
    return mean_of(mean_of(planes[0], planes[2]), planes[1])


def halved(x: UInt8[np.ndarray, "... h w"]) -> UInt8[np.ndarray, "... h2 w2"]:
    """Half the width and height, means of 2 x 2, rounded up as :func:`mean_of`; an odd last row or
    column is left out."""
    h, w = x.shape[-2] // 2 * 2, x.shape[-1] // 2 * 2
    rows = np.ascontiguousarray(mean_of(x[..., 0:h:2, :w], x[..., 1:h:2, :w]))
    # Neighbours of a row as one number of 16 bits: every other byte would be read one at a time.
    pairs = rows.view(np.uint16)
    sums = pairs & np.uint16(255)
    sums += pairs >> np.uint16(8)
    sums += np.uint16(1)
    sums >>= np.uint16(1)
    return sums.astype(np.uint8)


def gap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a - b| of bytes, in bytes."""
    found: np.ndarray = np.maximum(a, b) - np.minimum(a, b)
    return found
