"""The pictures of docs/learning-curve.md, from the figures: SVG, the same bytes for the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from model.reports import svg
from model.reports.figures import Figures
from model.reports.learning_curve import BARS, Axis, Bar

# Okabe and Ito's, told apart by people who see colours differently.
_COLOURS = ("#0072B2", "#D55E00", "#009E73")
_MARKERS = ("o", "s", "^")
_PANELS: tuple[tuple[str, str], ...] = (
    ("turning", "tasks that turn around"),
    ("ordinary", "ordinary tasks"),
    ("zero_shot", "zero-shot"),
)
_LABELS: dict[Axis, str] = {
    "data": "groups, categories and families, as a share of all",
    "tasks": "outer steps, as a share of the release's",
    "size": "numbers in an embedding",
}
_ERRORS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
# How far beyond what was measured a law is drawn.
_BEYOND = 16.0


def draw_all(result: Figures, folder: Path) -> dict[str, str]:
    """Write every picture that the figures allow.

    Returns:
        File name by the picture's name.
    """
    pictures: dict[str, Callable[[Figures], Figure | None]] = {
        "data": lambda found: scaling(found, "data"),
        "tasks": lambda found: scaling(found, "tasks"),
        "size": lambda found: scaling(found, "size"),
        "encoder": encoder,
    }
    return svg.draw_all(pictures, result, folder, "learning-curve", points=8)


def scaling(result: Figures, axis: Axis) -> Figure | None:
    """Errors against an amount, both logarithmic: points, laws (dashed) and bars (dotted)."""
    if axis not in result["curves"]:
        return None
    curve = result["curves"][axis]
    figure = Figure(figsize=(9.6, 3.2), layout="constrained")
    panels = list(figure.subplots(1, len(_PANELS), squeeze=False).ravel())
    for axes, (sort, title) in zip(panels, _PANELS, strict=True):
        bars = [bar for bar in BARS if bar.sort == sort and bar.name in curve["laws"]]
        for number, bar in enumerate(bars):
            _line(axes, curve, axis, bar, number)
        axes.set(xscale="log", yscale="log", xlabel=_LABELS[axis], title=title)
        axes.yaxis.set_major_locator(FixedLocator(_ERRORS))
        axes.yaxis.set_major_formatter(FixedFormatter([f"{e:g}" for e in _ERRORS]))
        axes.yaxis.set_minor_locator(NullLocator())
        ticks = _ticks(curve["points"], axis)
        axes.xaxis.set_major_locator(FixedLocator(list(ticks)))
        axes.xaxis.set_major_formatter(FixedFormatter(list(ticks.values())))
        axes.xaxis.set_minor_locator(NullLocator())
        if bars:
            axes.legend(frameon=False, loc="lower left")
    panels[0].set_ylabel("error: 1 less the figure")
    return figure


def _line(axes: Axes, curve: Figures, axis: Axis, bar: Bar, number: int) -> None:
    colour = _COLOURS[number % len(_COLOURS)]
    points: Sequence[Figures] = curve["points"]
    x = [_amount(point, axis) for point in points]
    figures = [point["figures"][bar.name] for point in points]
    middle = [max(1e-4, 1 - f["estimate"]) for f in figures]
    spread = [
        [max(0.0, m - (1 - f["high"])) for m, f in zip(middle, figures, strict=True)],
        [max(0.0, (1 - f["low"]) - m) for m, f in zip(middle, figures, strict=True)],
    ]
    metric = {"auroc": "AUROC", "accuracy": "accuracy"}[bar.metric]
    axes.errorbar(
        x,
        middle,
        yerr=spread,
        color=colour,
        marker=_MARKERS[number % len(_MARKERS)],
        markersize=4,
        linestyle="none",
        elinewidth=0.8,
        label=metric if bar.sort == "zero_shot" else f"{metric}, K = {bar.shots}",
    )
    law = curve["laws"][bar.name]
    reach = np.geomspace(min(x), max(x) * (1 if axis == "size" else _BEYOND), 50)
    axes.plot(
        reach,
        law["scale"] * reach ** -law["exponent"]["estimate"],
        color=colour,
        linestyle="--",
        linewidth=1,
    )
    axes.axhline(1 - bar.wanted, color=colour, linestyle=":", linewidth=1)


def _amount(point: Mapping[str, Any], axis: Axis) -> float:
    return float(point["dim"] if axis == "size" else point[axis])


def _ticks(points: Sequence[Figures], axis: Axis) -> dict[float, str]:
    found = sorted({_amount(point, axis) for point in points})
    if axis == "size":
        return {x: f"{x:g}" for x in found}
    found += [4.0, 16.0]
    return {x: f"1/{round(1 / x)}" if x < 1 else f"{x:g}" for x in found}


def encoder(result: Figures) -> Figure | None:
    """The encoder's training, and frozen backbones by their cost; what there is of the two."""
    entries = [entry for entry in result["encoder"] if "turning_5" in entry]
    backbones: Sequence[Figures] = result["backbones"]
    shown = [
        (draw, found)
        for draw, found in ((_steps, entries), (_backbones, backbones))
        if found  # else there is nothing to draw
    ]
    if not shown:
        return None
    figure = Figure(figsize=(4.0 * len(shown), 3.2), layout="constrained")
    panels = figure.subplots(1, len(shown), squeeze=False).ravel()
    for axes, (draw, found) in zip(panels, shown, strict=True):
        draw(axes, found)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(FixedLocator(_ERRORS))
        axes.yaxis.set_major_formatter(FixedFormatter([f"{e:g}" for e in _ERRORS]))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.legend(frameon=False)
    return figure


def _steps(axes: Axes, entries: Sequence[Figures]) -> None:
    titles = {
        "turning_1": "turning, K = 1",
        "turning_5": "turning, K = 5",
        "zero_shot": "zero-shot",
    }
    for number, (key, title) in enumerate(titles.items()):
        known = [entry for entry in entries if key in entry]
        axes.plot(
            [float(entry["step"]) + 1 for entry in known],
            [1 - float(entry[key]) for entry in known],
            color=_COLOURS[number],
            marker=_MARKERS[number],
            markersize=4,
            label=title,
        )
    axes.set(xlabel="steps of the encoder's training", ylabel="1 less AUROC")
    axes.set_title("the encoder trained, with a head of its own")


def _backbones(axes: Axes, backbones: Sequence[Figures]) -> None:
    titles = {
        "turning auroc 5": "turning, AUROC, K = 5",
        "ordinary accuracy 5": "ordinary, accuracy, K = 5",
        "zero_shot auroc 0": "zero-shot AUROC",
    }
    for number, (key, title) in enumerate(titles.items()):
        known = [each for each in backbones if key in each]
        values = [each[key] for each in known]
        axes.errorbar(
            [each["cost"] for each in known],
            [1 - value["estimate"] for value in values],
            yerr=[
                [value["high"] - value["estimate"] for value in values],
                [value["estimate"] - value["low"] for value in values],
            ],
            color=_COLOURS[number],
            marker=_MARKERS[number],
            markersize=4,
            linestyle="none",
            elinewidth=0.8,
            label=title,
        )
    axes.set(xlabel="cost of a picture", ylabel="error: 1 less the figure")
    axes.set_title("frozen networks and inputs, logistic regression")
