"""What is counted in one picture, in whole numbers: all that its statistics are made of.

There are two ways to count, which agree to the last bit: with NumPy, here, and in C
(``counting.c``, by way of ``compiled.py``), in a fraction of the time, where a compiler was at hand
when the package was installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from model.experts import compiled
from model.experts.area import gap, halved, luma_of

NEAR = 16
"""Levels: two colours that nobody tells apart beside lossy compression."""
APART = 24
"""Levels: what stands out from its ground."""
LEAST = 16
"""Pixels: of a side, so that it has blocks and a coarse scale; a sliver is widened."""
GRID = 32
"""Cells of a side."""


@dataclass(frozen=True, eq=False, slots=True)
class Counts:
    """What is in a picture's own area, and in smaller copies of it: the *half*, all of it at half
    the side, and the *quarter*, its brightness at a quarter.

    Histograms have 256 levels. A step is the absolute difference of two neighbours, a turn a pair
    of neighbours of which one belongs to the figure: what stands out from the *ground*, the median
    colour of the half's border.

    Attributes:
        height, width: of the area, in pixels.
        red, green, blue: sums over the area, as it came.
        grid: of each cell of :data:`GRID` x ``GRID`` over the area, as it came, the sum of the
            brightness under it, each pixel by its overlap; a cell's own weight is height x width.
        levels: the half's brightness: beside the figure, and inside it.
        saturation: of the half, the greatest channel minus the least.
        colours: how often each colour of 32 levels a channel is in the half, most often first.
        still, faint, shaded, edged: steps of brightness below 1, 4, 16 and 64.
        across, down: sums of steps, horizontal and vertical.
        ranges: greatest brightness minus least, in blocks of 8 x 8.
        quarter: its brightness.
        coarse_still, coarse_edges: its steps below 2, and of :data:`APART` and more.
        coarse: the sum of its steps.
        mirrored, upended: sums of its absolute differences to its mirror images.
        ground_red, ground_green, ground_blue: levels.
        border: pixels of it, a corner counting twice, within :data:`NEAR` of the ground.
        level: pixels of the half within ``NEAR // 2`` of the ground.
        columns, rows: of the half, pixels of the figure in each.
        turns_x, turns_y: along rows, and along columns.
        apart: sum of the figure's distances from the ground.
    """

    height: int
    width: int
    levels: Int64[np.ndarray, "2 256"]
    saturation: Int64[np.ndarray, " 256"]
    ranges: Int64[np.ndarray, " 256"]
    quarter: Int64[np.ndarray, " 256"]
    grid: Int64[np.ndarray, "32 32"]
    columns: Int64[np.ndarray, " w2"]
    rows: Int64[np.ndarray, " h2"]
    colours: Int64[np.ndarray, " c"]
    red: int
    green: int
    blue: int
    still: int
    faint: int
    shaded: int
    edged: int
    across: int
    down: int
    coarse_still: int
    coarse_edges: int
    coarse: int
    mirrored: int
    upended: int
    ground_red: int
    ground_green: int
    ground_blue: int
    border: int
    level: int
    turns_x: int
    turns_y: int
    apart: int


def count(area: UInt8[np.ndarray, "h w 3"]) -> Counts:
    """Count one picture's own area."""
    found = compiled.count(area)
    return count_with_numpy(area) if found is None else Counts(*found)


def count_with_numpy(area: UInt8[np.ndarray, "h w 3"]) -> Counts:
    """:func:`count`, wherever there was no compiler."""
    planes = np.ascontiguousarray(area.transpose(2, 0, 1))
    red, green, blue = planes.sum((1, 2), dtype=np.int64).tolist()
    luma = luma_of(planes)
    h, w = luma.shape
    grid = _grid(luma)
    if min(h, w) < LEAST:
        planes = planes[:, np.arange(max(h, LEAST)) * h // max(h, LEAST)]
        columns = np.arange(max(w, LEAST)) * w // max(w, LEAST)
        planes = np.ascontiguousarray(planes[:, :, columns])
        luma = luma_of(planes)
    half = halved(planes)
    quarter = halved(halved(luma))
    steps, coarse = _steps(luma), _steps(quarter)
    still, faint, shaded, edged = (_below(steps, limit) for limit in (1, 4, 16, 64))
    ground, near = _ground(half)
    # Two whole arrays: of an array and a number a row, greatest and least go byte by byte.
    away = gap(half, np.repeat(ground, half[0].size).reshape(half.shape)).max(0)
    figure = away > APART
    # One walk for two histograms.
    levels = np.bincount((figure * np.uint16(256) | luma_of(half)).ravel(), minlength=512)
    return Counts(
        height=h,
        width=w,
        levels=levels.reshape(2, 256),
        saturation=_histogram(half.max(0) - half.min(0)),
        ranges=_histogram(_block_ranges(luma)),
        quarter=_histogram(quarter),
        grid=grid,
        columns=np.count_nonzero(figure, axis=0),
        rows=np.count_nonzero(figure, axis=1),
        colours=_colours(half),
        red=red,
        green=green,
        blue=blue,
        still=still,
        faint=faint,
        shaded=shaded,
        edged=edged,
        across=_total(steps[0]),
        down=_total(steps[1]),
        coarse_still=_below(coarse, 2),
        coarse_edges=sum(each.size for each in coarse) - _below(coarse, APART),
        coarse=_total(coarse[0]) + _total(coarse[1]),
        mirrored=_total(gap(quarter, quarter[:, ::-1])),
        upended=_total(gap(quarter, quarter[::-1])),
        ground_red=int(ground[0]),
        ground_green=int(ground[1]),
        ground_blue=int(ground[2]),
        border=near,
        level=int(np.count_nonzero(away <= NEAR // 2)),
        turns_x=int(np.count_nonzero(figure[:, 1:] != figure[:, :-1])),
        turns_y=int(np.count_nonzero(figure[1:] != figure[:-1])),
        apart=_total(away * figure),
    )


def _grid(luma: UInt8[np.ndarray, "h w"]) -> np.ndarray:
    """By products, which are faster than sums of pieces: whole numbers, below 2**24 in the first,
    which is in single precision, and below 2**53 in the second."""
    h, w = luma.shape
    bands = _overlaps(h) @ luma.astype(np.float32)
    sums: np.ndarray = bands.astype(np.float64) @ _overlaps(w).T
    return sums.astype(np.int64)


@lru_cache(maxsize=512)
def _overlaps(length: int) -> Float32[np.ndarray, "32 length"]:
    """Of each cell with each pixel of a side, in parts of which a pixel has :data:`GRID`, and a
    cell ``length``."""
    cell, pixel = np.arange(GRID)[:, None], np.arange(length)
    ends = np.minimum((cell + 1) * length, (pixel + 1) * GRID)
    overlaps: np.ndarray = np.maximum(0, ends - np.maximum(cell * length, pixel * GRID))
    return overlaps.astype(np.float32)


def _histogram(levels: np.ndarray) -> np.ndarray:
    return np.bincount(levels.ravel(), minlength=256)


def _colours(planes: UInt8[np.ndarray, "3 h w"]) -> np.ndarray:
    red, green, blue = (planes >> 3).astype(np.uint16)
    counts = np.bincount(((red << 10) | (green << 5) | blue).ravel(), minlength=1 << 15)
    return np.sort(counts[counts > 0])[::-1]


def _steps(luma: UInt8[np.ndarray, "h w"]) -> tuple[np.ndarray, np.ndarray]:
    return gap(luma[:, 1:], luma[:, :-1]), gap(luma[1:], luma[:-1])


def _below(steps: tuple[np.ndarray, np.ndarray], limit: int) -> int:
    return sum(int(np.count_nonzero(each < limit)) for each in steps)


def _total(levels: UInt8[np.ndarray, "h w"]) -> int:
    """Down the columns in 16 bits, which 257 rows cannot fill, and then across."""
    if len(levels) > 257:
        return int(levels.sum(dtype=np.int64))
    return int(np.add.reduce(levels, axis=0, dtype=np.uint16).sum(dtype=np.int64))


def _block_ranges(luma: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h8 w8"]:
    """Of each block; what the blocks do not cover lies evenly at the sides."""
    h, w = luma.shape[0] // 8, luma.shape[1] // 8
    top, left = (luma.shape[0] - 8 * h) // 2, (luma.shape[1] - 8 * w) // 2
    rows = luma[top : top + 8 * h, left : left + 8 * w].reshape(h, 8, 8 * w)
    # The long axis first: eight rows at once are one instruction, eight columns are not.
    high = np.ascontiguousarray(rows.max(1).reshape(h, w, 8).transpose(2, 0, 1)).max(0)
    low = np.ascontiguousarray(rows.min(1).reshape(h, w, 8).transpose(2, 0, 1)).min(0)
    found: np.ndarray = high - low
    return found


def _ground(planes: UInt8[np.ndarray, "3 h w"]) -> tuple[UInt8[np.ndarray, " 3"], int]:
    """The border's median colour, rounded down, and how much of the border is near it."""
    border = np.concatenate([planes[:, 0], planes[:, -1], planes[:, :, 0], planes[:, :, -1]], 1)
    middle = border.shape[1] // 2  # of an even number: the median lies between two
    ordered = np.sort(border, axis=1).astype(np.uint16)
    ground = ((ordered[:, middle - 1] + ordered[:, middle]) >> 1).astype(np.uint8)
    near = gap(border, np.repeat(ground, border.shape[1]).reshape(border.shape)).max(0) <= NEAR
    return ground, int(np.count_nonzero(near))
