"""Measures the sinusoid networks, and puts table and plot into docs/yardsticks/sinusoid.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import nn
from torch.func import functional_call

from model.intervals import Interval, difference_interval
from model.learners.inner_loop import Parameters, adapt_parameters
from model.reports import svg
from model.reports.document import insert
from model.yardsticks import drawing
from model.yardsticks.sinusoid import (
    METHODS,
    MOST_X,
    SinusoidConfig,
    best_rate,
    draw_test,
    errors_by_step,
    least_error_unadapted,
    squared_error,
)

SHOTS = (5, 10, 20)
STEPS = 10
SHOWN = (0, 1, 2, 5, 10)
PLOT = "sinusoid.svg"
BEGIN = "<!-- figures: written by scripts/sinusoid.py -->"
END = "<!-- end of figures -->"


@dataclass(frozen=True, eq=False)
class Measured:
    """Errors of all methods on the same tasks.

    Attributes:
        errors: by K, then by method: mean squared error, shape (tasks, 11), by gradient step.
        tuned: by K, the pretrained network's step size.
        nets: by method.
    """

    errors: Mapping[int, Mapping[str, Float[np.ndarray, "tasks steps"]]]
    tuned: Mapping[int, float]
    nets: Mapping[str, nn.Module]
    seed: int


def measure(nets: Mapping[str, nn.Module], rate: float, count: int, seed: int) -> Measured:
    """Errors after 0 to 10 gradient steps with K = 5, 10 and 20 points.

    Args:
        rate: inner step size of all but the pretrained network, whose own is tuned.
        count: of tasks for each K.
    """
    errors: dict[int, dict[str, np.ndarray]] = {}
    tuned = {}
    for shots in SHOTS:
        waves, given = draw_test(count, shots, seed, stream=1)
        tuned[shots] = best_rate(nets["pretrained"], shots, seed)
        errors[shots] = {
            method: errors_by_step(
                net,
                waves,
                given,
                told=method == "oracle",
                rate=tuned[shots] if method == "pretrained" else rate,
                # The oracle knows the wave: fitting it to a few points could only harm it.
                steps=0 if method == "oracle" else STEPS,
            )
            for method, net in nets.items()
        }
        errors[shots]["oracle"] = errors[shots]["oracle"].repeat(STEPS + 1, axis=1)
    return Measured(errors, tuned, nets, seed)


def write(measured: Measured, config: SinusoidConfig, folder: Path) -> Path:
    """Put the figures between the markers of sinusoid.md in the folder, and draw its plot.

    Raises:
        MetricError: the page lacks its markers.
    """
    page = folder / "sinusoid.md"
    before = page.read_text(encoding="utf-8") if page.exists() else f"{BEGIN}\n{END}\n"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(insert(before, _tables(measured, config), BEGIN, END), encoding="utf-8")
    _plot(measured, config, folder / PLOT)
    return page


def _tables(measured: Measured, config: SinusoidConfig) -> str:
    count = len(measured.errors[SHOTS[0]]["maml"])
    parts = [
        f"{config.steps:,} outer steps of {config.tasks} tasks, seed {config.seed}; {count:,} test "
        "tasks for each K, the same for all methods; mean squared error over [-5, 5] with 95 % "
        f"intervals. Over all tasks there are, no network but the oracle is below "
        f"{least_error_unadapted():.2f} at step 0."
    ]
    for shots in SHOTS:
        lines = [
            f"**K = {shots}**",
            "",
            "| after gradient steps | " + " | ".join(map(str, SHOWN)) + " |",
            "| --- |" + " ---: |" * len(SHOWN),
        ]
        for method, title in METHODS.items():
            spans = drawing.intervals(measured.errors[shots][method])
            cells = [_cell(spans[s]) for s in SHOWN]
            named = f"{title}, step {measured.tuned[shots]:g}" if method == "pretrained" else title
            lines.append(f"| {named} | " + " | ".join(cells) + " |")
        found = measured.errors[shots]
        cells = []
        for s in SHOWN:
            span = difference_interval(found["maml"][:, s], found["fomaml"][:, s])
            bold = "**" if span.excludes_zero else ""
            half = (span.high - span.low) / 2
            cells.append(f"{bold}{span.estimate:+.3f}{bold} ± {half:.3f}")
        lines.append("| *MAML less first-order, paired* | " + " | ".join(cells) + " |")
        parts.append("\n".join(lines))
    parts.append(f"![Error by gradient step, and waves as MAML adapts to them]({PLOT})")
    return "\n\n".join(parts)


def _cell(span: Interval) -> str:
    # The oracle's errors, and the last of K = 20, would be 0.00 with two decimals.
    digits = 2 if span.estimate >= 0.1 else 4
    return f"{span.estimate:.{digits}f} ± {(span.high - span.low) / 2:.{digits}f}"


def _plot(measured: Measured, config: SinusoidConfig, path: Path) -> None:
    with svg.styled():
        figure, axes = drawing.panels(2, len(SHOTS), (9.0, 5.6))
        for top, bottom, shots in zip(axes, axes[len(SHOTS) :], SHOTS, strict=False):
            drawing.by_step(top, measured.errors[shots], METHODS)
            top.set(title=f"K = {shots}", ylim=(0, None))
            _fits(bottom, measured.nets["maml"], shots, config.inner_rate, measured.seed)
        axes[0].set_ylabel("mean squared error")
        handles, labels = axes[0].get_legend_handles_labels()
        more, names = axes[len(SHOTS)].get_legend_handles_labels()
        figure.legend(
            handles + more, labels + names, loc="outside lower center", ncols=4, frameon=False
        )
        svg.save(figure, path)


@torch.no_grad()
def _fits(axes: Axes, net: nn.Module, shots: int, rate: float, seed: int) -> None:
    """The first test wave, and MAML's answer before and after adapting to it."""
    waves, given = draw_test(1, shots, seed, stream=1)
    x = torch.linspace(-MOST_X, MOST_X, 100)
    axes.plot(x, waves.at(x[None])[0], color="0.6", linewidth=3, label="the wave")
    params: Parameters = dict(net.named_parameters())
    loss = partial(squared_error, net, given[0][:, None], waves.at(given)[0])
    looks = {0: ("#56B4E9", ":"), 1: ("#0072B2", "--"), STEPS: ("#000000", "-")}
    for step, (colour, line) in looks.items():
        adapted = adapt_parameters(loss, params, steps=step, rate=rate)
        y = functional_call(net, adapted, (x[:, None],))[:, 0]
        axes.plot(x, y, color=colour, linestyle=line, label=f"MAML, steps: {step}")
    axes.plot(given[0], waves.at(given)[0], "o", color="#D55E00", label="points given")
    axes.set(xlabel="x", title=f"one wave, K = {shots}")
