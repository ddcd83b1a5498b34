"""What can be counted in a picture in a fraction of a millisecond: the first expert to be asked.

A stand-in is most often flat, has few colours, a plain border and one small thing in the middle;
a photograph has shading and noise. None of the numbers depends on the category: what they mean
there is learned from its examples, by the same learner as on embeddings.

Everything is measured on the picture's own area. The bars of the letterbox are none of it, and
where they lie follows from the original size. Lengths, areas, brightness and saturation are shares,
0 to 1; what spans orders of magnitude is a logarithm to base 2.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float32, Integer, UInt8

from model.experts.area import check_sizes, own_area
from model.experts.counting import LEAST, NEAR, Counts, count

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

_TONE = NEAR + 1  # levels that nobody tells apart beside lossy compression
_CAP = 320  # pixels: no picture that learners saw was longer
_QUANTILES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
_LEVELS = np.arange(256)
_TONES = np.ones(_TONE)
_SHARES = np.array([0.5, 0.9, 0.99])
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
        rows[i] = statistics_of(count(own_area(square, width, height)), width, height)
    return rows


def statistics_of(counts: Counts, width: int, height: int) -> Float32[np.ndarray, " s"]:
    """Numbers of one picture; see :func:`statistics`."""
    found = (
        _brightness(counts.levels.sum(0))
        | _colour(counts)
        | _edges(counts)
        | _symmetry(counts)
        | _figure_and_ground(counts)
        | _shape(width, height)
    )
    return np.array([found[name] for name in STATISTICS], np.float32)


def _entropy(counts: np.ndarray) -> float:
    """Of a histogram, in bits (Shannon 1948)."""
    p = counts[counts > 0] / int(counts.sum())
    return max(0.0, -float(p @ np.log2(p)))


def _moments(counts: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of a histogram, in its own steps."""
    place = np.arange(len(counts))
    total, first, second = int(counts.sum()), int(counts @ place), int(counts @ (place * place))
    spread = math.sqrt(total * second - first * first)  # of whole numbers: exact
    return first / total, spread / total


def _middle(counts: np.ndarray) -> float:
    """The median of a histogram: where two levels lie in the middle, what lies between them."""
    passed = counts.cumsum()
    half = int(passed[-1]) / 2
    return float(passed.searchsorted(half) + passed.searchsorted(half, "right")) / 2


def _gathered(counts: np.ndarray) -> np.ndarray:
    """At each level, how much of a histogram of 256 lies among the ``_TONE`` levels around it."""
    return np.convolve(counts, _TONES, "same")


def _brightness(counts: Integer[np.ndarray, " 256"]) -> dict[str, float]:
    """From the histogram of brightness."""
    total = int(counts.sum())
    mean, spread = _moments(counts)
    low, quarter, middle, three, high = counts.cumsum().searchsorted(total * _QUANTILES)
    gathered = _gathered(counts)
    first = int(gathered.argmax())
    rest = gathered.copy()
    rest[max(0, first - _TONE + 1) : first + _TONE] = 0  # so that no pixel counts twice
    return {
        "luma_entropy": _entropy(counts),
        "luma_mean": mean / 255,
        "luma_spread": spread / 255,
        "luma_low": float(low) / 255,
        "luma_middle": float(middle) / 255,
        "luma_high": float(high) / 255,
        "luma_quartiles": float(three - quarter) / 255,
        "white": counts[251:].sum() / total,
        "black": counts[:6].sum() / total,
        "one_tone": gathered[first] / total,
        "two_tones": (gathered[first] + rest.max()) / total,
    }


def _colour(counts: Counts) -> dict[str, float]:
    """Palette at 32 levels a channel; saturation is the greatest channel minus the least."""
    covered = counts.colours.cumsum()
    total = int(covered[-1])
    covered = covered / total
    half, most, nearly_all = np.log2(2 + covered.searchsorted(_SHARES))
    mean, spread = _moments(counts.saturation)
    return {
        "colour_entropy": _entropy(counts.colours),
        # log2 of (1 + colours): 1 where there is one colour.
        "palette_half": float(half),
        "palette_most": float(most),
        "palette_all": float(nearly_all),
        "first_colour": float(covered[0]),
        "four_colours": float(covered[min(3, len(covered) - 1)]),
        "saturation": mean / 255,
        "saturation_spread": spread / 255,
        "grey": counts.saturation[:9].sum() / total,
        "colourful": counts.saturation[64:].sum() / total,
    }


def _edges(counts: Counts) -> dict[str, float]:
    """Differences of neighbours at two scales, and the range of brightness in blocks of 8 x 8."""
    h, w = max(counts.height, LEAST), max(counts.width, LEAST)  # slivers are widened
    beside, below = h * (w - 1), (h - 1) * w
    still, faint, shaded, edged = (
        each / (beside + below)
        for each in (counts.still, counts.faint, counts.shaded, counts.edged)
    )
    across, down = counts.across / beside, counts.down / below
    h, w = h // 4, w // 4
    coarse = h * (w - 1) + (h - 1) * w
    fine_energy = math.log2(1 + across + down)
    coarse_energy = math.log2(1 + 2 * counts.coarse / coarse)
    ranges = counts.ranges
    blocks = int(ranges.sum())
    return {
        "still": still,
        "faint": faint - still,  # noise, and the artefacts of compression
        "shaded": shaded - faint,
        "edges": edged - shaded,
        "sharp_edges": 1 - edged,
        "upright": (across - down) / (across + down + 1),
        "fine_energy": fine_energy,
        "coarse_edges": counts.coarse_edges / coarse,
        "coarse_still": counts.coarse_still / coarse,
        "sharpness": fine_energy - coarse_energy,
        "flat_blocks": int(ranges[:4].sum()) / blocks,
        "calm_blocks": int(ranges[:13].sum()) / blocks,
        "busy_blocks": int(ranges[100:].sum()) / blocks,
        "middle_block": math.log2(1 + _middle(ranges)),
    }


def _symmetry(counts: Counts) -> dict[str, float]:
    """Mean difference to the mirror image, in mean differences to the picture's own mean."""
    levels = counts.quarter
    total = int(levels.sum())
    mean = float(levels @ _LEVELS) / total
    contrast = float(levels @ np.abs(_LEVELS - mean)) / total + 4  # noise is no asymmetry
    return {
        "mirrored": counts.mirrored / total / contrast,
        "upended": counts.upended / total / contrast,
    }


def _figure_and_ground(counts: Counts) -> dict[str, float]:
    """The ground is the border's median colour; the figure is what stands out from it."""
    columns, rows, inside = counts.columns, counts.rows, counts.levels[1]
    w, h = len(columns), len(rows)
    total, figure = w * h, int(columns.sum())
    red, green, blue = counts.ground_red, counts.ground_green, counts.ground_blue
    found = dict.fromkeys(_FIGURE, 0.0) | {
        "border": counts.border / (2 * (w + h)),
        "ground_luma": ((red + blue + 1 >> 1) + green + 1 >> 1) / 255,  # as area.luma_of
        "ground_saturation": (max(red, green, blue) - min(red, green, blue)) / 255,
        "ground": counts.level / total,
        "figure": figure / total,
    }
    if not figure:
        return found
    at_x, spread_x = _moments(columns)
    at_y, spread_y = _moments(rows)
    wide, tall = np.flatnonzero(columns), np.flatnonzero(rows)
    extent_x, extent_y = (wide[-1] - wide[0] + 1) / w, (tall[-1] - tall[0] + 1) / h
    return found | {
        "off_centre": abs((at_x + 0.5) / w - 0.5),
        "below_centre": (at_y + 0.5) / h - 0.5,
        "spread_x": spread_x / w,
        "spread_y": spread_y / h,
        "extent_x": float(extent_x),
        "extent_y": float(extent_y),
        "filled": figure / total / float(extent_x * extent_y),
        # How often a line through the figure enters or leaves it: lettering does so often.
        "turns_x": math.log2(1 + counts.turns_x / len(tall)),
        "turns_y": math.log2(1 + counts.turns_y / len(wide)),
        "figure_spread": _moments(inside)[1] / 255,
        "figure_apart": counts.apart / figure / 255,
        "figure_tone": float(_gathered(inside).max()) / figure,
    }


def _shape(width: int, height: int) -> dict[str, float]:
    """Octaves of size and aspect."""
    aspect = min(max(math.log2(width / height), -4.0), 4.0)
    return {
        # What is larger than the pictures that learners saw looks like the largest of them.
        "long_side": math.log2(min(max(width, height), _CAP) / _CAP),
        "aspect": aspect,
        "oblong": abs(aspect),
    }
