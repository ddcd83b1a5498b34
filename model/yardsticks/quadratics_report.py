"""The learned optimiser beside the others on new quadratics: figures, table, plot, page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.intervals import difference_interval, mean_interval
from model.reports.document import insert
from model.reports.tables import table
from model.yardsticks.quadratics import BASELINES, Quadratics, run_baseline, tune

BEGIN = "<!-- quadratics: written by scripts/quadratics.py -->"
END = "<!-- end of quadratics -->"
SHOWN = (0, 10, 20, 50, 100, 200)
_COLOURS = ("#0072B2", "#56B4E9", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
_LINES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1)), (0, (3, 1, 1, 1)))


@dataclass(frozen=True, eq=False)
class Measured:
    """Losses of every optimiser on the very same functions.

    Attributes:
        losses: by name, shape (steps + 1, n): row t after t steps. Learned optimisers come first.
        rates: the learning rate chosen for each baseline.
        learned: how many of the names are learned optimisers.
        trained_steps: how many steps the learned ones were trained for.
    """

    losses: Mapping[str, np.ndarray]
    rates: Mapping[str, float]
    learned: int
    trained_steps: int

    @property
    def best_baseline(self) -> str:
        """The baseline with the least mean loss at the end of the trained horizon."""
        names = list(self.losses)[self.learned :]
        return min(names, key=lambda name: float(self.losses[name][self.trained_steps].mean()))


def measure_baselines(
    tuning: Quadratics, test: Quadratics, trained_steps: int, steps: int
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Losses on the test functions, at rates tuned on others for ``trained_steps``; the rates."""
    losses, rates = {}, {}
    for name, make in BASELINES.items():
        rates[name], _ = tune(make, tuning, trained_steps)
        losses[name] = _array(run_baseline(make, rates[name], test, steps))
    return losses, rates


def _array(losses: torch.Tensor) -> np.ndarray:
    return np.asarray(losses.detach().double().numpy())


def tables(found: Measured) -> str:
    """Mean losses by step, medians at the end, and the differences to the best baseline."""
    steps = [s for s in SHOWN if s < len(next(iter(found.losses.values())))]
    end, best = found.trained_steps, found.best_baseline
    rows, differences = [], []
    for name, losses in found.losses.items():
        shown = f"{name}, rate {found.rates[name]:.3g}" if name in found.rates else name
        median = float(np.median(losses[end]))
        rows.append([shown, *(_mean(losses[s]) for s in steps), f"{median:.2g}"])
        if name != best:
            there = difference_interval(losses[end], found.losses[best][end])
            share = float((losses[end] < found.losses[best][end]).mean())
            differences.append(
                [
                    shown,
                    f"{there.estimate:+.3g} ({there.low:+.3g} to {there.high:+.3g})",
                    f"{100 * share:.1f} %",
                ]
            )
    header = ["optimiser", *(f"step {s}" for s in steps), f"median at {end}"]
    note = f"mean loss at step {end} less that of {best}"
    return (
        table(header, rows)
        + f"\n\nPaired, on the same functions, against the best baseline, {best}:\n\n"
        + table(["optimiser", note, "functions on which its loss is the lower"], differences)
    )


def _mean(values: np.ndarray) -> str:
    found = mean_interval(values)
    half = (found.high - found.low) / 2
    return f"{found.estimate:.3g} ± {half:.2g}"


def plot(found: Measured, path: Path) -> None:
    """Mean loss by step with its 95 % band, on a logarithmic axis: the same bytes every time."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Left to itself matplotlib draws the ids in the file at random.
    with mpl.rc_context({"svg.hashsalt": "standin", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(6.5, 4.0), layout="constrained")
        axes = figure.subplots()
        highest = max(float(losses[0].mean()) for losses in found.losses.values())
        lowest = highest
        for number, (name, losses) in enumerate(found.losses.items()):
            bands = [mean_interval(row) for row in losses]
            mean = np.array([band.estimate for band in bands])
            low = np.array([band.low for band in bands])
            high = np.array([band.high for band in bands])
            lowest = min(lowest, float(mean.min()))
            look = _COLOURS[number % len(_COLOURS)]
            axes.plot(mean, color=look, linestyle=_LINES[number % len(_LINES)], label=name)
            # A mean that one function rules may have an interval down to 0 and below.
            axes.fill_between(
                np.arange(len(mean)), low.clip(mean / 100), high, color=look, alpha=0.2, linewidth=0
            )
        axes.axvline(found.trained_steps, color="0.5", linewidth=0.8)
        axes.set(
            yscale="log",
            ylim=(lowest / 2, highest * 1.5),
            xlim=(0, len(mean) - 1),
            xlabel=f"step (trained and tuned for {found.trained_steps})",
            ylabel="mean loss (logarithmic)",
            title=f"|Wθ − y|² over {losses.shape[1]:,} new functions, 95 % bands",
        )
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, ncols=2)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def write_page(path: Path, fragment: str) -> None:
    """Put the measurement between the page's markers, or begin a page.

    Raises:
        MetricError: the page is there, but lacks the markers.
    """
    document = f"# Quadratics\n\n{BEGIN}\n\n{END}\n"
    if path.exists():
        document = path.read_text(encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(insert(document, fragment, BEGIN, END), encoding="utf-8")
