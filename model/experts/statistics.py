"""What can be counted in a picture in a fraction of a millisecond: the first expert to be asked.

A stand-in is most often flat, has few colours, a plain border and one small thing in the middle;
a photograph has shading and noise. None of the numbers depends on the category: what they mean
there is learned from its examples, by the same learner as on embeddings.

Everything is measured on the picture's own area. The bars of the letterbox are none of it, and
where they lie follows from the original size. Lengths, areas, brightness and saturation are shares,
0 to 1; what spans orders of magnitude is a logarithm to base 2.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Integer, UInt8

from model.experts.area import (
    Seen,
    check_sizes,
    gap,
    halved,
    luma_of,
    middle,
    own_area,
    see,
    total,
)

STATISTICS: tuple[str, ...] = (
    # brightness
    "luma_entropy", "luma_mean", "luma_spread", "luma_low", "luma_middle", "luma_high",
    "luma_quartiles", "white", "black", "one_tone", "two_tones",
    # colour
    "colour_entropy", "palette_half", "palette_most", "palette_all", "first_colour",
    "four_colours", "saturation", "saturation_spread", "grey", "colourful",
    # edges and texture
    "still", "faint", "shaded", "edges", "sharp_edges", "upright", "fine_energy", "coarse_edges",
    "coarse_still", "sharpness", "flat_blocks", "calm_blocks", "busy_blocks", "middle_block",
    # composition
    "mirrored", "upended", "border", "ground_luma", "ground_saturation", "ground", "figure",
    "off_centre", "below_centre", "spread_x", "spread_y", "extent_x", "extent_y", "filled",
    "turns_x", "turns_y", "figure_spread", "figure_apart", "figure_tone",
    # size
    "long_side", "aspect", "oblong",
)  # fmt: skip
"""Names of the numbers, in order; what each is stands where it is counted, below."""

_NEAR = 16  # levels: two colours that nobody tells apart beside lossy compression
_APART = 24  # levels: what stands out from its ground
_LEAST = 16  # pixels: of a side, so that it has blocks and a coarse scale
_CAP = 320  # pixels: no picture that learners saw was longer
_QUANTILES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
_LEVELS = np.arange(256.0)
_FIGURE = STATISTICS[STATISTICS.index("off_centre") : STATISTICS.index("figure_tone") + 1]


def statistics(
    pixels: UInt8[np.ndarray, "n size size 3"], sizes: Integer[np.ndarray, "m 2"]
) -> Float32[np.ndarray, "n s"]:
    """Numbers of each picture, in the order of :data:`STATISTICS`.

    Args:
        pixels: letterboxed as :func:`model.images.decode` gives them.
        sizes: original width and height in pixels, upright, each at least 1.
    Returns:
        Most within 0..1 or -1..1; entropies and other logarithms in bits or octaves, within -16
        to 16. A row depends on nothing but its own picture.
    Raises:
        SupportError: the numbers of pictures and sizes differ, or a size is below 1.
    """
    check_sizes(pixels, sizes)
    rows = np.zeros((len(pixels), len(STATISTICS)), np.float32)
    for i, (square, (width, height)) in enumerate(zip(pixels, sizes.tolist(), strict=True)):
        rows[i] = statistics_of(see(own_area(square, width, height)), width, height)
    return rows


def statistics_of(seen: Seen, width: int, height: int) -> Float32[np.ndarray, " s"]:
    """Numbers of one picture; see :func:`statistics`."""
    found = _by_name(seen, width, height)
    return np.array([found[name] for name in STATISTICS], np.float32)


def _by_name(seen: Seen, width: int, height: int) -> dict[str, float]:
    planes, luma = seen.planes, seen.luma
    h, w = luma.shape
    if min(h, w) < _LEAST:  # a sliver is widened: blocks and edges need a few pixels
        planes = planes[:, np.arange(max(h, _LEAST)) * h // max(h, _LEAST)]
        columns = np.arange(max(w, _LEAST)) * w // max(w, _LEAST)
        planes = np.ascontiguousarray(planes[:, :, columns])
        luma = luma_of(planes)
    small = halved(planes)
    small_luma = luma_of(small)
    tiny_luma = halved(halved(luma))
    composition, levels = _figure_and_ground(small, small_luma)
    return (
        _brightness(levels)
        | _colour(small)
        | _edges(luma, tiny_luma)
        | _symmetry(tiny_luma)
        | composition
        | _shape(width, height)
    )


def _entropy(counts: np.ndarray) -> float:
    """Of a histogram, in bits (Shannon 1948)."""
    p = counts[counts > 0] / counts.sum()
    return max(0.0, -float(p @ np.log2(p)))


def _moments(counts: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of a histogram of 256 levels, 0 to 1."""
    p = counts / counts.sum()
    mean = float(p @ _LEVELS)
    return mean / 255, float(np.sqrt(p @ (_LEVELS - mean) ** 2)) / 255


def _share(mask: np.ndarray) -> float:
    return int(np.count_nonzero(mask)) / mask.size


def _gathered(counts: np.ndarray) -> np.ndarray:
    """At each level, how much of a histogram of 256 lies within ``_NEAR`` / 2 of it."""
    return np.convolve(counts, np.ones(_NEAR + 1), "same")


def _brightness(counts: Integer[np.ndarray, 256]) -> dict[str, float]:
    """From the histogram of brightness."""
    pixels = int(counts.sum())
    mean, spread = _moments(counts)
    low, quarter, half, three, high = np.searchsorted(counts.cumsum(), pixels * _QUANTILES)
    gathered = _gathered(counts)
    first = int(gathered.argmax())
    rest = gathered.copy()
    rest[max(0, first - _NEAR) : first + _NEAR + 1] = 0  # so that no pixel counts twice
    return {
        "luma_entropy": _entropy(counts),
        "luma_mean": mean,
        "luma_spread": spread,
        "luma_low": float(low) / 255,
        "luma_middle": float(half) / 255,
        "luma_high": float(high) / 255,
        "luma_quartiles": float(three - quarter) / 255,
        "white": counts[251:].sum() / pixels,
        "black": counts[:6].sum() / pixels,
        "one_tone": gathered[first] / pixels,
        "two_tones": (gathered[first] + rest.max()) / pixels,
    }


def _colour(planes: UInt8[np.ndarray, "3 h w"]) -> dict[str, float]:
    """Palette at 32 levels a channel; saturation is the greatest channel minus the least."""
    red, green, blue = (planes >> 3).astype(np.uint16)
    counts = np.bincount(((red << 10) | (green << 5) | blue).ravel(), minlength=1 << 15)
    counts = np.sort(counts[counts > 0])[::-1]
    covered = counts.cumsum() / counts.sum()
    half, most, nearly_all = np.log2(2 + np.searchsorted(covered, (0.5, 0.9, 0.99)))
    saturation = planes.max(0) - planes.min(0)
    levels = np.bincount(saturation.ravel(), minlength=256)
    mean, spread = _moments(levels)
    return {
        "colour_entropy": _entropy(counts),
        # log2 of (1 + colours): 1 where there is one colour.
        "palette_half": float(half),
        "palette_most": float(most),
        "palette_all": float(nearly_all),
        "first_colour": float(covered[0]),
        "four_colours": float(covered[min(3, len(covered) - 1)]),
        "saturation": mean,
        "saturation_spread": spread,
        "grey": levels[:9].sum() / saturation.size,
        "colourful": levels[64:].sum() / saturation.size,
    }


def _edges(luma: UInt8[np.ndarray, "h w"], tiny: UInt8[np.ndarray, "h4 w4"]) -> dict[str, float]:
    """Differences of neighbours at two scales, and the range of brightness in blocks of 8 x 8."""
    steps, coarse = _steps(luma), _steps(tiny)
    counts = [each.size for each in steps]
    still, faint, shaded, edged = (
        sum(int(np.count_nonzero(each < limit)) for each in steps) / sum(counts)
        for limit in (1, 4, 16, 64)
    )
    across, down = (total(each) / each.size for each in steps)
    together = np.concatenate([each.ravel() for each in coarse])
    ranges = _block_ranges(luma)
    fine_energy = np.log2(1 + across + down)
    coarse_energy = np.log2(1 + 2 * float(together.sum(dtype=np.int64)) / len(together))
    return {
        "still": still,
        "faint": faint - still,  # noise, and the artefacts of compression
        "shaded": shaded - faint,
        "edges": edged - shaded,
        "sharp_edges": 1 - edged,
        "upright": (across - down) / (across + down + 1),
        "fine_energy": float(fine_energy),
        "coarse_edges": _share(together >= _APART),
        "coarse_still": _share(together < 2),
        "sharpness": float(fine_energy - coarse_energy),
        "flat_blocks": _share(ranges < 4),
        "calm_blocks": _share(ranges < 13),
        "busy_blocks": _share(ranges >= 100),
        "middle_block": float(np.log2(1 + middle(ranges))),
    }


def _steps(luma: UInt8[np.ndarray, "h w"]) -> tuple[np.ndarray, np.ndarray]:
    """Absolute differences of horizontal and of vertical neighbours."""
    return gap(luma[:, 1:], luma[:, :-1]), gap(luma[1:], luma[:-1])


def _block_ranges(luma: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h8 w8"]:
    """Greatest minus least of each 8 x 8; what the blocks do not cover lies evenly at the sides."""
    h, w = luma.shape[0] // 8, luma.shape[1] // 8
    top, left = (luma.shape[0] - 8 * h) // 2, (luma.shape[1] - 8 * w) // 2
    rows = luma[top : top + 8 * h, left : left + 8 * w].reshape(h, 8, 8 * w)
    # The long axis first: eight rows at once are one instruction, eight columns are not.
    high = np.ascontiguousarray(rows.max(1).reshape(h, w, 8).transpose(2, 0, 1)).max(0)
    low = np.ascontiguousarray(rows.min(1).reshape(h, w, 8).transpose(2, 0, 1)).min(0)
    found: np.ndarray = high - low
    return found


def _symmetry(tiny: UInt8[np.ndarray, "h w"]) -> dict[str, float]:
    """Mean difference to the mirror image, in mean differences to the picture's own mean."""
    values = tiny.astype(np.float32)
    contrast = float(np.abs(values - values.mean()).mean()) + 4  # noise is no asymmetry
    return {
        "mirrored": float(np.abs(values - values[:, ::-1]).mean()) / contrast,
        "upended": float(np.abs(values - values[::-1]).mean()) / contrast,
    }


def _figure_and_ground(
    planes: UInt8[np.ndarray, "3 h w"], luma: UInt8[np.ndarray, "h w"]
) -> tuple[dict[str, float], Integer[np.ndarray, 256]]:
    """The ground is the border's median colour; the figure is what stands out from it.

    Returns:
        The numbers, and the histogram of brightness, which is counted on the way.
    """
    _, h, w = planes.shape
    border = np.concatenate([planes[:, 0], planes[:, -1], planes[:, :, 0], planes[:, :, -1]], 1)
    ground = np.array([int(middle(channel)) for channel in border], np.uint8)[:, None]
    # Two whole arrays: of an array and a number per row, greatest and least go byte by byte.
    away = gap(planes, np.repeat(ground, h * w, axis=1).reshape(planes.shape)).max(0)
    figure = away > _APART
    count = int(np.count_nonzero(figure))
    # One walk for two histograms: beside the figure, and inside it.
    sides = np.bincount((figure * np.uint16(256) | luma).ravel(), minlength=512).reshape(2, 256)
    levels, inside = sides.sum(0), sides[1]
    found = dict.fromkeys(_FIGURE, 0.0) | {
        "border": _share(gap(border, ground).max(0) <= _NEAR),
        "ground_luma": float(luma_of(ground[:, :, None])[0, 0]) / 255,
        "ground_saturation": float(ground.max() - ground.min()) / 255,
        "ground": _share(away <= _NEAR // 2),
        "figure": count / figure.size,
    }
    if not count:
        return found, levels
    # A product is a sum: whole numbers far below 2**24, so single precision is exact.
    cells = figure.astype(np.float32)
    columns = (np.ones(h, np.float32) @ cells).astype(np.int64)
    rows = (cells @ np.ones(w, np.float32)).astype(np.int64)
    x, y = (np.arange(w) + 0.5) / w - 0.5, (np.arange(h) + 0.5) / h - 0.5
    at_x, at_y = float(columns @ x) / count, float(rows @ y) / count
    wide, tall = np.flatnonzero(columns), np.flatnonzero(rows)
    extent_x, extent_y = (wide[-1] - wide[0] + 1) / w, (tall[-1] - tall[0] + 1) / h
    turns_x = np.count_nonzero(figure[:, 1:] != figure[:, :-1]) / len(tall)
    turns_y = np.count_nonzero(figure[1:] != figure[:-1]) / len(wide)
    return found | {
        "off_centre": abs(at_x),
        "below_centre": at_y,
        "spread_x": float(np.sqrt(columns @ (x - at_x) ** 2 / count)),
        "spread_y": float(np.sqrt(rows @ (y - at_y) ** 2 / count)),
        "extent_x": float(extent_x),
        "extent_y": float(extent_y),
        "filled": count / figure.size / float(extent_x * extent_y),
        # How often a line through the figure enters or leaves it: lettering does so often.
        "turns_x": float(np.log2(1 + turns_x)),
        "turns_y": float(np.log2(1 + turns_y)),
        "figure_spread": _moments(inside)[1],
        "figure_apart": total(away * figure) / count / 255,
        "figure_tone": float(_gathered(inside).max()) / count,
    }, levels


def _shape(width: int, height: int) -> dict[str, float]:
    """Octaves of size and aspect."""
    aspect = float(np.clip(np.log2(width / height), -4, 4))
    return {
        # What is larger than the pictures that learners saw looks like the largest of them.
        "long_side": float(np.log2(min(max(width, height), _CAP) / _CAP)),
        "aspect": aspect,
        "oblong": abs(aspect),
    }
