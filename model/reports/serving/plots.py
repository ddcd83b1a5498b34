"""The pictures of docs/serving.md: throughput and times by clients, and overload."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model.reports import svg
from model.reports.figures import Figures
from model.reports.serving.document import title

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_FEWEST = 2  # levels of clients that make a line


def draw_all(result: Figures, folder: Path) -> dict[str, str]:
    """Write every picture that the figures allow; file name by the picture's name."""
    pictures: dict[str, Callable[[Figures], Figure | None]] = {
        "ratio": ratio,
        "p99": p99,
        "overload": overload,
    }
    return svg.draw_all(pictures, result, folder, "serving")


def _lines(result: Figures) -> dict[str, list[Figures]]:
    """Loads by title, those with most levels of clients alone: what is measured everywhere."""
    found: dict[str, list[Figures]] = defaultdict(list)
    for load in result["figures"]["closed"]:
        if load["requests"] == "one":
            found[title(result, load)].append(load)
    most = max((len(loads) for loads in found.values()), default=0)
    if most < _FEWEST:
        return {}
    return {
        name: sorted(loads, key=lambda load: int(load["clients"]))
        for name, loads in found.items()
        if len(loads) == most
    }


def _axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    return figure, figure.subplots()


def _by_clients(axes: Axes, lines: dict[str, list[Figures]]) -> None:
    levels = sorted({load["clients"] for loads in lines.values() for load in loads})
    axes.set(xscale="log", xlabel="clients")
    axes.set_xticks(levels, [str(level) for level in levels])
    axes.minorticks_off()
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def ratio(result: Figures) -> Figure | None:
    """Pictures a second over the bare loop's, with the range over the rounds."""
    lines = _lines(result)
    if not lines:
        return None
    figure, axes = _axes()
    for number, (name, loads) in enumerate(lines.items()):
        found = [load["ratio"]["ours"] for load in loads]
        axes.errorbar(
            [load["clients"] for load in loads],
            [each["estimate"] for each in found],
            yerr=[
                [each["estimate"] - each["low"] for each in found],
                [each["high"] - each["estimate"] for each in found],
            ],
            color=_COLOURS[number % len(_COLOURS)],
            marker=_MARKERS[number % len(_MARKERS)],
            capsize=2,
            label=name,
        )
    axes.axhline(1, color="0.5", linewidth=0.8)
    axes.set(ylim=(0, None), ylabel="pictures/s over the bare loop's")
    _by_clients(axes, lines)
    return figure


def p99(result: Figures) -> Figure | None:
    """The 99th percentile of the answers' times."""
    lines = _lines(result)
    if not lines:
        return None
    figure, axes = _axes()
    for number, (name, loads) in enumerate(lines.items()):
        known = [load for load in loads if load["p99_ms"]]
        axes.plot(
            [load["clients"] for load in known],
            [load["p99_ms"]["estimate"] for load in known],
            color=_COLOURS[number % len(_COLOURS)],
            marker=_MARKERS[number % len(_MARKERS)],
            label=name,
        )
    axes.set(yscale="log", ylabel="p99, milliseconds")
    _by_clients(axes, lines)
    return figure


def overload(result: Figures) -> Figure | None:
    """The p99 of what was accepted at overload, against the deadline."""
    loads = [load for load in result["figures"]["overload"] if load["p99_ms"]]
    if not loads:
        return None
    figure = Figure(figsize=(6.4, 0.8 + 0.4 * len(loads)), layout="constrained")
    axes = figure.subplots()
    found = [load["p99_ms"] for load in loads]
    axes.barh(
        [title(result, load) for load in loads],
        [each["estimate"] / 1000 for each in found],
        color=[_COLOURS[n % len(_COLOURS)] for n in range(len(loads))],
    )
    limit = loads[0]["deadline_s"]
    axes.axvline(limit, color="black", linestyle="--", linewidth=1)
    axes.text(limit, -0.6, " deadline", va="center")
    axes.invert_yaxis()
    axes.set(xlabel="p99 of the accepted at overload, seconds")
    axes.grid(axis="y", visible=False)
    return figure
