"""Put learning curves into docs/learning-curve.md between its markers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.reports import tables
from model.reports.document import place
from model.reports.figures import Figures
from model.reports.learning_curve import BARS, Axis

BEGIN = "<!-- curves: written by scripts/learning_curve.py -->"
END = "<!-- end of curves -->"
_TITLES: dict[Axis, str] = {
    "data": "Against data",
    "tasks": "Against tasks",
    "size": "Against the size of the embedding",
}
# A law is not believed further than this, whatever it says.
_FARTHEST = 1000.0


def write(path: Path, result: Figures, plots: Mapping[str, str]) -> None:
    """Insert into the file, or begin it.

    Args:
        plots: address of each picture, relative to the document, by name.

    Raises:
        MetricError: the file is there, but lacks the markers.
    """
    place(path, "Learning curves", fragment(result, plots), BEGIN, END)


def fragment(result: Figures, plots: Mapping[str, str]) -> str:
    """Provenance, and for each axis a picture, the points, and what the laws say."""
    parts = [tables.provenance(result["about"])]
    for axis, title in _TITLES.items():
        if axis not in result["curves"]:
            continue
        curve = result["curves"][axis]
        parts += [f"### {title}", _picture(plots, axis, title), _points(curve, axis)]
        parts.append(_laws(curve, axis))
    if "encoder" in plots:
        text = "Errors on held-out tasks, against the encoder's training and its size"
        parts += ["### Against the encoder", f"![{text}]({plots['encoder']})"]
    return "\n\n".join(part for part in parts if part)


def _picture(plots: Mapping[str, str], name: str, title: str) -> str:
    text = f"{title}: errors with 95 % intervals; laws dashed, bars dotted"
    return f"![{text}]({plots[name]})" if name in plots else ""


def _points(curve: Figures, axis: Axis) -> str:
    first = {"data": "share of the names", "tasks": "share of the steps", "size": "numbers"}[axis]
    bars = [bar for bar in BARS if bar.name in curve["laws"]]
    rows = [
        [
            _share(point, axis),
            f"{point['names']:,}",
            f"{point['views']:,}",
            *(tables.with_half(point["figures"][bar.name]) for bar in bars),
        ]
        for point in curve["points"]
    ]
    return tables.table([first, "names", "views", *(bar.title for bar in bars)], rows)


def _share(point: Mapping[str, Any], axis: Axis) -> str:
    if axis == "size":
        return str(point["dim"])
    share = float(point[axis])
    return "all" if share == 1 else f"1/{round(1 / share)}"


def _laws(curve: Figures, axis: Axis) -> str:
    measured = max(float(p["dim"] if axis == "size" else p[axis]) for p in curve["points"])
    rows = []
    for bar in BARS:
        if bar.name not in curve["laws"]:
            continue
        law = curve["laws"][bar.name]
        now = curve["points"][-1]["figures"][bar.name]
        rows.append(
            [
                bar.title,
                f"{bar.wanted:g}",
                f"{now['estimate']:.3f}",
                tables.difference(law["gain_of_the_last_step"]),
                tables.with_interval(law["exponent"], 2),
                "met" if now["estimate"] >= bar.wanted else _needed(law["needed"], measured),
            ]
        )
    header = [
        "figure",
        "bar",
        "now",
        "gained since the point before",
        "exponent",
        "the law meets the bar at",
    ]
    return tables.table(header, rows)


def _needed(needed: Figures, measured: float) -> str:
    """As a multiple of what there is; null is infinity."""
    low, middle, high = (
        None if needed[key] is None else needed[key] / measured
        for key in ("low", "estimate", "high")
    )
    if low is None or low > _FARTHEST:
        return "no amount"
    return f"{_times(middle)} ({_times(low)} to {_times(high)})"


def _times(amount: float | None) -> str:
    if amount is None or amount > _FARTHEST:
        return f"over {_FARTHEST:,.0f} ×"
    return f"{amount:.1f} ×" if amount < 10 else f"{amount:.0f} ×"
