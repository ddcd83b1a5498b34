"""Measures navigation policies, and puts table and plot into docs/yardsticks/navigation.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes

from model.intervals import difference_interval
from model.reports import svg
from model.reports.document import insert
from model.yardsticks import drawing
from model.yardsticks.navigation import SIDE, Policy, adapt, draw_goals, spread
from model.yardsticks.navigation_training import METHODS, NavigationConfig, best_rate, measure

STEPS = 3
PLOT = "navigation.svg"
BEGIN = "<!-- figures: written by scripts/navigation.py -->"
END = "<!-- end of figures -->"


@dataclass(frozen=True, eq=False)
class Measured:
    """Returns of all methods on the same goals.

    Attributes:
        returns: by method, shape (goals, 4), by gradient step.
        rates: by method, the size of the first step.
        policies: by method.
    """

    returns: Mapping[str, Float[np.ndarray, "goals steps"]]
    rates: Mapping[str, float]
    policies: Mapping[str, Policy]


def measure_all(
    policies: Mapping[str, Policy],
    config: NavigationConfig,
    count: int,
    done: Callable[[], object] = lambda: None,
) -> Measured:
    """Returns after 0 to 3 gradient steps; the oracle does not adapt.

    Args:
        count: of goals.
        done: called after each method.
    """
    returns, rates = {}, {}
    for method, policy in policies.items():
        steps = 0 if method == "oracle" else STEPS
        tuned = method in ("pretrained", "random")
        rates[method] = (
            best_rate(policy, config, steps=steps, count=min(20, count))
            if tuned
            else config.inner_rate
        )
        found = measure(policy, config, rate=rates[method], steps=steps, count=count, stream=1)
        returns[method] = found.repeat(STEPS + 1, axis=1) if method == "oracle" else found
        done()
    return Measured(returns, rates, policies)


def write(measured: Measured, config: NavigationConfig, folder: Path) -> Path:
    """Put the figures between the markers of navigation.md in the folder, and draw its plot.

    Raises:
        MetricError: the page lacks its markers.
    """
    page = folder / "navigation.md"
    before = page.read_text(encoding="utf-8") if page.exists() else f"{BEGIN}\n{END}\n"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(insert(before, _table(measured, config), BEGIN, END), encoding="utf-8")
    _plot(measured, config, folder / PLOT)
    return page


def standing_still(config: NavigationConfig, count: int = 100_000) -> float:
    """Return of a point that never moves, mean over goals."""
    apart = draw_goals(count, torch.Generator().manual_seed(0)).square().sum(1)
    return -config.horizon * float((apart if config.squared else apart.sqrt()).mean())


def _table(measured: Measured, config: NavigationConfig) -> str:
    count = len(measured.returns["maml"])
    reward = "squared distance" if config.squared else "distance"
    lines = [
        f"{config.steps} outer steps of {config.tasks} goals and {config.trajectories} "
        f"trajectories, seed {config.seed}, reward by {reward}; {count} test goals, the same for "
        f"all, {config.trajectories} trajectories for each gradient step; mean return of an "
        "episode with 95 % intervals over goals. A point that never moves earns "
        f"{standing_still(config):.1f}.",
        "",
        "| after gradient steps | first step size | "
        + " | ".join(map(str, range(STEPS + 1)))
        + " |",
        "| --- | ---: |" + " ---: |" * (STEPS + 1),
    ]
    for method, title in METHODS.items():
        spans = drawing.intervals(measured.returns[method])
        cells = [f"{s.estimate:.2f} ± {(s.high - s.low) / 2:.2f}" for s in spans]
        rate = "" if method == "oracle" else f"{measured.rates[method]:g}"
        lines.append(f"| {title} | {rate} | " + " | ".join(cells) + " |")
    cells = []
    for step in range(STEPS + 1):
        ours, theirs = measured.returns["maml"][:, step], measured.returns["pretrained"][:, step]
        span = difference_interval(ours, theirs)
        bold = "**" if span.excludes_zero else ""
        cells.append(f"{bold}{span.estimate:+.2f}{bold} ± {(span.high - span.low) / 2:.2f}")
    lines.append("| *MAML less pretrained, paired* | | " + " | ".join(cells) + " |")
    alt = "Return by gradient step, and the paths of MAML before and after one step"
    return "\n".join([*lines, "", f"![{alt}]({PLOT})"])


def _plot(measured: Measured, config: NavigationConfig, path: Path) -> None:
    with svg.styled():
        figure, (left, right) = drawing.panels(1, 2, (8.4, 4.0))
        drawing.by_step(left, measured.returns, METHODS)
        left.set(ylabel="mean return of an episode", yscale="symlog", xticks=range(STEPS + 1))
        left.legend(frameon=False)
        _paths(right, measured.policies["maml"], config)
        svg.save(figure, path)


@torch.no_grad()
def _paths(axes: Axes, policy: Policy, config: NavigationConfig) -> None:
    """One trajectory of MAML to each of a few goals, before (dotted) and after one step."""
    goals = torch.tensor([[0.4, 0.4], [-0.4, 0.4], [-0.4, -0.4], [0.4, -0.4]])
    generator = torch.Generator().manual_seed(config.seed)
    params = spread(policy, len(goals))
    before = config.roll_out(policy, params, goals, generator)
    adapted = adapt(policy, params, before, rate=config.inner_rate, discount=config.discount)
    after = config.roll_out(policy, adapted, goals, generator)
    for task, look in enumerate(drawing.LOOKS[: len(goals)]):
        for paths, line, width in ((before, ":", 0.8), (after, "-", 1.2)):
            seen = paths.seen[task, 0][paths.alive[task, 0]]
            axes.plot(seen[:, 0], seen[:, 1], line, color=look["color"], linewidth=width)
        axes.plot(*goals[task], "*", color=look["color"], markersize=12)
    edge = 1.4 * SIDE
    axes.set(xlim=(-edge, edge), ylim=(-edge, edge), aspect="equal", xlabel="x", ylabel="y")
    axes.set_title("MAML: before (dotted) and after one step")
