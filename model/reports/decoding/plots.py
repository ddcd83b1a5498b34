"""The plot of docs/decoding.md: how fast each way decodes JPEGs, and how far it drifts."""

from __future__ import annotations

import math
from pathlib import Path

from matplotlib.figure import Figure

from model.reports import svg
from model.reports.figures import Figures

_COLOURS = ("#0072B2", "#000000", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_FEWEST = 2  # sizes that make a line
_LEAST = 1e-6  # less is rounding


def save(result: Figures, path: Path) -> bool:
    """Draw and write; False where there are too few sizes."""
    with svg.styled():
        figure = draw(result)
        if figure is not None:
            svg.save(figure, path)
    return figure is not None


def draw(result: Figures) -> Figure | None:
    """Times as fast as the reference, and one less the cosine to it, over megapixels."""
    cells = [c for c in result["cells"] if c["format"] == "JPEG" and c["megapixels"] is not None]
    if len(cells) < _FEWEST:
        return None
    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    across = [cell["megapixels"] for cell in cells]
    names = [name for name in result["titles"] if all(name in cell["ways"] for cell in cells)]
    for number, name in enumerate(names):
        found = [cell["ways"][name] for cell in cells]
        look = {
            "color": _COLOURS[number % len(_COLOURS)],
            "marker": _MARKERS[number % len(_MARKERS)],
            "linestyle": "-" if number < len(_COLOURS) else "--",
            "linewidth": 2.4 if name == "ours" else 1.2,
            "markersize": 4,
        }
        title = result["titles"][name]
        left.plot(across, [way["ratio"]["estimate"] for way in found], label=title, **look)
        # The reference's own is nothing, or rounding.
        if name != result["reference"]:
            drifted = [1 - way["cosine"]["mean"] for way in found]
            right.plot(across, [x if x > _LEAST else math.nan for x in drifted], **look)
    for axes in (left, right):
        axes.set(xscale="log", yscale="log", xlabel="megapixels")
        axes.set_xticks(across, [f"{each:g}" for each in across])
        axes.minorticks_off()
    ticks = [each for each in (0.5, 1, 2, 4, 8, 16) if left.get_ylim()[0] <= each]
    ticks = [each for each in ticks if each <= left.get_ylim()[1]]
    left.set_yticks(ticks, [f"{each:g}" for each in ticks])
    left.set_ylabel("times as fast as the reference")
    right.set_ylabel("mean of 1 - cosine to the reference")
    figure.legend(loc="outside right upper", frameon=False)
    return figure
