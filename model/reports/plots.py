"""The pictures of docs/benchmarks.md, from the figures: SVG, the same bytes for the same figures.

Colours are Okabe and Ito's, told apart by people who see colours differently; each method has a
line style and a marker of its own besides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model.reports import svg
from model.reports.figures import Figures

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_STYLES = ("-", "--", ":", "-.", (0, (5, 1)), (0, (1, 1)))
_MARKERS = ("o", "s", "^", "D", "v", "P")
_FEWEST = 10  # a share of fewer pictures than that is noise, and is not drawn


def draw_all(result: Figures, folder: Path) -> dict[str, str]:
    """Write every picture that the figures allow.

    Returns:
        File name by the picture's name.
    """
    pictures: dict[str, Callable[[Figures], Figure | None]] = {
        "roc": roc,
        "kinds": kinds,
        "k_shot": k_shot,
        "reliability": reliability,
    }
    return svg.draw_all(pictures, result, folder, "accuracy")


def _shown(result: Figures, among: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Number (which gives the colour), name and title of the methods, ours first."""
    for number, (name, title) in enumerate(result["methods"].items()):
        if name in among:
            yield number, name, title


def _panels(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=size, layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def roc(result: Figures) -> Figure | None:
    """Recall against the false-alarm rate, on a logarithmic axis: where a catalogue works."""
    found = result["zero_shot"].get("all") or result["zero_shot"].get("drawn")
    if found is None:
        return None
    lowest = 1 / (2 * found["real"])
    figure, (axes,) = _panels(1, 1, (6.0, 4.0))
    for number, name, title in _shown(result, list(found["methods"])):
        curve = found["methods"][name]["roc"]
        axes.step(
            [max(x, lowest) for x in curve["false_alarms"]],
            curve["recall"],
            where="post",
            color=_COLOURS[number % len(_COLOURS)],
            linestyle=_STYLES[number % len(_STYLES)],
            label=title,
        )
    axes.set(
        xscale="log",
        xlim=(lowest, 1),
        ylim=(0.4, 1.005),
        xlabel="false-alarm rate (logarithmic)",
        ylabel="recall",
        title=f"Zero-shot: {found['standins']} stand-ins, {found['real']:,} real pictures",
    )
    for rate in (0.01, 0.001):
        axes.axvline(rate, color="0.5", linewidth=0.8)
    axes.legend(loc="lower right", frameon=False)
    return figure


def kinds(result: Figures) -> Figure | None:
    """Recall by kind at 1 % false alarms, ours beside the baseline, with Wilson's intervals."""
    found = result["zero_shot"].get("all") or result["zero_shot"].get("drawn")
    if found is None:
        return None
    methods = [next(iter(result["methods"])), result["baseline"]]
    names = list(found["methods"][methods[0]]["kinds"])
    figure, (axes,) = _panels(1, 1, (6.0, 3.4))
    for place, name in enumerate(methods):
        number = list(result["methods"]).index(name)
        bars = [found["methods"][name]["kinds"][kind]["far_0.01"] for kind in names]
        axes.bar(
            [i + (place - 0.5) * 0.38 for i in range(len(names))],
            [bar["estimate"] for bar in bars],
            0.36,
            yerr=[
                [bar["estimate"] - bar["low"] for bar in bars],
                [bar["high"] - bar["estimate"] for bar in bars],
            ],
            color=_COLOURS[number % len(_COLOURS)],
            hatch="" if place == 0 else "//",
            edgecolor="white",
            error_kw={"elinewidth": 1, "capsize": 2},
            label=result["methods"][name],
        )
    count = [found["methods"][methods[0]]["kinds"][kind]["far_0.01"]["n"] for kind in names]
    axes.set_xticks(
        range(len(names)), [f"{kind}\n{n}" for kind, n in zip(names, count, strict=True)]
    )
    axes.set(ylim=(0, 1.02), ylabel="recall at 1 % false alarms")
    axes.grid(axis="x", visible=False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False)
    return figure


def k_shot(result: Figures) -> Figure | None:
    """Accuracy and AUROC by number of shots, ordinary and turning, with interval bands."""
    wanted = [("real", "ordinary"), ("real", "turning"), ("drawn", "turning")]
    entries = {
        key: sorted(
            (
                e
                for e in result["few_shot"]
                if (e["pool"], e["sort"], e["subject"]) == (*key, None)
                and e["placeholder"] == e["real"]
            ),
            key=lambda e: int(e["real"]),
        )
        for key in wanted
    }
    shown = [key for key in wanted if entries[key]]
    if not shown:
        return None
    figure, axes = _panels(2, len(shown), (3.2 * len(shown), 6.0))
    for place, (metric, column) in enumerate(
        (metric, key) for metric in ("accuracy", "auroc") for key in shown
    ):
        _curves(axes[place], result, entries[column], metric)
        if place < len(shown):
            title = "ordinary tasks" if column[1] == "ordinary" else "tasks that turn around"
            axes[place].set_title(title + (", drawn" if column[0] == "drawn" else ""))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", frameon=False)
    return figure


def _curves(axes: Axes, result: Figures, entries: Sequence[Figures], metric: str) -> None:
    shots = [entry["real"] for entry in entries]
    for number, name, title in _shown(result, list(entries[0]["methods"])):
        values = [entry["methods"][name][metric] for entry in entries]
        colour = _COLOURS[number % len(_COLOURS)]
        axes.plot(
            range(len(shots)),
            [value["estimate"] for value in values],
            color=colour,
            linestyle=_STYLES[number % len(_STYLES)],
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=4,
            label=title,
        )
        axes.fill_between(
            range(len(shots)),
            [value["low"] for value in values],
            [value["high"] for value in values],
            color=colour,
            alpha=0.2,
            linewidth=0,
        )
    axes.set_xticks(range(len(shots)), [str(k) for k in shots])
    axes.set(xlabel="pictures of each label (K)", ylabel=metric.replace("auroc", "AUROC"))


def reliability(result: Figures) -> Figure | None:
    """Predicted against observed share of stand-ins: zero-shot, and K = 5 of both sorts.

    Bins of equal width; those with few pictures are left out.
    """
    panels: list[tuple[str, Figures]] = []
    found = result["zero_shot"].get("all") or result["zero_shot"].get("drawn")
    if found is not None:
        panels.append(("zero-shot", found["methods"]))
    for sort in ("ordinary", "turning"):
        panels += [
            (f"{sort} tasks, 5 of each", entry["methods"])
            for entry in result["few_shot"]
            if (entry["pool"], entry["sort"], entry["subject"]) == ("real", sort, None)
            and (entry["placeholder"], entry["real"]) == (5, 5)
        ]
    if not panels:
        return None
    figure, axes = _panels(1, len(panels), (3.2 * len(panels), 3.9))
    for axis, (title, methods) in zip(axes, panels, strict=True):
        axis.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
        for number, name, label in _shown(result, list(methods)):
            curve = methods[name]["reliability"]
            shown = [i for i, n in enumerate(curve["count"]) if n >= _FEWEST]
            axis.plot(
                [curve["predicted"][i] for i in shown],
                [curve["observed"][i] for i in shown],
                color=_COLOURS[number % len(_COLOURS)],
                linestyle=_STYLES[number % len(_STYLES)],
                marker=_MARKERS[number % len(_MARKERS)],
                markersize=3,
                label=label,
            )
        axis.set(title=title, xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="probability given")
    axes[0].set_ylabel("share that were stand-ins")
    # The panel with most methods names them all: pulled and plain are one until they adapt.
    handles, labels = max(
        (axis.get_legend_handles_labels() for axis in axes), key=lambda pair: len(pair[1])
    )
    figure.legend(handles, labels, loc="outside lower center", frameon=False)
    return figure
