"""The pictures of docs/learners.md, from the figures: SVG, the same bytes for the same figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from model.reports import svg
from model.reports.bakeoff.tables import SORTS, shots_name
from model.reports.figures import Figures

# Okabe and Ito's, told apart by people who see colours differently; black is the one that ships.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_FAMILIES = ("closed form", "gradient steps", "metric", "peers")
_TICKS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
# A logit scale has no place for 1.
_MOST = 0.9995


def draw_all(result: Figures, folder: Path, stem: str = "learners") -> dict[str, str]:
    """Write every picture that the figures allow.

    Args:
        stem: that the files' names begin with.

    Returns:
        File name by the picture's name.
    """
    pictures: dict[str, Callable[[Figures], Figure | None]] = {
        "auroc": lambda found: by_shots(found, "auroc"),
        "accuracy": lambda found: by_shots(found, "accuracy"),
        "cost": cost,
    }
    return svg.draw_all(pictures, result, folder, stem, points=8)


def by_shots(result: Figures, metric: str) -> Figure | None:
    """A row for each family, a column for each sort; the one that ships in every panel."""
    sorts = [s for s in SORTS if any(entry["sort"] == s for entry in result["conditions"])]
    families = [f for f in _FAMILIES if _members(result, f)]
    if not sorts or not families:
        return None
    figure = Figure(figsize=(4.4 * len(sorts) + 1.6, 2.5 * len(families)), layout="constrained")
    panels = figure.subplots(len(families), len(sorts), squeeze=False, sharey="col", sharex="col")
    shipped = next(iter(result["entrants"]))
    for row, family in enumerate(families):
        for column, sort in enumerate(sorts):
            axes = panels[row][column]
            entries = [entry for entry in result["conditions"] if entry["sort"] == sort]
            _line(axes, result, entries, shipped, metric, "black", None, 1.6)
            for number, name in enumerate(_members(result, family)):
                colour = _COLOURS[number % len(_COLOURS)]
                marker = _MARKERS[number % len(_MARKERS)]
                shift = 0.06 * ((number % 5) - 2)
                _line(axes, result, entries, name, metric, colour, marker, 0.9, shift)
            names = [shots_name(entry).replace(" = ", "\u2009=\u2009") for entry in entries]
            names = [name.replace("stand-ins only", "stand-ins\nonly") for name in names]
            names = [name.replace("real only", "real\nonly") for name in names]
            axes.set_xticks(range(len(entries)), names, fontsize=7)
            _stretch(axes)
            if not row:
                axes.set_title(SORTS[sort])
            axes.set_ylabel(f"{family}: {metric.replace('auroc', 'AUROC')}" if not column else "")
        handles, labels = panels[row][-1].get_legend_handles_labels()
        panels[row][-1].legend(
            handles, labels, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False
        )
    return figure


def _stretch(axes: Axes) -> None:
    """A logit scale: from 0.98 to 0.99 is as far as from 0.5 to 0.67, since errors halve."""
    axes.set_yscale("logit")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(FixedLocator([t for t in _TICKS if low <= t <= high]))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_locator(NullLocator())


def _members(result: Figures, family: str) -> list[str]:
    return [
        name
        for name, entrant in result["entrants"].items()
        if entrant["family"] == family and entrant["source"] != "shipped"
    ]


def _line(
    axes: Axes,
    result: Figures,
    entries: Sequence[Figures],
    name: str,
    metric: str,
    colour: str,
    marker: str | None,
    width: float,
    shift: float = 0.0,
) -> None:
    """Even shots are joined; one-sided supports stand apart, since they are no step further."""
    values = [entry["methods"][name][metric] for entry in entries]
    low, middle, high = (
        [min(_MOST, value[key]) for value in values] for key in ("low", "estimate", "high")
    )
    even = [i for i, entry in enumerate(entries) if entry["placeholder"] == entry["real"]]
    axes.plot(
        [i + shift for i in even],
        [middle[i] for i in even],
        color=colour,
        linewidth=width,
        marker=marker,
        markersize=3,
        label=result["entrants"][name]["title"],
    )
    axes.errorbar(
        [i + shift for i in range(len(entries))],
        middle,
        yerr=[
            [max(0.0, m - value) for m, value in zip(middle, low, strict=True)],
            [max(0.0, value - m) for m, value in zip(middle, high, strict=True)],
        ],
        color=colour,
        linestyle="none",
        marker=marker or "_",
        markersize=3,
        elinewidth=0.7,
    )


def cost(result: Figures) -> Figure | None:
    """AUROC at K = 5 of tasks that turn around against the time to adapt, on a logarithmic axis."""
    entry = next(
        (
            e
            for e in result["conditions"]
            if (e["sort"], e["placeholder"], e["real"]) == ("turning", 5, 5)
        ),
        None,
    )
    if entry is None:
        return None
    figure = Figure(figsize=(8.0, 4.6), layout="constrained")
    axes = figure.subplots()
    names = sorted(result["entrants"], key=lambda name: _adapt(result, name))
    for place, name in enumerate(names, start=1):
        entrant, value = result["entrants"][name], entry["methods"][name]["auroc"]
        number = _FAMILIES.index(entrant["family"])
        ships = entrant["source"] == "shipped"
        colour = "black" if ships else _COLOURS[number]
        axes.errorbar(
            [_adapt(result, name)],
            [value["estimate"]],
            yerr=[
                [max(0.0, value["estimate"] - value["low"])],
                [max(0.0, value["high"] - value["estimate"])],
            ],
            color=colour,
            linestyle="none",
            marker="*" if ships else _MARKERS[number],
            markersize=9 if ships else 4,
            elinewidth=0.8,
            label=f"{place}  {entrant['title']}",
        )
        axes.annotate(
            str(place),
            (_adapt(result, name), value["estimate"]),
            xytext=(4, 3 if place % 2 else -8),
            textcoords="offset points",
            color=colour,
            fontsize=7,
        )
    _stretch(axes)
    axes.set(
        xscale="log",
        xlabel="milliseconds to adapt to ten examples (logarithmic)",
        ylabel="AUROC, tasks that turn around, K = 5",
    )
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=6.5)
    return figure


def _adapt(result: Figures, name: str) -> float:
    """Milliseconds; what does not look at the support set takes no time that could be drawn."""
    return max(0.01, float(result["costs"][name]["adapt_ms"]))
