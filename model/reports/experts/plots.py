"""Experts and all together by number of examples, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from model.experts import EXPERTS
from model.reports import svg
from model.reports.experts.measuring import TOP

_COLOURS = {
    "statistics": "#E69F00",
    "sameness": "#CC79A7",
    "words": "#009E73",
    "visual": "#0072B2",
    TOP: "#D55E00",
}
_FIGURES = (
    ("log_loss", "log loss"),
    ("calibration_error", "calibration error"),
    ("recall_at_0.001", "recall at 0.1 % false alarms"),
)


def draw(result: Mapping[str, Any], path: Path) -> None:
    """Write the picture as SVG, the same bytes for the same figures."""
    with svg.styled():
        figure = Figure(figsize=(9.5, 5.2), layout="constrained")
        axes = figure.subplots(2, len(_FIGURES), sharex=True)
        for row, sort in zip(axes, ("ordinary", "turning"), strict=True):
            tasks = [each for each in result["few_shot"] if each["sort"] == sort]
            shots = [each["shots"] for each in tasks]
            for axis, (name, title) in zip(row, _FIGURES, strict=True):
                for expert in (*EXPERTS, TOP):
                    values = [each["figures"][expert][name] for each in tasks]
                    axis.plot(
                        shots,
                        [v["estimate"] for v in values],
                        "o-",
                        ms=3,
                        color=_COLOURS[expert],
                        label=expert,
                    )
                    axis.fill_between(
                        shots,
                        [v["low"] for v in values],
                        [v["high"] for v in values],
                        color=_COLOURS[expert],
                        alpha=0.15,
                        lw=0,
                    )
                axis.set_xscale("log")
                axis.set_xticks(shots, [str(each) for each in shots])
                axis.minorticks_off()
                axis.set_title(f"{sort}: {title}", fontsize=9)
        for axis in axes[-1]:
            axis.set_xlabel("examples of each label")
        axes[0, 0].legend(fontsize=7)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None, "Creator": None})
