"""How the yardsticks' plots look: a colour, line and marker for each method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model.intervals import Interval, mean_interval

# Okabe and Ito's colours, told apart by people who see colours differently.
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    {"color": "#E69F00", "linestyle": "--", "marker": "s"},
    {"color": "#D55E00", "linestyle": ":", "marker": "^"},
    {"color": "#009E73", "linestyle": "-.", "marker": "D"},
    {"color": "#CC79A7", "linestyle": "--", "marker": "v"},
)


def panels(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure of rows x columns axes, row by row, ``size`` inches."""
    figure = Figure(figsize=size, layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def by_step(
    axes: Axes, values: Mapping[str, Float[np.ndarray, "tasks steps"]], titles: Mapping[str, str]
) -> None:
    """Mean over tasks by gradient step, a line for each method with its 95 % interval as a band."""
    for look, (name, found) in zip(LOOKS, values.items(), strict=False):
        spans = intervals(found)
        steps = range(len(spans))
        axes.plot(steps, [s.estimate for s in spans], markersize=4, label=titles[name], **look)
        low, high = [s.low for s in spans], [s.high for s in spans]
        axes.fill_between(steps, low, high, color=look["color"], alpha=0.2, linewidth=0)
    axes.set_xlabel("gradient steps")


def intervals(values: Float[np.ndarray, "tasks steps"]) -> list[Interval]:
    """Interval of the mean over tasks, for each step."""
    return [mean_interval(column) for column in values.T]
