"""Learning curves as figures: plain dictionaries that go into one JSON file.

An infinite amount is null there: JSON has no infinity.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from model import metrics
from model.intervals import Interval, bootstrap_ranking, mean_interval
from model.reports.figures import Figures
from model.reports.learning_curve import BARS, Axis, Bar, Point
from model.reports.learning_curve_fit import Errors, fit, of_ranking, of_tasks
from model.reports.learning_curve_points import Outcome
from model.training.journal import Journal


def curves(
    plan: Mapping[Axis, Sequence[Point]],
    found: Mapping[Point, Outcome],
    is_standin: Bool[np.ndarray, " m"],
    seed: int,
) -> Figures:
    """By axis: every point's figures with intervals, and of every figure the law.

    Args:
        is_standin: of the held-out pictures.
    """
    cells = {point: _cells(each, is_standin, seed) for point, each in found.items()}
    return {
        axis: {
            "points": [
                {
                    "data": point.data,
                    "tasks": point.tasks,
                    "dim": point.dim,
                    "repeat": point.repeat,
                    "views": found[point].views,
                    "names": found[point].names,
                    "figures": cells[point],
                }
                for point in members
            ],
            "laws": _laws(axis, members, found, is_standin, seed),
        }
        for axis, members in plan.items()
    }


def _cells(each: Outcome, is_standin: Bool[np.ndarray, " m"], seed: int) -> Figures:
    found = {name: _figure(mean_interval(values)) for name, values in each.figures.items()}
    (zero,) = (bar for bar in BARS if bar.sort == "zero_shot")
    ranking = bootstrap_ranking(
        {"learner": each.zero_shot},
        is_standin,
        metrics.auroc_of,
        generator=np.random.default_rng(seed),
    )
    return found | {zero.name: _figure(ranking["learner"])}


def _laws(
    axis: Axis,
    members: Sequence[Point],
    found: Mapping[Point, Outcome],
    is_standin: Bool[np.ndarray, " m"],
    seed: int,
) -> Figures:
    amounts = sorted({_amount(axis, point) for point in members})
    grouped = [
        [found[point] for point in members if _amount(axis, point) == amount] for amount in amounts
    ]
    laws: Figures = {}
    if len(amounts) < 2:  # no embedding smaller than the released one
        return laws
    for bar in BARS:
        errors = _errors(bar, grouped, is_standin)
        if errors is None:
            continue
        law = fit(np.array(amounts), errors, 1 - bar.wanted, seed=seed)
        laws[bar.name] = {
            "scale": law.law.scale,
            "exponent": _figure(law.exponent),
            "wanted": bar.wanted,
            "needed": _figure(law.needed),
            "gain_of_the_last_step": _figure(law.gain),
        }
    return laws


def _errors(
    bar: Bar, grouped: Sequence[Sequence[Outcome]], is_standin: Bool[np.ndarray, " m"]
) -> Errors | None:
    if bar.sort == "zero_shot":
        return of_ranking([[o.zero_shot for o in each] for each in grouped], is_standin)
    if any(bar.name not in o.figures for each in grouped for o in each):
        return None
    values: list[list[Float[np.ndarray, " t"]]] = [
        [o.figures[bar.name] for o in each] for each in grouped
    ]
    return of_tasks(values)


def _amount(axis: Axis, point: Point) -> float:
    """As a multiple of what the release has."""
    return {"data": point.data, "tasks": point.tasks, "size": float(point.dim)}[axis]


def _figure(interval: Interval) -> Figures:
    ends = {"estimate": interval.estimate, "low": interval.low, "high": interval.high}
    finite = {k: float(f"{v:.6g}") if math.isfinite(v) else None for k, v in ends.items()}
    return finite | {"n": interval.n}


def others(log: Path, backbones: Path) -> Figures:
    """What was measured elsewhere: the encoder's training, and frozen backbones.

    Args:
        log: of ``meta_train``. backbones: JSON of scripts/backbones.py. Either may be missing.
    """
    found: Figures = {"encoder": [], "backbones": []}
    if log.exists():
        found["encoder"] = [
            {k: v for k, v in entry.items() if k != "stage"}
            for entry in Journal(log).entries()
            if entry["stage"] == "encoder"
        ]
    if backbones.exists():
        result = json.loads(backbones.read_text(encoding="utf-8"))
        found["backbones"] = [
            _backbone(name, cost, result) for name, cost in result["cost"].items()
        ]
    return found


def _backbone(name: str, cost: float, result: Figures) -> Figures:
    method = f"{name}-logistic"
    entry: Figures = {"name": name, "cost": round(cost, 3)}
    zero = result["zero_shot"]["all"]["methods"][method]
    entry["zero_shot auroc 0"] = zero["auroc"]
    for tasks in result["few_shot"]:
        if tasks["pool"] == "real" and not tasks["subject"]:
            metric = "auroc" if tasks["sort"] == "turning" else "accuracy"
            key = f"{tasks['sort']} {metric} {tasks['real']}"
            entry[key] = tasks["methods"][method][metric]
    return entry
